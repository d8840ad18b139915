"""How often an address may ask for what costs much."""

from __future__ import annotations

import math

from distd.domain.request_rates import MAX_BUCKETS, MAX_DELAY_S, STRANGERS, TRUST_S, TRUSTED, RequestRates


def served(rates: RequestRates, peer: str, now_s: float, count: int = 10_000, purpose: str = "operators") -> int:
    """How many of so many requests are not refused."""
    return sum(rates.delay_s(purpose, peer, now_s) < math.inf for _ in range(count))


def test_a_burst_is_free_and_then_they_wait_in_turn() -> None:
    rates = RequestRates(10)
    delays = [rates.delay_s("operators", "a", 0.0) for _ in range(27)]
    assert delays[:5] == [0.0] * 5
    assert [round(delay_s, 6) for delay_s in delays[5:25]] == [round(0.1 * n, 6) for n in range(1, 21)]
    assert delays[25:] == [math.inf] * 2


def test_who_is_refused_is_not_counted() -> None:
    rates = RequestRates(10)
    assert served(rates, "a", 0.0) == 25
    assert served(rates, "a", 1.0) == 10


def test_whether_a_request_would_be_refused_counts_none() -> None:
    rates = RequestRates(10)
    assert not any(rates.is_refused("operators", "a", 0.0) for _ in range(100))
    assert served(rates, "a", 0.0) == 25
    assert rates.is_refused("operators", "a", 0.0)
    assert not rates.is_refused("operators", "a", 0.2)
    assert not rates.is_refused("operators", "b", 0.0)


def test_the_rate_holds_in_the_long_run() -> None:
    rates = RequestRates(10)
    assert sum(served(rates, "a", second, 100) for second in range(100)) == 25 + 99 * 10


def test_no_address_waits_for_another() -> None:
    rates = RequestRates(10)
    served(rates, "a", 0.0)
    assert rates.delay_s("operators", "b", 0.0) == 0.0


def test_all_strangers_together_have_a_rate_too() -> None:
    rates = RequestRates(10)
    total = sum(served(rates, f"10.0.0.{number}", 0.0, 20) for number in range(100))
    assert total == STRANGERS * 10 * (0.5 + MAX_DELAY_S)


def test_each_purpose_has_its_own() -> None:
    rates = RequestRates(10)
    for number in range(100):
        served(rates, f"10.0.0.{number}", 0.0, 20)
    assert rates.delay_s("health", "10.0.0.1", 0.0) == 0.0


def test_after_a_log_in_more_often_for_a_while_whatever_strangers_do() -> None:
    rates = RequestRates(10)
    rates.trust("a", 0.0)
    for number in range(100):
        served(rates, f"10.0.0.{number}", 0.0, 20)
    assert served(rates, "a", 0.0) == TRUSTED * 25
    assert served(rates, "a", TRUST_S + 100) == 25


def test_another_rate_at_once() -> None:
    rates = RequestRates(10)
    rates.trust("a", 0.0)
    rates.limit(2)
    assert served(rates, "b", 0.0) == 5
    assert served(rates, "a", 0.0) == TRUSTED * 5


def test_what_it_remembers_is_bounded() -> None:
    rates = RequestRates(10)
    for number in range(3 * MAX_BUCKETS):
        rates.delay_s("operators", str(number), float(number))
    assert len(rates._buckets) == MAX_BUCKETS
