from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distd.simulation.queues import Capacity, FifoLines
from distd.simulation.traffic import HORIZON_MIN, TrafficCounter
from distd.simulation.world import HORIZON_US, MINUTE_US, Line

SLOW = Line.read("1kB/s")


def count(line: Line, *transfers: tuple[int, int, int]) -> list[int]:
    """Bytes by minute after transfers of (start, end, bytes) on one line."""
    counter = TrafficCounter(1)
    start_us, end_us, length = np.array(transfers, np.int64).T
    counter.add(np.zeros(len(transfers), np.int64), start_us, end_us, length, Capacity([line], 0))
    return [int(size_bytes) for size_bytes in counter.table()[0]]


def test_a_transfer_within_a_minute_counts_there() -> None:
    assert count(SLOW, (0, 10, 5), (3 * MINUTE_US, 3 * MINUTE_US + 1, 7)) == [5, 0, 0, 7]


def test_a_long_transfer_is_spread_over_its_minutes() -> None:
    assert count(SLOW, (MINUTE_US // 2, 2 * MINUTE_US + MINUTE_US // 2, 120_000)) == [30_000, 60_000, 30_000]


def test_a_line_without_a_limit_carries_all_at_once() -> None:
    counter, at_us = TrafficCounter(1), np.array([MINUTE_US], np.int64)
    counter.add(np.zeros(1, np.int64), at_us, at_us, np.array([10**9], np.int64), Capacity([Line()], 0))
    assert counter.table().tolist() == [[0, 10**9]]


def test_nothing_is_counted_after_the_horizon() -> None:
    counted = count(SLOW, (HORIZON_US - MINUTE_US, HORIZON_US + 5 * MINUTE_US, 360_000), (HORIZON_US, HORIZON_US, 9))
    assert len(counted) == HORIZON_MIN
    assert sum(counted) == counted[-1] == 60_000


@given(
    st.lists(st.tuples(st.integers(0, 3600 * 10**6), st.integers(0, 500_000)), min_size=1, max_size=10).map(sorted),
)
def test_every_byte_is_counted_once_and_no_minute_carries_too_much(arrivals: list[tuple[int, int]]) -> None:
    line = Line.read("20kB/s; 5kB/s mon 0:20-0:40")
    at_us, length = np.array(arrivals, np.int64).T
    number = np.zeros(len(arrivals), np.int64)
    lines, counter = FifoLines([line], 0), TrafficCounter(1)
    start_us, end_us = lines.serve(number, at_us, length)
    counter.add(number, start_us, end_us, length, lines.capacity)
    (by_minute,) = counter.table()
    assert by_minute.sum() == length.sum()
    limits = [60_000 * line.kilobytes_per_s(minute) for minute in range(len(by_minute))]
    assert (by_minute <= np.array(limits) + 1).all()  # parts of a byte are counted in the next minute
