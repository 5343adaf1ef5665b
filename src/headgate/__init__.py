"""Headgate: release a new version of an AI agent a little at a time, measure it, take it back in seconds, prove it."""

__version__ = "0.1.0"
