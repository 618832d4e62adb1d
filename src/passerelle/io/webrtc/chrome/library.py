"""The package `wrtc`, set up for links; where its wheel is missing, `load` says so."""

from __future__ import annotations

import importlib
import signal
from types import ModuleType

from passerelle import limits

_HELLO = "WebRTC-EnableDtlsPqc"
_TRIALS = {
    # A browser's ClientHello and ServerHello have a post-quantum share.
    _HELLO: "Enabled",
}
"""What the engine is told before its first connection. It is fixed for the life of the process."""
_FAST_TRIALS = {
    # The 2,048 packets that libwebrtc keeps by itself are less than a fast, long path has under
    # way, and what it drops can never be repaired.
    "WebRTC-PacketBufferMaxSize": "16384",
    # By itself libwebrtc asks for 256 KB. A fast path fills that in 20 ms, and a busy machine lets
    # it wait for longer. The kernel gives what it is allowed to.
    "WebRTC-ReceiveBufferSize": str(limits.LINK_WINDOW_CAP_BYTES),
    # Where packets overtake each other, libwebrtc at once asks again for all that were overtaken. A
    # few milliseconds later they are here.
    "WebRTC-SendNackDelayMs": "10",
    # Mobile networks and censors lose packets at any rate. Without this, a loss of more than a
    # twentieth counts as congestion whatever the delay is, and the estimate falls to 1 Mbit/s.
    # While it rises again, libwebrtc would fill the path with padding.
    "WebRTC-Bwe-LossBasedBweV2": (
        "Enabled:true,InstantUpperBoundLossOffset:0.3,InherentLossUpperBoundOffset:0.3,"
        "PaddingDuration:0s"
    ),
}
"""The same, for links that need not send as a call does."""

PROBE = "--probe"
"""Argument with which the engine's process only tries to `load`, and tells why it cannot."""


IGNORED_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""What the engine's process never takes. A terminal and a supervisor signal the client, too, which
ends first, because it tells volunteers and exits; the process ends with it."""


class NoEngine(Exception):
    """The engine cannot be loaded; the text says why."""


def load(*, is_call: bool = False) -> ModuleType:
    """Return the package, set up. Raises NoEngine.

    The first one in a process decides: with `is_call`, the engine judges paths as a browser's.
    """
    try:
        webrtc = importlib.import_module("webrtc")
    except (ImportError, OSError) as error:
        raise NoEngine(f"the package wrtc cannot be loaded ({error})") from error
    if _HELLO not in webrtc.field_trials:
        webrtc.field_trials.update(_TRIALS if is_call else _TRIALS | _FAST_TRIALS)
    return webrtc
