"""State machines. Pure: no I/O, no clock, no randomness."""
