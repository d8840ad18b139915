"""Plans of roll-outs: as people write them, as JSON, and who is in which wave."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.rollout_plan import (
    RolloutHalts,
    RolloutLimits,
    RolloutPlan,
    WaveBy,
    WavePlan,
    check_plan,
    describe_wave,
    parse_wave,
    read_plan,
    split,
    wave_to_join,
    write_plan,
)

DEFAULT = WavePlan(WaveBy.REST, success_percent=80, after_s=60)
FIVE, REST = WavePlan(WaveBy.NUMBER, "5"), WavePlan(WaveBy.REST)
TENTH = WavePlan(WaveBy.SHARE, "10")
TEST_CLASS = WavePlan(WaveBy.GROUP, "Test class")

WRITTEN = {
    "5": WavePlan(WaveBy.NUMBER, "5", "", 80, 60),
    "pilot: 10 %; success 95%; after 2h": WavePlan(WaveBy.SHARE, "10", "pilot", 95, 7200),
    "pilote : 10 %; succès 95 %; après 2 h": WavePlan(WaveBy.SHARE, "10", "pilote", 95, 7200),
    "groupe Test class; à la main": WavePlan(WaveBy.GROUP, "Test class", "", 80, 60, by_hand=True),
    "filtre os = windows": WavePlan(WaveBy.FILTER, "os = windows", "", 80, 60),
    "le reste": WavePlan(WaveBy.REST, "", "", 80, 60),
    "group Test class; by hand": WavePlan(WaveBy.GROUP, "Test class", "", 80, 60, by_hand=True),
    'filter mac ~ "aa: b"': WavePlan(WaveBy.FILTER, 'mac ~ "aa: b"', "", 80, 60),
    "all others: REST": WavePlan(WaveBy.REST, "", "all others", 80, 60),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_waves_as_people_write_them(text: str) -> None:
    wave = parse_wave(text, "waves", DEFAULT)
    assert wave == WRITTEN[text]
    assert replace(parse_wave(describe_wave(wave), "waves", wave), name=wave.name) == wave


@pytest.mark.parametrize("text", ["", "some", "group", "5; soon", "5; after noon", "-5", "5; success x%"])
def test_what_is_no_wave(text: str) -> None:
    with pytest.raises(BadInput, match=r"^waves: expected"):
        parse_wave(text, "waves", DEFAULT)


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "no waves": ("waves", {"waves": ()}),
    "too many waves": ("waves", {"waves": (FIVE,) * 51}),
    "the rest before others": ("waves.0", {"waves": (REST, FIVE)}),
    "shares of more than all": ("waves", {"waves": (TENTH, WavePlan(WaveBy.SHARE, "91"))}),
    "a share of more than all": ("waves.0.value", {"waves": (WavePlan(WaveBy.SHARE, "101"),)}),
    "nobody": ("waves.0.value", {"waves": (WavePlan(WaveBy.NUMBER, "0"),)}),
    "no number": ("waves.0.value", {"waves": (WavePlan(WaveBy.NUMBER, "²"),)}),
    "no group": ("waves.0.value", {"waves": (WavePlan(WaveBy.GROUP, " "),)}),
    "a name of two lines": ("waves.0.name", {"waves": (replace(FIVE, name="a\nb"),)}),
    "a share of successes": ("waves.0.success_percent", {"waves": (replace(FIVE, success_percent=101),)}),
    "a time": ("waves.0.after_s", {"waves": (replace(FIVE, after_s=-1),)}),
    "at once": ("limits.at_once", {"limits": RolloutLimits(0)}),
    "a rate": ("limits.bytes_per_s", {"limits": RolloutLimits(None, 0.5)}),
    "errors": ("halts.error_percent", {"halts": RolloutHalts(0)}),
    "stalls": ("halts.stalled_percent", {"halts": RolloutHalts(None, 101)}),
    "judged": ("halts.judged_from", {"halts": RolloutHalts(judged_from=0)}),
    "no time": ("halts.stalled_after_s", {"halts": RolloutHalts(stalled_after_s=1)}),
    "retries": ("retries", {"retries": 11}),
    "windows": ("windows", {"windows": "noon"}),
}


@pytest.mark.parametrize(("field", "values"), WRONG.values(), ids=WRONG)
def test_wrong_values_are_named(field: str, values: dict[str, Any]) -> None:
    check_plan(RolloutPlan((FIVE, REST)))
    with pytest.raises(BadInput) as caught:
        check_plan(replace(RolloutPlan((FIVE, REST)), **values))
    assert caught.value.field == field


PLAN = RolloutPlan((FIVE, TEST_CLASS, REST), RolloutLimits(5, 1e6), RolloutHalts(5), 2e9, "mon", True, True, 2, "18")


@pytest.mark.parametrize("plan", [PLAN, RolloutPlan((FIVE,))])
def test_plans_as_json(plan: RolloutPlan) -> None:
    assert read_plan(json.loads(json.dumps(write_plan(plan)))) == plan


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("plan.wave", {"waves": [], "wave": 1}),
        ("plan.waves", {"waves": 5}),
        ("plan.waves.0", {"waves": [5]}),
        ("plan.waves.0.by", {"waves": [{}]}),
        ("plan.waves.0.by", {"waves": [{"by": "luck"}]}),
        ("plan.waves.0.value", {"waves": [{"by": "number", "value": 5}]}),
        ("plan.retries", {"waves": [], "retries": True}),
        ("plan.limits.at_once", {"waves": [], "limits": {"at_once": "5"}}),
    ],
)
def test_json_of_no_plan(field: str, found: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read_plan(found)
    assert caught.value.field == field


def test_who_is_in_which_wave() -> None:
    pilots = {1}
    computers = [pilots if place in (2, 19) else set() for place in range(20)]
    found = split((WavePlan(WaveBy.NUMBER, "3"), TEST_CLASS, TENTH, REST), computers)
    assert found == [0, 0, 0, 2, 2, *[3] * 14, 1]
    assert split((FIVE,), computers[:6]) == [0] * 5 + [None]


@given(st.integers(1, 100), st.integers(0, 300))
def test_a_share_is_of_all_and_rounded_up(percent: int, number: int) -> None:
    found = split((FIVE, WavePlan(WaveBy.SHARE, str(percent))), [()] * number)
    assert found.count(1) == min(max(0, number - 5), -(-percent * number // 100))


@pytest.mark.parametrize(
    ("opened", "matched", "wave"),
    [(0, {1}, 1), (2, {1}, 1), (3, {1}, 3), (1, set(), 3), (4, set(), 3), (0, {2}, 2)],
)
def test_those_that_begin_to_match_join(opened: int, matched: set[int], wave: int) -> None:
    assert wave_to_join((FIVE, TEST_CLASS, TEST_CLASS, REST), opened, matched) == wave


def test_a_last_wave_by_number_or_share_takes_them_and_no_other() -> None:
    assert wave_to_join((FIVE, TENTH), 1, ()) == 1
    assert wave_to_join((FIVE, TEST_CLASS), 1, ()) is None
