"""Adapters of the Telemetry port: where the numbers of both variants come from."""
