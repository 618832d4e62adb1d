"""Attacks that `bench.hostile` makes, one module for each place where a stranger's bytes arrive.

Each module has a function `measure(quick)` that yields rows, and ends what it started.
"""
