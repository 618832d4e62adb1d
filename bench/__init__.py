"""Benchmarks, each a program of its own: `python -m bench.NAME [--json] [--quick]`.

`python -m bench` runs them all. A program prints a table and what it means, or with `--json` one
object. It exits with 0 when it measured, even below a target, and with 1 when it could not.

Every part is a process of its own, with a real Chromium as the volunteer: the servers (`passerelle
serve`), the client (`passerelle client`), a site (`bench.site`) and an application (`bench.app`).
They run on loopback, or in the namespaces of `tests.lab`.
"""
