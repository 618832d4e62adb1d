"""Measurements, each a program of its own: `python -m bench.NAME [--json] [--quick]`.

`python -m bench` runs them all. A program prints a table and what it means, or with `--json` one
object. It ends with 0 when it measured, also below a target, and with 1 when it could not.

Everything runs as processes of their own, with a real Chromium as the volunteer: the servers
(`passerelle serve`), the client (`passerelle client`), a site (`bench.site`) and an application
(`bench.app`); on loopback, or spread over the namespaces of `tests.lab`.
"""
