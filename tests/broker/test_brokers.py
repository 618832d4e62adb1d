from passerelle import serverlimits
from passerelle.broker.brokers import FRESH_S, OtherBrokers
from passerelle.wire.bus import BrokerTotals


def count(name: str, volunteers: int = 1) -> BrokerTotals:
    return BrokerTotals(name, volunteers, 0, {})


def test_the_latest_word_of_each_other_broker_counts_as_long_as_it_is_fresh() -> None:
    others = OtherBrokers("own name")
    others.hear(count("own name"), 0)
    others.hear(count("one", 1), 0)
    others.hear(count("two", 2), 0)
    others.hear(count("one", 3), 5)
    assert others.counts(5) == [count("two", 2), count("one", 3)]
    assert others.counts(FRESH_S) == [count("one", 3)]
    assert others.counts(5 + FRESH_S) == []


def test_a_limited_number_of_brokers_is_remembered() -> None:
    others = OtherBrokers("own name")
    for number in range(serverlimits.BUS_BROKERS + 1):
        others.hear(count(f"broker {number}"), 0)
    names = [each.broker for each in others.counts(0)]
    assert len(names) == serverlimits.BUS_BROKERS
    assert "broker 0" not in names


def test_complaints_of_one_broker_are_limited() -> None:
    """One that invents readers moves nobody far, and takes nothing from another broker's."""
    others = OtherBrokers("own name")
    most, per_s = serverlimits.BUS_COMPLAINTS
    assert sum(others.may_complain("one", 0) for _ in range(600)) == most
    assert others.may_complain("two", 0)
    assert sum(others.may_complain("one", 10) for _ in range(600)) == 10 * per_s
    assert not others.may_complain("own name", 0)


def test_complaints_are_counted_for_a_limited_number_of_brokers() -> None:
    others = OtherBrokers("own name")
    for number in range(serverlimits.BUS_BROKERS * 2):
        others.may_complain(f"broker {number}", 0)
    assert len(others._complaints) == serverlimits.BUS_BROKERS
