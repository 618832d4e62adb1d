"""Link messages as the frames of a video, and how fast they may come.

`rtp` parses and writes packets, `nack.Repair` decides which lost packet is asked for again and
when, `video` packs messages into frames and puts them in order. `RateControl` is the congestion
control of whoever sends over one path: of the client's SCTP, and of a video that the client
receives and whose rate it dictates.

Uses: `core.tunnel.estimator` for the size of a session's segments. `io.webrtc` is the shell around
it.
"""
