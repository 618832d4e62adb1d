"""Tests that need minutes to show a fault."""
