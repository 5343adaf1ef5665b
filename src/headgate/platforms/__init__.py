"""Where versions are built and run: adapters of the Platform port, strangers to each other."""
