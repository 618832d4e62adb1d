"""The broker role: introduces clients to volunteers.

A volunteer's WebSocket is a `Conversation`, let in by `volunteerendpoint`; those that have said
hello are in `Volunteers`, with the offers that wait for one in `waiting`. A client's request comes
by `post`, `amp` or, carried by hand, `friends`, and is opened by `Rendezvous`, which asks `limiter`
whether it may, `BrokerCluster` for a volunteer here or at another broker, `issuer` for tickets, and
tells `demand` who had to wait. `Placement` judges an offer and makes it to a volunteer of this
broker. Brokers speak to each other by `channel`, which is sealed. `service` puts all together; the
pages and files are in `assets`, `old_builds`, `embed`, `translatedpage` and `readpage`.

Uses: `core.matching` decides who is asked; `io.server` has the web server and the bus.
"""
