"""The whole path, with a real Chromium in the middle."""
