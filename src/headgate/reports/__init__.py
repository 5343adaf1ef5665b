"""Ledger records -> documents: pure, without I/O and without a clock. Every tick, number and date cites its record."""
