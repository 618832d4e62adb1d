"""A session between a client and an exit: ordered bytes over several links, and streams inside.

`Session` cuts bytes into segments, `scheduler` chooses a link for each by what the link's
`LinkEstimator` has measured, `SessionLink` says when a link is overdue or dead, and `Reassembly`
and `RangeSet` put what arrives in order. `Streams` is HTTP/2 over those bytes, and `masque` the
path in a UDP flow's request; `FrameCount` counts its frames. `StreamRotation` says which stream of
a session sends next, and `DeficitRoundRobin` which session of an exit.

Uses: `core.bucket`, `core.ledger`, `core.address.host`, and of `wire` the frames. `io.tunnel` is
the shell around it.
"""
