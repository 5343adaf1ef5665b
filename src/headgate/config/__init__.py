"""The only reader of the environment and of the files that people write: plans, suites, settings."""
