"""What only minutes show."""
