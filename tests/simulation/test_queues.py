"""Each queue against the same discipline, transfer by transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.simulation.queues import (
    BEYOND_HORIZON_US,
    WORK_PER_BYTE,
    Capacity,
    FifoLines,
    PerTransferLines,
    RequestServers,
    SharedLine,
)
from distd.simulation.world import HORIZON_US, MINUTE_US, SECOND_US, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HOUR_US = 60 * MINUTE_US
CONSTANT = Line.read("100kB/s")
OFFICE = Line.read("100kB/s; 20kB/s mon-sun 8-18")  # five times slower for ten hours of each day
EACH = Line.read("100kB/s each")
FREE = Line()


def longs(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


# --- capacity


def test_work_and_time_are_inverse() -> None:
    capacity = Capacity([CONSTANT, OFFICE], 0)
    for at_us in (0, 1, 7 * HOUR_US, 8 * HOUR_US, 9 * HOUR_US + 1, 30 * HOUR_US):
        for line in (0, 1):
            work = capacity.work_until(longs(line), longs(at_us))
            assert capacity.time_when_done(longs(line), work, longs(0)) == at_us


def test_a_rate_changes_with_the_hours() -> None:
    capacity = Capacity([OFFICE], 7 * 60)  # the simulation begins on Monday at 7
    assert capacity.work_until(longs(0), longs(HOUR_US)) == 100 * HOUR_US
    assert capacity.work_until(longs(0), longs(2 * HOUR_US)) == 120 * HOUR_US
    assert capacity.work_until(longs(0), longs(12 * HOUR_US)) == (100 + 10 * 20 + 100) * HOUR_US


def test_only_lines_with_rules_are_limited() -> None:
    assert Capacity([FREE, CONSTANT], 0).limited.tolist() == [False, True]


# --- first come, first served


def fifo(lines: Sequence[Line], arrivals: Sequence[tuple[int, int, int]], begins_min: int = 0) -> list[tuple[int, int]]:
    """Of (line, time, bytes), sorted by time: when each is first served and when it ends, one after the other."""
    capacities = [Capacity([line], begins_min) for line in lines]
    busy_until_us = [0] * len(lines)
    done = [0] * len(lines)
    served = []
    for line, at_us, length in arrivals:
        capacity = capacities[line]
        if not capacity.limited[0]:
            served.append((at_us, at_us))
            continue
        done[line] = max(done[line], int(capacity.work_until(longs(0), longs(at_us))[0])) + length * WORK_PER_BYTE
        end_us = int(capacity.time_when_done(longs(0), longs(done[line]), longs(at_us))[0])
        served.append((max(at_us, busy_until_us[line]), end_us))
        busy_until_us[line] = end_us
    return served


def test_a_transfer_waits_for_those_before_it() -> None:
    lines = FifoLines([CONSTANT], 0)
    start_us, end_us = lines.serve(longs(0, 0, 0), longs(0, 0, 10 * SECOND_US), longs(100_000, 200_000, 100_000))
    assert start_us.tolist() == [0, SECOND_US, 10 * SECOND_US]
    assert end_us.tolist() == [SECOND_US, 3 * SECOND_US, 11 * SECOND_US]


def test_the_queue_goes_on_in_the_next_batch() -> None:
    lines = FifoLines([CONSTANT], 0)
    lines.serve(longs(0), longs(0), longs(500_000))
    start_us, end_us = lines.serve(longs(0), longs(SECOND_US), longs(100_000))
    assert (start_us.tolist(), end_us.tolist()) == ([5 * SECOND_US], [6 * SECOND_US])
    lines.clear(0)
    assert lines.serve(longs(0), longs(SECOND_US), longs(100_000))[1].tolist() == [2 * SECOND_US]


def test_lines_do_not_wait_for_each_other() -> None:
    lines = FifoLines([CONSTANT, FREE, CONSTANT], 0)
    _, end_us = lines.serve(longs(0, 1, 2), longs(0, 0, 0), longs(100_000, 100_000, 200_000))
    assert end_us.tolist() == [SECOND_US, 0, 2 * SECOND_US]


def test_a_transfer_beyond_the_horizon_has_a_time_beyond_it() -> None:
    _, end_us = FifoLines([Line.read("1kB/s")], 0).serve(longs(0, 0), longs(0, 0), longs(10**12, 1))
    assert end_us.tolist() == [BEYOND_HORIZON_US] * 2
    assert BEYOND_HORIZON_US > HORIZON_US


ARRIVALS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 30 * HOUR_US), st.integers(0, 50_000_000)), min_size=1, max_size=30
).map(lambda rows: sorted(rows, key=lambda row: row[1]))


@given(ARRIVALS, st.integers(1, 30), st.integers(0, 10_079))
def test_batches_give_the_same_as_one_transfer_after_the_other(
    arrivals: list[tuple[int, int, int]], batch: int, begins_min: int
) -> None:
    chosen = [CONSTANT, OFFICE, FREE, Line.read("7kB/s; 1kB/s mon 0-1")]
    lines, served = FifoLines(chosen, begins_min), []
    for first in range(0, len(arrivals), batch):
        line, at_us, length = np.array(arrivals[first : first + batch], np.int64).T
        start_us, end_us = lines.serve(line, at_us, length)
        served += list(zip(start_us.tolist(), end_us.tolist(), strict=True))
    assert served == fifo(chosen, arrivals, begins_min)


# --- no queue


def test_each_transfer_has_the_whole_rate() -> None:
    lines = PerTransferLines([EACH, CONSTANT], 0)
    end_us = lines.serve(longs(0, 0, 1), longs(0, 0, 5), longs(100_000, 200_000, 100_000))
    assert end_us.tolist() == [SECOND_US, 2 * SECOND_US, 5]  # the shared limit of the other is not its matter


def test_a_transfer_slows_down_when_the_hours_begin() -> None:
    lines = PerTransferLines([Line.read("100kB/s each; 20kB/s each mon-sun 8-18")], 0)
    before_us = 8 * HOUR_US - SECOND_US
    assert lines.serve(longs(0), longs(before_us), longs(200_000)).tolist() == [8 * HOUR_US + 5 * SECOND_US]


# --- requests


def test_requests_are_answered_one_after_the_other() -> None:
    servers = RequestServers(10, 2)
    answered_us = servers.answer(longs(0, 0, 1, 0), longs(0, 0, 0, SECOND_US))
    assert answered_us.tolist() == [100_000, 200_000, 100_000, SECOND_US + 100_000]
    servers.answer(longs(1), longs(SECOND_US))
    servers.clear(0)
    assert servers.answer(longs(0), longs(SECOND_US)).tolist() == [SECOND_US + 100_000]


def test_servers_without_a_limit_answer_at_once() -> None:
    assert RequestServers(0, 1).answer(longs(0, 0), longs(3, 3)).tolist() == [3, 3]


# --- processor sharing


def shared(line: Line = CONSTANT) -> SharedLine:
    return SharedLine(Capacity([line], 0), 0)


def test_two_transfers_have_half_of_the_line_each() -> None:
    line = shared()
    line.arrive(0, 100_000, 1)
    line.arrive(0, 200_000, 2)
    assert line.next_end_us() == 2 * SECOND_US
    assert line.pop_finished(10 * SECOND_US) == [(2 * SECOND_US, 1, 100_000), (3 * SECOND_US, 2, 200_000)]
    assert not line.is_busy
    assert line.busy_periods(HORIZON_US) == [(0, 3 * SECOND_US, 300_000)]


def test_a_transfer_that_arrives_later_slows_down_the_first() -> None:
    line = shared()
    line.arrive(0, 200_000, 1)
    assert line.pop_finished(SECOND_US) == []
    line.arrive(SECOND_US, 50_000, 2)
    assert line.pop_finished(HOUR_US) == [(2 * SECOND_US, 2, 50_000), (2_500_000, 1, 200_000)]


def test_a_line_with_a_transfer_is_busy() -> None:
    line = shared()
    line.arrive(0, 100_000, 1)
    assert line.is_busy


def test_a_busy_period_that_has_not_ended_counts_what_was_sent() -> None:
    line = shared()
    line.arrive(0, 100_000, 1)
    line.pop_finished(SECOND_US)
    line.arrive(10 * SECOND_US, 10**9, 2)
    assert line.busy_periods(11 * SECOND_US) == [
        (0, SECOND_US, 100_000),
        (10 * SECOND_US, 11 * SECOND_US, 100_000),
    ]


@given(
    st.lists(st.tuples(st.integers(0, HOUR_US), st.integers(1, 10_000_000)), min_size=1, max_size=12).map(sorted),
    st.lists(st.integers(0, 2 * HOUR_US), max_size=10),
)
def test_the_result_does_not_depend_on_how_often_it_is_asked_for(
    arrivals: list[tuple[int, int]], asked_us: list[int]
) -> None:
    results = []
    for questions in ([], asked_us):
        line, found = shared(OFFICE), []
        events = sorted([(at_us, length) for at_us, length in arrivals] + [(at_us, 0) for at_us in questions])
        for number, (at_us, length) in enumerate(events):
            found += [(end_us, transfer) for end_us, _, transfer in line.pop_finished(at_us)]
            if length:
                line.arrive(at_us, length, number)
        found += [(end_us, transfer) for end_us, _, transfer in line.pop_finished(HORIZON_US)]
        results.append(sorted(found))
    assert results[0] == results[1]
    assert sum(length for _, length in results[0]) == sum(length for _, length in arrivals)


@pytest.mark.parametrize("length", [1, 7, 1000, 123_457])
def test_a_transfer_that_is_alone_takes_the_same_on_all_lines(length: int) -> None:
    line: Any = shared()
    line.arrive(SECOND_US, length, 0)
    ((shared_us, _, _),) = line.pop_finished(HORIZON_US)
    _, fifo_us = FifoLines([CONSTANT], 0).serve(longs(0), longs(SECOND_US), longs(length))
    own_us = PerTransferLines([EACH], 0).serve(longs(0), longs(SECOND_US), longs(length))
    assert shared_us == fifo_us[0] == own_us[0]
