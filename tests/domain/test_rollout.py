"""The engine of roll-outs, step by step, and in any order of events beside a model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distd.domain import rollout
from distd.domain.errors import Conflict
from distd.domain.rollout import MAX_STEP, find_halt, new_state, refuse, restart, step
from distd.domain.rollout_plan import RolloutHalts, RolloutLimits, RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import ENDED, DecisionKind, Moment, Phase, RolloutAct, RolloutFacts, WaveFacts
from tests.domain.rollout_world import (
    ACTIVE,
    FAILED,
    NOTIFIED,
    PENDING,
    SILENT,
    STALLED,
    SUCCESS,
    WAITING,
    Computer,
    World,
)

K = DecisionKind
PILOT, REST = WavePlan(WaveBy.NUMBER, "10"), WavePlan(WaveBy.REST, success_percent=90, after_s=600)


def world_of(*sizes: int, **plan: Any) -> World:
    waves = plan.pop("waves", None) or (PILOT, *[REST] * (len(sizes) - 1))
    return World(RolloutPlan(waves, **plan), [[Computer() for _ in range(size)] for size in sizes])


def started(*sizes: int, **plan: Any) -> World:
    world = world_of(*sizes, **plan)
    world.act(RolloutAct.START)
    world.settle()
    return world


def end(world: World, wave: int, state: str, count: int) -> None:
    """So many of the wave's active ones end so."""
    for computer in [each for each in world.waves[wave] if each.state in ACTIVE and each.state != state][:count]:
        computer.state = state
    world.settle()


def phase_of(world: World) -> Phase:
    return world.state.phase


def kinds(world: World) -> list[DecisionKind]:
    return [each.kind for each in world.decisions]


def test_a_wave_opens_after_the_share_and_the_time() -> None:
    world = started(10, 90)
    assert kinds(world) == [K.STARTED, K.WAVE_OPENED, K.ASSIGNED]
    end(world, 0, SUCCESS, 8)
    world.now_s += 600
    world.settle()
    assert world.state.opened == 1
    end(world, 0, SUCCESS, 1)
    assert world.state.opened == 2
    opened = world.decisions[-2]
    assert opened.figures == {
        "success": 9,
        "members": 10,
        "accepted": 0,
        "wanted_percent": 90,
        "open_s": 600.0,
        "wanted_s": 600,
    }
    assert [each.state for each in world.waves[1]] == [WAITING] * 90


def test_a_share_that_is_reached_waits_for_the_time() -> None:
    world = started(10, 90)
    end(world, 0, SUCCESS, 10)
    world.now_s += 599.9
    world.settle()
    assert world.state.opened == 1
    world.now_s += 0.1
    world.settle()
    assert world.state.opened == 2


def test_an_operator_opens_a_wave() -> None:
    by_hand = WavePlan(WaveBy.REST, success_percent=0, by_hand=True)
    world = started(10, 90, waves=(PILOT, by_hand))
    end(world, 0, SUCCESS, 10)
    world.now_s += 1e6
    world.settle()
    assert world.state.opened == 1
    world.act(RolloutAct.OPEN_WAVE)
    assert world.decisions[-1].figures["by"] == "operator"
    with pytest.raises(Conflict, match="all its waves are open"):
        world.act(RolloutAct.OPEN_WAVE)


@pytest.mark.parametrize(
    ("halts", "state", "count", "reason"),
    [
        (RolloutHalts(5), FAILED, 5, "wave 1: 5 failed of 5 with a result, of 100; limit 5 %"),
        (RolloutHalts(5, judged_from=4), FAILED, 4, "wave 1: 4 failed of 4 with a result, of 100; limit 5 %"),
        (RolloutHalts(stalled_percent=2), STALLED, 2, "wave 1: 2 of 100 stall; limit 2 %"),
        (RolloutHalts(), FAILED, 11, "wave 1: 11 of 100 failed, so 90 % cannot have a success"),
    ],
)
def test_it_halts_and_takes_back_what_was_not_notified(
    halts: RolloutHalts, state: str, count: int, reason: str
) -> None:
    world = started(100, 900, halts=halts)
    end(world, 0, state, count - 1)
    assert phase_of(world) is Phase.RUNNING
    end(world, 0, state, 1)
    assert (world.state.phase, world.state.reason) == (Phase.HALTED, reason)
    assert kinds(world)[-2:] == [K.HALTED, K.RECALLED]
    assert [each.state for each in world.waves[0]].count(PENDING) == 100 - count
    world.now_s += 1e6
    world.settle()
    assert phase_of(world) is Phase.HALTED


