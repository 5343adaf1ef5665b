"""The dashboard: renders queries and reports, decides nothing. Read-only; binds to loopback unless told otherwise."""
