"""Formats of everything that crosses a wire. Pure: no I/O, no clock, no randomness."""