@pytest.mark.parametrize(
    ("made_by", "who", "is_other"),
    [
        ("operator:a", "operator:a", False),
        ("cli", "cli:root", False),
        ("cli:root", "cli", False),
        ("cli:root", "cli:ada", True),
        ("cli", "operator:a", True),
        ("operator:cli", "cli", True),
    ],
)
def test_nobody_approves_what_may_be_the_own(made_by: str, who: str, *, is_other: bool) -> None:
    world = world_of(10, approval=True)
    world.state = replace(world.state, created_by=made_by)
    if is_other:
        world.act(RolloutAct.APPROVE, who)
        return
    with pytest.raises(Conflict, match="another operator has to approve it"):
        world.act(RolloutAct.APPROVE, who)


def test_what_an_operator_accepted_counts_no_more() -> None:
    world = started(20, 900, halts=RolloutHalts(10, judged_from=2))
    end(world, 0, FAILED, 2)
    world.act(RolloutAct.RESUME)
    world.settle()
    assert (world.state.phase, world.state.reason) == (Phase.RUNNING, "")
    world.now_s += 600
    end(world, 0, SUCCESS, 17)  # of 18 that count
    assert world.state.opened == 2
    end(world, 1, FAILED, 2)
    assert phase_of(world) is Phase.HALTED


def test_what_was_accepted_when_it_stalled_counts_no_more_when_it_fails() -> None:
    world = started(20, 900, halts=RolloutHalts(10, stalled_percent=10, judged_from=2))
    end(world, 0, STALLED, 2)
    assert phase_of(world) is Phase.HALTED
    world.act(RolloutAct.RESUME)
    world.settle()
    stalled = [each for each in world.waves[0] if each.state == STALLED]
    for computer in stalled:
        computer.state = FAILED
    world.settle()
    assert phase_of(world) is Phase.RUNNING
    end(world, 0, FAILED, 1)
    assert phase_of(world) is Phase.RUNNING
    end(world, 0, FAILED, 1)
    assert (phase_of(world), world.state.reason) == (
        Phase.HALTED,
        "wave 1: 2 failed of 2 with a result, of 18; limit 10 %",
    )


def test_what_was_accepted_when_it_failed_counts_no_more_when_it_stalls() -> None:
    world = started(20, 900, halts=RolloutHalts(10, stalled_percent=10, judged_from=2))
    end(world, 0, FAILED, 2)
    world.act(RolloutAct.RESUME)
    world.settle()
    for computer in [each for each in world.waves[0] if each.state == FAILED]:  # an operator notified them again
        computer.state = STALLED
    world.settle()
    assert phase_of(world) is Phase.RUNNING
    end(world, 0, STALLED, 2)
    assert (phase_of(world), world.state.reason) == (Phase.HALTED, "wave 1: 2 of 18 stall; limit 10 %")


def test_what_was_not_told_is_taken_back_in_parts_when_it_stops() -> None:
    world = started(3000)
    world.act(RolloutAct.STOP)
    world.settle()
    assert {each.state for each in world.computers} == {PENDING}
    assert [each.computers for each in world.decisions if each.kind is K.RECALLED] == [MAX_STEP, 1000]


def test_failures_are_tried_again() -> None:
    world = started(10, 10, retries=1, halts=RolloutHalts(10))
    end(world, 0, FAILED, 1)
    assert (world.decisions[-1].kind, world.state.phase) == (K.RETRIED, Phase.RUNNING)
    end(world, 0, FAILED, 1)
    assert phase_of(world) is Phase.HALTED


def test_it_begins_at_its_time_in_a_window_and_waits_outside() -> None:
    world = started(10, 10, start_at_s=2000, windows="8-13")
    assert phase_of(world) is Phase.SCHEDULED
    world.now_s, world.minute = 2000, 13 * 60
    world.settle()
    assert phase_of(world) is Phase.SCHEDULED
    world.minute -= 1
    world.settle()
    assert phase_of(world) is Phase.RUNNING
    world.waves[0][0].state = NOTIFIED
    world.minute = 13 * 60
    world.settle()
    assert [each.state for each in world.waves[0]] == [NOTIFIED, *[PENDING] * 9]
    world.minute = 8 * 60
    world.settle()
    assert [each.state for each in world.waves[0]] == [NOTIFIED, *[WAITING] * 9]


