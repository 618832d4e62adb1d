"""Measurements, each a program of its own: `python -m bench.NAME [--json] [--quick]`.

`python -m bench` runs them all. A program prints a table and its meaning, or with `--json` one
object. It ends with 0 when it measured, even below a target, and with 1 when it could not.

The servers (`passerelle serve`), the client (`passerelle client`), a site (`bench.site`) and an
application (`bench.app`) are processes of their own, and the volunteer is a real Chromium. They run
on loopback, or in the namespaces of `tests.lab`.
"""
