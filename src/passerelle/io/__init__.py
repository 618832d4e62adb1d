"""Thin asyncio shells around sockets, TLS, WebRTC and WebSockets.

Rooms, each of which says in its own docstring what it owns:

- `tunnel`: a session at work: links, TLS, WebSockets, streams
- `webrtc`: the client's DataChannels and the video beside them
- `net`: names, connections, datagrams and locations of addresses
- `server`: HTTP servers, metrics, worker processes, the bus between servers

`tasks` stands beside them: the only place that starts background tasks.
"""
