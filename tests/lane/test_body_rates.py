"""How fast an address may send large bodies."""

from __future__ import annotations

from distd.lane.body_rates import MAX_ADDRESSES, SMALL_BYTES, BodyRates

LARGE = 1_000_000


def test_large_bodies_come_at_a_rate_in_the_long_run() -> None:
    rates = BodyRates(LARGE)
    taken = sum(rates.take("10.0.0.1", LARGE, tenth / 10) for tenth in range(1000))
    assert 100 <= taken <= 103


def test_small_ones_and_other_addresses_do_not_count() -> None:
    rates = BodyRates(LARGE)
    assert [rates.take("10.0.0.1", LARGE, 0.0) for _ in range(4)] == [True, True, False, False]
    assert all(rates.take("10.0.0.1", SMALL_BYTES, 0.0) for _ in range(1000))
    assert rates.take("10.0.0.2", LARGE, 0.0)
    assert rates.take("10.0.0.1", LARGE, 1.0)


def test_a_network_of_ipv6_is_one_address() -> None:
    rates = BodyRates(LARGE)
    assert [rates.take(f"2001:db8::{number}", LARGE, 0.0) for number in range(3)] == [True, True, False]


def test_what_it_remembers_is_bounded() -> None:
    rates = BodyRates(LARGE)
    for number in range(2 * MAX_ADDRESSES):
        rates.take(str(number), LARGE, 0.0)
    assert len(rates._buckets) == MAX_ADDRESSES
