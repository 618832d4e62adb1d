"""The error of a benchmark that has no numbers."""


class Unmeasured(Exception):
    """Something that had to work failed, so nothing was measured; the message is one sentence."""
