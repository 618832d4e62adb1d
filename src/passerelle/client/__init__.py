"""The client role: the reader's local proxy."""
