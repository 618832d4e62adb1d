"""Reach the open web through the browser of a volunteer who flipped a switch on a page."""

__version__ = "0.1.0"
