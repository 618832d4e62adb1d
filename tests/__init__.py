"""Tests; the folders mirror `src/passerelle`."""
