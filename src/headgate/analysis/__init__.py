"""Estimates -> verdict, with its reason and its data. Passive: it reads, it answers, it cannot touch production."""
