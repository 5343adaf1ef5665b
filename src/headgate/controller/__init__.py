"""The shell around the core: lease -> load -> observe -> decide -> commit -> execute. Synchronous, straight lines."""
