"""Tests of the whole path, with a real Chromium as the volunteer."""
