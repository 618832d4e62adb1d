from __future__ import annotations

import socket

from passerelle.io.listening import cannot_listen


def test_other_listening_faults_have_their_sentences() -> None:
    denied = cannot_listen("::", 80, PermissionError(13, "Permission denied"))
    assert "above 1023" in str(denied)
    unknown = cannot_listen("no.such", 80, socket.gaierror(-2, "Name or service not known"))
    assert "host name is not known" in str(unknown)
    assert "every address" in str(cannot_listen("", 80, OSError(105, "No buffer space")))
