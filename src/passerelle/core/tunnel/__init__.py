"""A session between a client and an exit: ordered bytes over several links, and streams inside.

`Session` cuts bytes into segments, `scheduler` chooses a link for each by what its `LinkEstimator`
measured, `Reassembly` and `RangeSet` put what arrives in order. `Streams` is HTTP/2 over those
bytes; `masque` is the path of a UDP flow's request. `DeficitRoundRobin` shares an exit's way out
between sessions.

Uses: `core.bucket`, `core.address.host`, and of `wire` the frames. `io.tunnel` is the shell around
it.
"""
