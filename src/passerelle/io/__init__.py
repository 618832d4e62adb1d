"""Thin asyncio shells around sockets, TLS, WebRTC and WebSockets."""