def test_limits() -> None:
    world = started(10, 10, limits=RolloutLimits(at_once=3))
    assert world.busy == 3
    for computer in world.waves[0][:2]:
        computer.state = SILENT if computer is world.waves[0][0] else STALLED
    world.settle()
    assert (world.busy, sum(each.state in ACTIVE for each in world.waves[0])) == (3, 5)
    slow = world_of(10, limits=RolloutLimits(bytes_per_s=1000))
    slow.each_bytes_per_s = 300.0
    slow.act(RolloutAct.START)
    slow.settle()
    assert slow.busy == 3
    assert RolloutLimits(at_once=5, bytes_per_s=1).capacity(300.0) == 1
    assert RolloutLimits(bytes_per_s=1).capacity(0.0) is None


def test_a_step_is_bounded() -> None:
    world = started(3000, 1)
    assert [each.computers for each in world.decisions if each.kind is K.ASSIGNED] == [MAX_STEP, 1000]


def test_another_operator_approves() -> None:
    world = world_of(10, approval=True)
    world.act(RolloutAct.START, "operator:a")
    world.settle()
    assert phase_of(world) is Phase.AWAITING_APPROVAL
    with pytest.raises(Conflict, match="operator:a made it, so another operator has to approve it"):
        world.act(RolloutAct.APPROVE, "operator:a")
    world.act(RolloutAct.APPROVE, "operator:b")
    assert (world.state.phase, world.state.approved_by) == (Phase.SCHEDULED, "operator:b")
    before = world_of(10, approval=True)
    before.act(RolloutAct.APPROVE)
    with pytest.raises(Conflict, match="it is approved already"):
        before.act(RolloutAct.APPROVE)
    before.act(RolloutAct.START)
    assert before.state.phase is Phase.SCHEDULED
    with pytest.raises(Conflict, match="it needs no approval"):
        world_of(10).act(RolloutAct.APPROVE)


def test_pause_resume_stop_and_roll_back() -> None:
    world = started(10, roll_back_to="18")
    end(world, 0, SUCCESS, 4)
    world.act(RolloutAct.PAUSE)
    world.settle()
    assert [each.state for each in world.waves[0]].count(PENDING) == 6
    world.act(RolloutAct.RESUME)
    world.settle()
    assert (world.state.phase, world.busy) == (Phase.RUNNING, 6)
    world.act(RolloutAct.ROLL_BACK)
    rolled = world.decisions[-1]
    assert (world.state.phase, rolled.kind, rolled.computers, rolled.figures["to"]) == (
        Phase.STOPPED,
        K.ROLLED_BACK,
        4,
        "18",
    )
    for what in (RolloutAct.RESUME, RolloutAct.STOP, RolloutAct.START, RolloutAct.PAUSE):
        with pytest.raises(Conflict, match=r"it is stopped, so (it cannot be \w+|there is nothing to resume)"):
            world.act(what)
    world.act(RolloutAct.ROLL_BACK)
    assert world.decisions[-1].computers == 0, "all were"
    end(world, 0, SUCCESS, 2)
    world.act(RolloutAct.ROLL_BACK)
    assert (phase_of(world), world.decisions[-1].computers) == (Phase.STOPPED, 2), "those that have it since"
    other = started(10)
    with pytest.raises(Conflict, match="no package that it is rolled back to"):
        other.act(RolloutAct.ROLL_BACK)
    other.act(RolloutAct.STOP)
    assert kinds(other)[-1] is K.STOPPED


def test_a_large_one_is_rolled_back_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    world = started(10, roll_back_to="18")
    end(world, 0, SUCCESS, 7)
    monkeypatch.setattr(rollout, "MAX_STEP", 3)
    world.act(RolloutAct.ROLL_BACK)
    assert (phase_of(world), sum(each.rolled_back for each in world.computers)) == (Phase.ROLLING_BACK, 3)
    for what in (RolloutAct.RESUME, RolloutAct.ROLL_BACK, RolloutAct.PAUSE, RolloutAct.OPEN_WAVE):
        with pytest.raises(Conflict, match="it is being rolled back, so"):
            world.act(what)
    assert [each.kind for each in world.step()] == [K.RECALLED], "first nobody else is notified"
    assert [(each.kind, each.computers, each.figures) for each in world.step()] == [
        (K.ROLLED_BACK, 3, {"to": "18", "wanted": 4})
    ]
    world.settle()
    assert [each.kind for each in world.decisions[-2:]] == [K.ROLLED_BACK, K.STOPPED]
    assert sum(each.rolled_back for each in world.computers) == 7
    assert phase_of(world) is Phase.STOPPED


