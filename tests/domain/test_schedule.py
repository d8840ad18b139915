"""The scheduler against tables, and its closed form against itself."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

import pytest

from distd.domain.records import Dialect
from distd.domain.schedule import Pause, Reason, Turn, arrival_s, gets_no_turn, start_s, turns
from distd.domain.settings import DownloadConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIX, WINDOWS, NATIVE = Dialect.UNIX, Dialect.WINDOWS, Dialect.NATIVE
CLASSIC = DownloadConfig(frag_latency_s=15, cycle_latency_s=15, period_latency_s=15, period_length=10)
LETTER = {Reason.FRAGMENT: "f", Reason.CYCLE: "c", Reason.PERIOD: "P"}


def play(dialect: Dialect, needs: dict[str, tuple[int, int]], length: int, steps: int = 200) -> str:
    """The schedule as a text, for packages name → (priority, turns needed); "." ends it."""
    config = DownloadConfig(frag_latency_s=1, cycle_latency_s=2, period_latency_s=3, period_length=length)
    live = {name: priority for name, (priority, _) in needs.items()}
    left = {name: count for name, (_, count) in needs.items()}
    text = ""
    schedule = turns(dialect, config, live)
    for step in islice(schedule, steps):
        if isinstance(step, Pause):
            text += LETTER[step.reason]
            continue
        text += step.package_id
        left[step.package_id] -= 1
        if not left[step.package_id]:
            del live[step.package_id]
    return text + ("." if next(schedule, None) is None else "")


PLAYS = [
    (NATIVE, {}, 2, "."),
    (NATIVE, {"A": (1, 1)}, 3, "AfcccP."),
    (WINDOWS, {"A": (1, 1)}, 3, "AfcccP."),
    (UNIX, {"A": (1, 1)}, 3, "AfcccP."),
    (UNIX, {"A": (2, 2)}, 5, "cAfccAfccP."),
    (UNIX, {"A": (1, 3), "B": (2, 1)}, 4, "AfcAfBfcAfccP."),
    # Priority 0: alone, without cycle latencies, and others follow once it is through within its first period.
    (NATIVE, {"A": (0, 2), "B": (1, 2)}, 4, "AfAfBfcBfcP."),
    (UNIX, {"A": (0, 2), "B": (1, 2)}, 4, "AfAfBfcBfcP."),
    (WINDOWS, {"A": (0, 2), "B": (1, 2)}, 4, "AfcAfcccPBfcBfcccP."),
    # One entry more each period …
    (NATIVE, {"A": (0, 7)}, 2, "AfAfPAfAfPAfAfPAfcP."),
    (UNIX, {"A": (0, 6)}, 2, "AfAfPAfAfAfAfP."),
    (UNIX, {"A": (0, 12)}, 2, "AfAfPAfAfAfAfPAfAfAfAfAfAfP."),
    (NATIVE, {"A": (0, 3), "B": (0, 3), "C": (1, 1)}, 2, "AfBfAfBfPAfBfCfcP."),
    # … and a priority-0 package that ends in a later period starves the others for good.
    (UNIX, {"A": (0, 3), "B": (1, 1)}, 2, "AfAfPAffffP" + "ffffP" * 40),
    # Two of them, ending in the same cycle (well) and in different ones (the agent dies), as tried with Perl.
    (UNIX, {"A": (0, 2), "B": (0, 2), "C": (1, 2)}, 4, "AfBfAfBfCfcCfcP."),
    (UNIX, {"A": (0, 2), "B": (0, 3), "C": (1, 2)}, 4, "AfBfAfBffBf."),
    (UNIX, {"A": (0, 3), "B": (0, 2), "C": (1, 1)}, 4, "AfBfAfBfAfCfcP."),
]


@pytest.mark.parametrize(("dialect", "needs", "length", "expected"), PLAYS, ids=[f"{p[0]}-{p[1]}" for p in PLAYS])
def test_schedule(dialect: Dialect, needs: dict[str, tuple[int, int]], length: int, expected: str) -> None:
    ends = expected.endswith(".")
    text = play(dialect, needs, length)
    assert text == expected if ends else text.startswith(expected[:150])


def test_a_package_that_is_added_waits_for_the_next_period() -> None:
    live = {"A": 1}
    schedule = turns(NATIVE, DownloadConfig(period_length=2), live)
    assert next(schedule) == Turn("A")
    live["B"] = 1
    seen = [step.package_id for step in islice(schedule, 10) if isinstance(step, Turn)]
    assert seen == ["A", "A", "B"]


def test_a_package_that_is_removed_has_no_more_turns() -> None:
    live = {"A": 1, "B": 1}
    schedule = turns(NATIVE, DownloadConfig(period_length=2), live)
    next(schedule)
    live.clear()
    assert [step for step in schedule if isinstance(step, Turn)] == []


@pytest.mark.parametrize("dialect", Dialect)
def test_the_configuration_is_read_at_the_start_of_a_period(dialect: Dialect) -> None:
    configs = iter([DownloadConfig(period_length=1, frag_latency_s=5), DownloadConfig(on=False)])
    steps = list(turns(dialect, lambda: next(configs), {"A": 1}))
    assert steps[1] == Pause(Reason.FRAGMENT, 5)
    assert [LETTER[s.reason] if isinstance(s, Pause) else "A" for s in steps] == ["A", "f", "c", "P"]


@pytest.mark.parametrize(
    ("priority", "length", "expected"), [(0, 10, False), (0, 0, True), (10, 10, False), (11, 10, True), (1, 0, True)]
)
def test_a_priority_that_gets_no_turn(priority: int, length: int, expected: bool) -> None:
    config = DownloadConfig(period_length=length)
    assert gets_no_turn(priority, config) is expected
    assert math.isinf(start_s(UNIX, config, priority, 1, 1)) is expected
    assert math.isinf(arrival_s(UNIX, config, priority, 1, 1)) is expected
    steps = islice(turns(UNIX, config, {"A": priority}), 500)
    assert any(isinstance(step, Turn) for step in steps) is not expected


# The handout's latencies, 15/15/15/10; a fetch takes no time. By hand: priority 1 has a turn each 30 s and 15 s more
# after ten; priority 5 has two turns a period, in cycles 5 and 10.
LITERAL = [
    (UNIX, 1, [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 315, 345]),
    (WINDOWS, 1, [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 316, 346]),
    (UNIX, 5, [60, 150, 255, 345, 450]),
    (NATIVE, 5, [60, 150, 255, 345, 450]),
    (WINDOWS, 5, [60, 150, 256, 346, 452]),
    (UNIX, 10, [135, 315, 495]),
    (UNIX, 3, [30, 90, 150, 240]),
    (NATIVE, 0, [0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 165, 180]),
    (UNIX, 0, [15 * k + 15 * (k >= 10) + 15 * (k >= 30) + 15 * (k >= 60) for k in range(65)]),
    (WINDOWS, 0, [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 316, 346]),
]


@pytest.mark.parametrize(("dialect", "priority", "starts"), LITERAL, ids=[f"{row[0]}-{row[1]}" for row in LITERAL])
def test_the_classic_latencies(dialect: Dialect, priority: int, starts: list[int]) -> None:
    assert [start_s(dialect, CLASSIC, priority, k, 0) for k in range(1, len(starts) + 1)] == starts
    assert list(islice(clock(dialect, CLASSIC, priority, 0), len(starts))) == starts


def clock(dialect: Dialect, config: DownloadConfig, priority: int, fetch_s: float | Fraction) -> Iterator[Fraction]:
    """The start of each turn of a lone package, by playing the schedule."""
    now = Fraction(0)
    for step in turns(dialect, config, {"A": priority}):
        if isinstance(step, Turn):
            yield now
            now += Fraction(fetch_s)
        else:
            now += step.seconds


def draw(random: Random) -> tuple[Dialect, DownloadConfig, int, Fraction]:
    length = random.randint(1, 12)
    frag, cycle, period = (random.choice([0, 1, random.randint(0, 100)]) for _ in range(3))
    config = DownloadConfig(frag_latency_s=frag, cycle_latency_s=cycle, period_latency_s=period, period_length=length)
    fetch_s = Fraction(random.randint(0, 5000), random.randint(1, 50))
    return random.choice(list(Dialect)), config, random.choice([0, random.randint(0, length)]), fetch_s


@pytest.mark.parametrize("seed", range(20))
def test_the_closed_form_is_the_generator(seed: int) -> None:
    random = Random(seed)
    for _ in range(300):
        dialect, config, priority, fetch_s = draw(random)
        played = list(islice(clock(dialect, config, priority, fetch_s), 30))
        assert played == [start_s(dialect, config, priority, k, fetch_s) for k in range(1, 31)], (config, priority)
        assert arrival_s(dialect, config, priority, 30, fetch_s) == played[-1] + fetch_s
