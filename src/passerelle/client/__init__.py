"""The client role: the reader's local proxy, whose traffic leaves through volunteers.

`Client` (`service`) joins three parts. `LocalProxy` (`proxy`, `datagrams`) takes applications'
connections and asks for a stream each. `LinkSupervisor` keeps a session linked, so that there are
streams: `sessions`, `pool`, `supply`, `fallback`, `retry`, `exits` and `nat_probe` each own one
thing for it, and a link is made by `paths` or `unrelayed`, `handshake` and `session`. `Brokers`
asks for volunteers and keeps the network's descriptor: `rendezvous` is a request, `methods` and
`friend` carry it, `state` is what is remembered between runs.

`config` is what the role is told, `notices` what it tells.
"""
