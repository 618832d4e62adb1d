"""The client's end of a volunteer's DataChannel, and of the video beside it.

`ChannelOffer` gathers, offers and connects. It returns a `ChannelTransport`, which is a `Transport`
of `io.tunnel`. `SctpSender` is aiortc's SCTP with another sending half, and `Association` holds
hostile volunteers to its rules. `VideoReceiver` takes link messages out of a video, and `Inbox`
puts what came both ways in one order. `ortc` is aiortc without its codecs.

There are two congestion controllers for two things: `core.media.RateControl` says how fast packets
may leave on one path, and `core.tunnel.LinkEstimator` how much of a session may be on one link.

Uses: `io.tasks`, and `io.tunnel.transport` for what a transport is. Only `ortc` imports aiortc.
"""
