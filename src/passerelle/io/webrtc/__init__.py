"""The client's end of a volunteer's DataChannel, and of the video beside it.

`ChannelOffer` gathers, offers and connects; it returns a `ChannelTransport`, which is a `Transport`
of `io.tunnel`. `SctpSender` is aiortc's SCTP with a sending half of ours, `VideoReceiver` takes
link messages out of a video, `Inbox` puts what came both ways in one order.

There are two congestion controllers for two things: `core.media.RateControl` says how fast packets
may leave on one path, `core.tunnel.LinkEstimator` how much of a session may be on one link.

Uses: `io.tasks`, and `io.tunnel.transport` for what a transport is. Only this room imports aiortc.
"""
