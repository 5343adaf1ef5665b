"""Notifications: what people asked to be told, sent where the plan says."""
