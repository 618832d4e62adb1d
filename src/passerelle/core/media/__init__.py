"""Link messages as the frames of a video, and how fast they may come.

`rtp` parses and writes packets, `nack.Repair` decides which lost packet is asked for again and
when, and `video` packs messages into frames and puts them in order. `RateControl` is the congestion
control of one direction of one path between client and browser. The client's SCTP has one for what
it sends, and its video receiver another, whose window it tells to whoever sends the video. Each has
a `PathDelay`, which tells jitter from a queue.

Uses: `core.tunnel.estimator` for the size of a session's segments. `io.webrtc` is the shell around
it.
"""
