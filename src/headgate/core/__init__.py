"""The brain: values and decisions. Standard library only; no I/O, no clock, no randomness, no logging."""
