"""The volunteer: a program that does what a page with the switch does, without a screen.

`conversation` holds a WebSocket to a broker, `relay` takes its offers, and each `link` copies a
client's messages to an exit and back. `usage` counts what was given and `hours` says when, so
the bounds of the person whose machine it is are kept; `store` keeps the counts through a crash.
`status` tells what goes on. The volunteer sees ciphertext, and counts of people are all it keeps.

Uses: `io.webrtc.chrome` to answer clients, `wire` for what is said.
"""
