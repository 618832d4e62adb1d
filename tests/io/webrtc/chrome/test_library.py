"""How the engine is set up. Each test asks a process of its own: the first load decides."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.chrome import needs_chrome

pytestmark = needs_chrome

ASK = """
import json
from passerelle.io.webrtc.chrome.library import load
load(is_call={is_call})
print(json.dumps(dict(load().field_trials)))
"""


def trials(*, is_call: bool) -> dict[str, str]:
    words = [sys.executable, "-c", ASK.format(is_call=is_call)]
    done = subprocess.run(words, capture_output=True, check=True, text=True, timeout=60)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_call_judges_its_path_as_a_browser_does() -> None:
    """Its hello is a browser's as that of other links is, and nothing else is set."""
    call, fast = trials(is_call=True), trials(is_call=False)
    assert call == {"WebRTC-EnableDtlsPqc": "Enabled"}
    assert call.items() < fast.items()
    assert {"WebRTC-Bwe-LossBasedBweV2", "WebRTC-SendNackDelayMs"} < set(fast)
