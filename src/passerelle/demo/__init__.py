"""The whole path on one machine, for people to see and for programs to check."""
