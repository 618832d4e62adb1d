"""Parts of real set-ups on one machine: servers, clients and browsers, each a process of its own.

The browser tests, the namespace tests and the benchmarks use them.
"""
