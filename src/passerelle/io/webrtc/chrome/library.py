"""The package `wrtc`, set up for links; where its wheel is missing, `load` says so."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

_TRIALS = {
    # A browser's ClientHello and ServerHello have a post-quantum share.
    "WebRTC-EnableDtlsPqc": "Enabled",
    # The 2,048 packets that libwebrtc keeps by itself are less than a fast, long path has under
    # way, and what it drops can never be repaired.
    "WebRTC-PacketBufferMaxSize": "16384",
    # Mobile networks and censors lose packets at any rate. Without this, a loss of more than a
    # twentieth counts as congestion whatever the delay is, and the estimate falls to 1 Mbit/s.
    # While it rises again, libwebrtc would fill the path with padding.
    "WebRTC-Bwe-LossBasedBweV2": (
        "Enabled:true,InstantUpperBoundLossOffset:0.3,InherentLossUpperBoundOffset:0.3,"
        "PaddingDuration:0s"
    ),
}
"""What the engine is told before its first connection. It is fixed for the life of the process."""

PROBE = "--probe"
"""Argument with which the engine's process only tries to `load`, and tells why it cannot."""


class NoEngine(Exception):
    """The engine cannot be loaded; the text says why."""


def load() -> ModuleType:
    """Return the package, set up. Raises NoEngine."""
    try:
        webrtc = importlib.import_module("webrtc")
    except (ImportError, OSError) as error:
        raise NoEngine(f"the package wrtc cannot be loaded ({error})") from error
    _prepare(webrtc)
    return webrtc


@functools.cache
def _prepare(webrtc: ModuleType) -> None:
    webrtc.field_trials.update(_TRIALS)
