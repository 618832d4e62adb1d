"""The broker role: introduces clients to volunteers."""
