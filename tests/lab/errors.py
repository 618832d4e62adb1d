"""Errors of the laboratory."""


class LabError(Exception):
    """The laboratory could not be built, or did not do what it was asked."""
