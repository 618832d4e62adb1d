"""ORTC objects of aiortc, loaded without the codecs that it has for pictures and sound.

`import aiortc` also imports PyAV, which is FFmpeg: 105 MB on disk. aiortc needs it to encode and
decode, and no link needs that: to the client, a link's video is packets of bytes. So while
aiortc is imported, placeholders stand for what it takes from PyAV, and afterwards they are gone:
PyAV need not be installed, and where it is, it is not loaded. Using one of aiortc's codecs all the
same raises CodecAbsent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

_PYAV = "av"


class CodecAbsent(AttributeError):
    """Something of PyAV was used, which Passerelle does without."""

    def __str__(self) -> str:
        return f"Passerelle loads aiortc without PyAV, so there is no {self.args[0]}"


class _Absent(type):
    """A class of PyAV that has no objects and no attributes."""

    def __call__(cls, *args: object, **named: object) -> NoReturn:
        raise CodecAbsent(cls.__name__)

    def __getattr__(cls, name: str) -> NoReturn:
        raise CodecAbsent(f"{cls.__name__}.{name}")


class _Placeholder(ModuleType):
    """A module of PyAV that has every class it is asked for."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        absent = _Absent(name, (), {})
        setattr(self, name, absent)
        return absent


class _Finder(MetaPathFinder, Loader):
    """Finds placeholders where Python would look for PyAV."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != _PYAV:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Placeholder(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty."""


@contextmanager
def _without_codecs() -> Iterator[None]:
    """Let imports inside find placeholders for PyAV."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if isinstance(module, _Placeholder):
                del sys.modules[name]


with _without_codecs():
    from aioice import stun
    from aioice.ice import Connection as IceConnection
    from aioice.ice import StunProtocol
    from aiortc import (
        RTCCertificate,
        RTCDataChannel,
        RTCDataChannelParameters,
        RTCDtlsTransport,
        RTCIceCandidate,
        RTCIceGatherer,
        RTCIceParameters,
        RTCIceServer,
        RTCIceTransport,
        RTCSctpCapabilities,
        RTCSctpTransport,
    )
    from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
    from aiortc.rtcsctptransport import Chunk, DataChunk, InitAckChunk, InitChunk, SackChunk

__all__ = [
    "Chunk",
    "CodecAbsent",
    "DataChunk",
    "IceConnection",
    "InitAckChunk",
    "InitChunk",
    "RTCCertificate",
    "RTCDataChannel",
    "RTCDataChannelParameters",
    "RTCDtlsFingerprint",
    "RTCDtlsParameters",
    "RTCDtlsTransport",
    "RTCIceCandidate",
    "RTCIceGatherer",
    "RTCIceParameters",
    "RTCIceServer",
    "RTCIceTransport",
    "RTCSctpCapabilities",
    "RTCSctpTransport",
    "SackChunk",
    "StunProtocol",
    "stun",
]
