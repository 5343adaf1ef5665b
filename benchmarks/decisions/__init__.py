"""Which rule decides a rollout best: the judge and its peers on the same simulated rollouts, with the information
bound.

`make bench-stats`, or `python -m benchmarks.decisions --quick`.
"""