def test_what_is_left_to_be_rolled_back_is_left_when_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    world = started(10, roll_back_to="18")
    end(world, 0, SUCCESS, 7)
    monkeypatch.setattr(rollout, "MAX_STEP", 3)
    world.act(RolloutAct.ROLL_BACK)
    world.act(RolloutAct.STOP)
    world.settle()
    assert (phase_of(world), sum(each.rolled_back for each in world.computers)) == (Phase.STOPPED, 3)


def test_it_finishes_unless_computers_may_join() -> None:
    world = started(10)
    end(world, 0, SUCCESS, 9)
    assert phase_of(world) is Phase.RUNNING
    end(world, 0, FAILED, 1)
    assert (world.state.phase, kinds(world)[-1]) == (Phase.FINISHED, K.FINISHED)
    dynamic = started(10, dynamic=True)
    end(dynamic, 0, SUCCESS, 10)
    assert phase_of(dynamic) is Phase.RUNNING


def test_a_superseding_package_begins_with_the_first_wave() -> None:
    world = started(10, 10, halts=RolloutHalts(10))
    end(world, 0, FAILED, 1)
    state, decision = restart(world.plan, world.state, "17", "18")
    assert (decision.figures, state.opened, state.phase) == ({"before": "17", "after": "18"}, 0, Phase.HALTED)
    world.state, world.opened_at_s = state, {}
    for computer in world.computers:
        computer.state = PENDING
    world.act(RolloutAct.RESUME)
    world.settle()
    assert (world.state.phase, world.state.opened, world.busy) == (Phase.RUNNING, 1, 10)


def test_a_superseding_package_needs_another_approval() -> None:
    world = world_of(10, approval=True)
    world.act(RolloutAct.START)
    world.act(RolloutAct.APPROVE, "operator:eve")
    world.settle()
    assert world.state.phase is Phase.RUNNING
    world.state, _ = restart(world.plan, world.state, "17", "18")
    world.opened_at_s = {}
    assert (world.state.phase, world.state.approved_by) == (Phase.AWAITING_APPROVAL, "")
    for computer in world.computers:
        computer.state = PENDING
    world.settle()
    assert world.busy == 0
    world.act(RolloutAct.APPROVE, "operator:eve")
    world.settle()
    assert (world.state.phase, world.busy) == (Phase.RUNNING, 10)


@pytest.mark.parametrize("rests", [Phase.PAUSED, Phase.HALTED])
def test_one_that_rests_waits_for_the_other_approval_when_it_is_resumed(rests: Phase) -> None:
    world = world_of(10, approval=True)
    world.state = replace(world.state, phase=rests, approved_by="operator:eve")
    world.state, _ = restart(world.plan, world.state, "17", "18")
    assert world.state.phase is rests
    world.act(RolloutAct.RESUME)
    world.settle()
    assert (world.state.phase, world.busy) == (Phase.AWAITING_APPROVAL, 0)


def test_what_cannot_be_assigned_halts_it() -> None:
    state, decision = refuse(started(10).state, "it is not active")
    assert (state.phase, state.reason) == (Phase.HALTED, "the package cannot be assigned: it is not active")
    assert decision.figures == {"cause": "refused", "why": "it is not active"}


def test_an_empty_wave_holds_nothing_up() -> None:
    world = started(0, 5)
    world.now_s += 600
    world.settle()
    assert world.state.opened == 2


def test_of_failures_exactly_at_the_limit() -> None:
    """In whole numbers: 7 % of 100 are 7."""
    plan = RolloutPlan((PILOT,), halts=RolloutHalts(7))
    state, _ = step(plan, World(plan, [[]]).state, Moment(0), RolloutFacts((WaveFacts(),)))
    assert find_halt(plan, state, RolloutFacts((WaveFacts(failed=100),))) is None  # no wave is open
    state = restart(plan, new_state(plan, ""), "", "")[0]
    world = started(1)
    for failed, halts in ((6, False), (7, True)):
        facts = RolloutFacts((WaveFacts(success=100 - failed, failed=failed),))
        assert (find_halt(plan, world.state, facts) is not None) is halts


