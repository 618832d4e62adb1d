from passerelle import serverlimits
from passerelle.core.matching.peers import (
    LOAD_HALF_LIFE_S,
    ClientProfile,
    PeerLocation,
    PooledVolunteer,
    decayed,
)
from passerelle.core.matching.quality import VolunteerQuality
from passerelle.core.nat.classifier import NatClass


def test_load_fades() -> None:
    volunteer = PooledVolunteer(b"A", 1, NatClass.OPEN, PeerLocation(), VolunteerQuality(0), 0, 8)
    assert decayed(0) == 1
    assert decayed(LOAD_HALF_LIFE_S) == 0.5
    assert volunteer.load_at(3 * LOAD_HALF_LIFE_S) == 1
    volunteer.add_load(1, LOAD_HALF_LIFE_S)
    assert volunteer.load_at(2 * LOAD_HALF_LIFE_S) == 2.5
    volunteer.add_load(-9, 2 * LOAD_HALF_LIFE_S)
    assert volunteer.load_at(2 * LOAD_HALF_LIFE_S) == 0, "never below nothing"


def test_neither_location_nor_key_is_shown() -> None:
    client = ClientProfile(key=b"secret", location=PeerLocation(site=b"abc", country="FR"))
    assert "FR" not in repr(client)
    assert "abc" not in repr(client)
    assert "secret" not in repr(client)
    assert client.disclosure_limit == serverlimits.DISCLOSED_VOLUNTEERS
