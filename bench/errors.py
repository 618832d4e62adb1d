"""The error of a benchmark that could not measure."""


class Unmeasured(Exception):
    """Nothing was measured, because something that had to work did not. It holds one sentence."""