WAVES = st.builds(
    WavePlan,
    st.just(WaveBy.NUMBER),
    st.just("1"),
    success_percent=st.sampled_from([0, 33, 50, 90, 100]),
    after_s=st.sampled_from([0.0, 60.0, 600.0]),
    by_hand=st.sampled_from([False, False, False, True]),
)
PLANS = st.builds(
    RolloutPlan,
    st.lists(WAVES, min_size=1, max_size=4).map(tuple),
    limits=st.builds(RolloutLimits, st.none() | st.integers(1, 5), st.none() | st.sampled_from([50.0, 100.0, 1000.0])),
    halts=st.builds(
        RolloutHalts,
        st.none() | st.sampled_from([1, 20, 50, 100]),
        st.none() | st.sampled_from([1, 20, 100]),
        st.integers(1, 5),
    ),
    start_at_s=st.none() | st.just(1500.0),
    windows=st.sampled_from(["", "8-13"]),
    approval=st.booleans(),
    retries=st.integers(0, 2),
    roll_back_to=st.sampled_from(["", "18"]),
)
MOVES = st.one_of(
    st.tuples(st.just("act"), st.sampled_from([*RolloutAct, *[RolloutAct.RESUME] * 3])),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 60.0, 600.0])),
    st.tuples(st.just("minute"), st.sampled_from([12 * 60, 15 * 60])),
    st.tuples(st.just("share"), st.sampled_from([1, 50, 100])),
    st.tuples(st.sampled_from([NOTIFIED, SUCCESS, FAILED, STALLED, SILENT]), st.integers(1, 4)),
    st.tuples(st.just("join"), st.integers(1, 2)),
    *[st.tuples(st.just("step"), st.integers(1, 3))] * 3,
)


def move(world: World, kind: str, value: Any) -> None:
    if kind == "act":
        try:
            world.act(value)
        except Conflict:
            return
    elif kind == "wait":
        world.now_s += value
    elif kind == "minute":
        world.minute = value
    elif kind == "share":
        world.share = value
    elif kind == "join" and phase_of(world) not in ENDED:  # the last open wave, or the first
        world.waves[max(0, world.state.opened - 1)] += [Computer() for _ in range(value)]
    elif kind == "step":
        for _ in range(value):
            world.step()
    elif kind != "join":
        of = {SILENT: (WAITING,), SUCCESS: (STALLED, WAITING, NOTIFIED)}.get(kind, (WAITING, NOTIFIED))
        for computer in [each for each in world.computers if each.state in of][:value]:
            computer.state = kind


def finish_fairly(world: World) -> None:
    """From now on time goes on, windows come, operators do what only they can, and all that is assigned succeeds."""
    for _ in range(60 + 10 * len(world.computers)):
        if world.state.phase in (Phase.FINISHED, Phase.STOPPED):
            return
        for what in (RolloutAct.START, RolloutAct.APPROVE, RolloutAct.RESUME):
            move(world, "act", what)
        world.now_s += 600
        world.minute = 12 * 60
        world.settle()
        for computer in world.computers:
            if computer.state in ACTIVE:
                computer.state = SUCCESS
        world.settle()
        place = world.state.opened
        if place < len(world.waves) and world.plan.waves[place].by_hand:
            move(world, "act", RolloutAct.OPEN_WAVE)
    raise AssertionError(f"it never ends: {world.state}")


@settings(max_examples=150)
@given(
    PLANS,
    st.lists(st.integers(0, 6), min_size=4, max_size=4),
    st.sampled_from([0.0, 40.0]),
    st.lists(MOVES, min_size=12, max_size=40),
    st.sampled_from([0, 0, 0, 3]),
)
def test_no_sequence_opens_a_wave_too_early_twice_or_never(
    plan: RolloutPlan, sizes: list[int], each_bytes_per_s: float, moves: list[tuple[str, Any]], skipped: int
) -> None:
    """What must never happen, `World` asserts at every step."""
    world = World(plan, [[Computer() for _ in range(size)] for size, _ in zip(sizes, plan.waves, strict=False)])
    world.each_bytes_per_s = each_bytes_per_s
    with mock.patch.object(rollout, "MAX_STEP", 3):
        for kind, value in [("act", RolloutAct.START), ("act", RolloutAct.APPROVE), ("step", 2), *moves][skipped:]:
            move(world, kind, value)
        finish_fairly(world)
    if phase_of(world) is Phase.FINISHED:
        assert sorted(world.opened_at_s) == list(range(len(plan.waves)))
        assert {each.state for each in world.computers} <= {SUCCESS, FAILED}
