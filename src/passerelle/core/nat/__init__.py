"""NAT classes: how STUN finds them out, and what they mean for a connection.

`NatClassifier` asks STUN servers and names our NAT's class. `chance` estimates how likely peers
behind two classes of NAT reach each other. `StunServer` computes a STUN server's answers, and stops
answering networks that ask too often. `io.net.stun` has the sockets for both.

Uses: the STUN messages of `wire`.
"""
