"""When a contact and a turn are due."""

from __future__ import annotations

import math

import pytest

from distd.domain.diagnosis.due_turns import contact_interval_s, due_gap_s
from distd.domain.records import Dialect
from distd.domain.settings import DownloadConfig

HANDOUT = DownloadConfig(frag_latency_s=15, cycle_latency_s=15, period_latency_s=15, period_length=10)
HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("priority", "gap_s"),
    # A fragment's pause, the cycles up to the next one with its number, at the end of a period 15 s more.
    [(1, 45), (5, 15 + 5 * 15 + 15), (10, 15 + 10 * 15 + 15), (11, math.inf)],
)
def test_the_longest_time_between_two_turns(priority: int, gap_s: float) -> None:
    assert due_gap_s(Dialect.NATIVE, HANDOUT, "17", (("17", priority),)) == gap_s
    assert due_gap_s(Dialect.WINDOWS, HANDOUT, "17", (("17", priority),)) == gap_s + 1


def test_other_packages_have_their_turns_between() -> None:
    alone = due_gap_s(Dialect.NATIVE, HANDOUT, "17", (("17", 5),))
    assert due_gap_s(Dialect.NATIVE, HANDOUT, "17", (("17", 5), ("18", 1))) == alone + 5 * 15
    assert due_gap_s(Dialect.UNIX, HANDOUT, "17", (("17", 5), ("18", 0))) == math.inf


def test_contacts_come_as_they_did_or_as_told() -> None:
    assert contact_interval_s((), 24) == 24 * HOUR_S
    daily = [day * 30 * HOUR_S for day in range(5)]
    assert contact_interval_s(daily, 24) == 30 * HOUR_S
    by_hand = [0.0, 60.0, 120.0, 180.0, 240.0]
    assert contact_interval_s(by_hand, 24) == 24 * HOUR_S
