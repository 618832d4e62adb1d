from __future__ import annotations

from passerelle.broker.doorcounts import DoorCounts
from passerelle.io.server.metrics import Metrics

DOOR = "https://news.example/door"
OTHER = "https://other.example/door"


def test_what_a_door_brings_is_counted_for_it() -> None:
    """Requests, those that had no reply, and the bytes both ways; each rounded up."""
    metrics = Metrics()
    counts = DoorCounts(metrics, [DOOR, OTHER])
    counts.answered(DOOR, 1072, bytes(1072))
    counts.answered(DOOR, 100, None)
    text = metrics.text().decode()
    for name, count in (("requests", 8.0), ("refused", 8.0), ("bytes", 2248.0)):
        assert f'passerelle_broker_door_{name}_total{{door="{DOOR}"}} {count}\n' in text
        assert f'passerelle_broker_door_{name}_total{{door="{OTHER}"}} 0.0\n' in text
