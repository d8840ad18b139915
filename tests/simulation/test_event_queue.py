from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distd.simulation.event_queue import EventQueue


def add(events: EventQueue, *turns: tuple[int, int]) -> None:
    agents, at_us = np.array(turns, np.int64).reshape(-1, 2).T
    events.add(agents, at_us)


def take(events: EventQueue, transfer_end_us: int | None = None) -> Any:
    """(start, end, [(agent, time)]) of the next slice."""
    found = events.next(transfer_end_us)
    if found is None:
        return None
    start_us, end_us, agents, at_us = found
    return start_us, end_us, list(zip(agents.tolist(), at_us.tolist(), strict=True))


def test_slices_come_in_order_with_their_turns_sorted() -> None:
    events = EventQueue(10)
    add(events, (1, 25), (2, 3), (3, 1))
    add(events, (4, 1), (0, 29))
    assert take(events) == (0, 10, [(3, 1), (4, 1), (2, 3)])
    assert take(events) == (20, 30, [(1, 25), (0, 29)])
    assert take(events) is None


def test_a_slice_ends_at_a_boundary() -> None:
    events = EventQueue(10, [4, 24, 24])
    add(events, (1, 3), (2, 4), (3, 20))
    assert take(events) == (0, 4, [(1, 3)])
    assert take(events) == (0, 10, [(2, 4)])
    assert take(events) == (20, 24, [(3, 20)])


def test_a_transfer_that_ends_is_a_reason_for_a_slice() -> None:
    events = EventQueue(10)
    add(events, (1, 35))
    assert take(events, 15) == (10, 20, [])
    assert take(events, 99) == (30, 40, [(1, 35)])
    assert take(events, 99) == (90, 100, [])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 500)), max_size=40), st.lists(st.integers(0, 500)))
def test_no_turn_is_lost(turns: list[tuple[int, int]], boundaries_us: list[int]) -> None:
    events, found = EventQueue(50, boundaries_us), []
    add(events, *turns)
    while (part := take(events)) is not None:
        start_us, end_us, taken = part
        assert all(start_us <= at_us < end_us for _, at_us in taken)
        found += taken
    assert sorted(found) == sorted(turns)
    assert [at_us for _, at_us in found] == sorted(at_us for _, at_us in turns)
