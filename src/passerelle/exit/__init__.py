"""The exit role: where tunnels end and connections to the Internet begin.

- `service` admits links by their tickets, `decoy_site` answers everybody else, and `handshake` is a
  link's first frames.
- `sessions` owns the sessions: who may start one, and what ends one that asks too much.
- `connections` and `datagrams` join one stream to one TCP connection or UDP socket.
- `gateway` is a folder of its own: answers to reading pages, for a publisher's site.
- `settings` is the configuration file, `config` what an exit is told, `process` a process of it.
- `counts`, `reports` and `announcer` tell the operator and the brokers how it goes.
"""
