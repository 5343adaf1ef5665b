"""Numbers in, estimates out: mergeable summaries, sequential tests, sample-ratio check. Knows nothing of rollouts."""
