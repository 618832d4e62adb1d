from passerelle.io.server.metrics import Metrics
from tests.broker.parties import Scene, scene


def shown(metrics: Metrics) -> dict[str, float]:
    """The broker's numbers, by name and label."""
    lines = [line for line in metrics.text().decode().splitlines() if "passerelle_broker" in line]
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


async def ask_and_fail(here: Scene) -> None:
    await here.ask()
    await here.ask(version=9)
    status, _ = await here.post(b"garbage")
    assert status == 400


async def test_what_becomes_of_requests_is_counted_rounded_up() -> None:
    metrics = Metrics()
    async with scene(None, metrics) as here:
        await here.volunteer()
        assert shown(metrics)["passerelle_broker_volunteers"] == 8
    async with scene(None, metrics := Metrics()) as here:
        await ask_and_fail(here)
    found = shown(metrics)
    assert found['passerelle_broker_requests_total{outcome="answered"}'] == 8
    assert found['passerelle_broker_requests_total{outcome="version"}'] == 8
    assert found['passerelle_broker_requests_total{outcome="unusable"}'] == 8
    assert found['passerelle_broker_requests_total{outcome="busy"}'] == 0
    assert found['passerelle_broker_offers_total{outcome="no_volunteer"}'] == 8
    assert found['passerelle_broker_offers_total{outcome="answered"}'] == 0
