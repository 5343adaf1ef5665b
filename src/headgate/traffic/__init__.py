"""Adapters of the Traffic port: who decides which version a new session gets."""
