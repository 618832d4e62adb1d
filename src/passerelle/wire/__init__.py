"""Formats of everything that crosses a wire. Pure: no I/O, no clock, no randomness.

- inside a link: `frames`, `envelope`, `capsule`; between a relay and its two sides: `control`,
  `websocket`
- between a reading page and a gateway: `gatewayframes`, with `binaryhttp` sealed by `oblivious` to
  the keys of `gatewaykeys`
- to a broker: `rendezvous` (sealed), `signalling` (volunteers), `ways`, `amp`, `friend`
- what everybody in a network trusts: `descriptor`, `invite`, and `tickets` and `tokens`, which are
  `signed_text`
- between servers: `bus`, sealed by `bus_seal` or signed by `bus_signature`; to STUN servers: `stun`
- `description` is one side of a WebRTC connection; `base64url` and `pasted` are texts in general
"""
