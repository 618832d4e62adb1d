"""The real thing on one machine: servers, clients and browsers as processes of their own.

Used by the browser tests, the namespace tests and the benchmarks.
"""
