"""Why a benchmark has no numbers."""


class Unmeasured(Exception):
    """Something that had to work did not, so nothing was measured; holds one sentence."""
