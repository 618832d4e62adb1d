"""The demo: every part of the network on one machine, for people to see and tests to check."""
