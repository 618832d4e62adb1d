"""The mark of tests that need Chrome's engine.

Only a machine that no wheel fits skips them: one whose C library is not glibc, or an unusual
processor. Where the package is merely not installed, they fail, so no CI passes without them by
mistake. `REQUIRED` in the environment says that this machine must have it, and none is skipped.
"""

from __future__ import annotations

import os

import pytest

from tools.bootstrap import CHROME_PACKAGE
from tools.wheels import fits

REQUIRED = "PASSERELLE_REQUIRES_CHROME"

needs_chrome = pytest.mark.skipif(
    not fits(CHROME_PACKAGE) and not os.environ.get(REQUIRED),
    reason=f"the package {CHROME_PACKAGE} has no wheel for this machine",
)
