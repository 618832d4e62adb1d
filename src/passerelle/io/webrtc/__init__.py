"""The client's end of a volunteer's DataChannel, and of the video beside it.

`ChannelOffer` gathers, offers and connects. It returns a `ChannelTransport`, which is a `Transport`
of `io.tunnel`. `VideoReceiver` takes link messages out of a video, and `Inbox` puts what came both
ways in one order. `ortc` is aiortc without its codecs.

A volunteer's packets are judged before aiortc keeps state for them: by `IceGuard` at the sockets,
`MediaDtls` before SRTP, `chunks` and `SctpAssociation` before SCTP. `Allowance` counts the time
they take. `SctpSender` is the other half of SCTP. `core.media.RateControl` says how fast packets
may leave on one path, `core.tunnel.LinkEstimator` how much of a session may be on one link.

Uses: `io.tasks`, and `io.tunnel.transport` for what a transport is. Only `ortc` imports aiortc.
"""
