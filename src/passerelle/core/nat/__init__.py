"""What a NAT does to packets, found out by STUN.

`NatClassifier` asks servers and names the class; `chance` says how likely two classes reach each
other; `StunServer` decides what a server of ours answers, and to whom no more.

Uses: `core.address.prefix`, and of `wire` the STUN messages. `io.net.stun` is the shell around it.
"""
