"""The exit role: where tunnels end and connections to the Internet begin."""
