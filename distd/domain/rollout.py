"""The engine of roll-outs: what happens next, from the plan, the state, the time and the numbers of computers.

It decides and changes nothing else: the caller carries out the decisions, and counts anew. Decisions follow from what
is, not from what has happened since: one that was not carried out, or only in part, is taken again. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from distd.domain.actor import ActorKind
from distd.domain.errors import Conflict
from distd.domain.rollout_acts import ALLOWED, REFUSALS, WAITING
from distd.domain.rollout_state import (
    Decision,
    DecisionKind,
    HaltCause,
    Phase,
    RolloutAct,
    RolloutState,
    WaveState,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.rollout_plan import RolloutPlan, WavePlan
    from distd.domain.rollout_state import Figures, Moment, RolloutFacts, WaveFacts

MAX_STEP: Final = 2000  # computers of all decisions of one step together
ANYBODY_HERE: Final = str(ActorKind.CLI)


def new_state(plan: RolloutPlan, created_by: str) -> RolloutState:
    """That of a roll-out that is made."""
    return RolloutState(Phase.DRAFT, tuple(WaveState() for _ in plan.waves), created_by)


def step(
    plan: RolloutPlan, state: RolloutState, moment: Moment, facts: RolloutFacts
) -> tuple[RolloutState, list[Decision]]:
    """What happens now. Called again with the same values after the decisions were carried out it goes on, and at last
    decides nothing."""
    if state.phase in (*WAITING, Phase.FINISHED):
        return state, []
    if state.phase is Phase.ROLLING_BACK:
        return _go_on_rolling_back(plan, state, facts)
    is_within = plan.is_within(moment.day, moment.minute)
    if state.phase is Phase.SCHEDULED:
        if not begins(plan, moment):
            return state, []
        state = replace(state, phase=Phase.RUNNING)
    if state.phase is not Phase.RUNNING:
        return state, _recall(facts)
    halted = find_halt(plan, state, facts)
    if halted is not None:
        return replace(state, phase=Phase.HALTED, reason=_sentence(halted)), [halted, *_recall(facts)]
    if _is_over(plan, state, facts):
        return replace(state, phase=Phase.FINISHED), [Decision(DecisionKind.FINISHED, _totals(facts))]
    if not is_within:
        return state, _recall(facts)
    state, decisions = _open_next(plan, state, moment, facts)
    return state, [*decisions, *_fill(plan, state, facts)]


def begins(plan: RolloutPlan, moment: Moment) -> bool:
    """Whether it is time for one that is started."""
    return plan.is_within(moment.day, moment.minute) and moment.now_s >= (plan.start_at_s or 0.0)


def act(
    plan: RolloutPlan, state: RolloutState, done: tuple[RolloutAct, str], moment: Moment, facts: RolloutFacts
) -> tuple[RolloutState, list[Decision]]:
    """What an operator does, and who that is: of a token its owner; `step` follows. Raises `Conflict` where it cannot
    be done now."""
    what, who = done
    if state.phase not in ALLOWED[what]:
        raise Conflict("rollout", REFUSALS[what, state.phase])
    figures = {"phase": str(state.phase), **_totals(facts)}
    if what is RolloutAct.START:
        waits = plan.approval and not state.approved_by
        phase = Phase.AWAITING_APPROVAL if waits else Phase.SCHEDULED
        return replace(state, phase=phase), [Decision(DecisionKind.STARTED, figures)]
    if what is RolloutAct.APPROVE:
        return _approve(plan, state, who, figures)
    if what is RolloutAct.PAUSE:
        return replace(state, phase=Phase.PAUSED), [Decision(DecisionKind.PAUSED, figures)]
    if what is RolloutAct.RESUME:
        return _resume(plan, state, facts, figures)
    if what is RolloutAct.OPEN_WAVE:
        if state.opened == len(state.waves):
            raise Conflict("rollout", "all its waves are open")
        return _open(state, moment, {"by": "operator", **figures})
    stopped = replace(state, phase=Phase.STOPPED)
    if what is RolloutAct.STOP:
        return stopped, [Decision(DecisionKind.STOPPED, figures)]
    if not plan.roll_back_to:
        raise Conflict("rollout", "it names no package that it is rolled back to")
    rolled_back = _roll_back(plan, facts, MAX_STEP, figures)
    goes_on = _to_roll_back(facts) > rolled_back.computers
    return replace(stopped, phase=Phase.ROLLING_BACK if goes_on else Phase.STOPPED, reason=""), [rolled_back]


def restart(plan: RolloutPlan, state: RolloutState, before: str, after: str) -> tuple[RolloutState, Decision]:
    """The package `before` is superseded by `after`: all waves are closed, and open anew in their order. A halted one
    stays halted. One that needs an approval needs another: what was approved was the package before."""
    restarted = Decision(DecisionKind.RESTARTED, {"before": before, "after": after})
    anew = replace(state, waves=tuple(WaveState() for _ in state.waves))
    if not plan.approval:
        return anew, restarted
    goes_on = state.phase in (Phase.SCHEDULED, Phase.RUNNING)
    phase = Phase.AWAITING_APPROVAL if goes_on else state.phase
    return replace(anew, phase=phase, approved_by=""), restarted


def refuse(state: RolloutState, why: str) -> tuple[RolloutState, Decision]:
    """The package cannot be assigned: the roll-out halts."""
    halted = Decision(DecisionKind.HALTED, {"cause": HaltCause.REFUSED.value, "why": why})
    return replace(state, phase=Phase.HALTED, reason=_sentence(halted)), halted


def find_halt(plan: RolloutPlan, state: RolloutState, facts: RolloutFacts) -> Decision | None:
    """The decision to halt it, if it is to be."""
    for place in range(state.opened):
        wave, found = state.waves[place], facts.waves[place]
        failed, stalled, ended = _not_accepted(wave, found)
        members = found.members - _accepted(wave, found)
        figures: Figures = {"failed": failed, "ended": ended, "stalled": stalled, "members": members}
        limit = plan.halts.error_percent
        judged = [members, ended] if ended >= plan.halts.judged_from else [members]
        if limit is not None and failed and any(100 * failed >= limit * of for of in judged):
            return _halted(HaltCause.ERRORS, place, {**figures, "limit_percent": limit})
        limit = plan.halts.stalled_percent
        if limit is not None and stalled and 100 * stalled >= limit * members:
            return _halted(HaltCause.STALLED, place, {**figures, "limit_percent": limit})
        is_last_open = place == state.opened - 1 and state.opened < len(state.waves)
        following = plan.waves[place + 1] if is_last_open else None
        if following is None or following.by_hand or not failed:
            continue
        if 100 * (members - failed) < following.success_percent * members:
            return _halted(HaltCause.UNREACHABLE, place, {**figures, "wanted_percent": following.success_percent})
    return None


def is_due(following: WavePlan, before: WaveState, found: WaveFacts, now_s: float) -> bool:
    """Whether a wave opens by itself, from the wave `before` it and that one's numbers."""
    if following.by_hand or before.opened_at_s is None or now_s < before.opened_at_s + following.after_s:
        return False
    members = found.members - _accepted(before, found)
    return 100 * found.success >= following.success_percent * members


def _accepted(wave: WaveState, found: WaveFacts) -> int:
    """Computers without which an operator lets it go on: they count no more. One that stalled, and fails later, is one
    of them still."""
    return min(found.failed + found.stalled, wave.accepted_failed + wave.accepted_stalled)


def _not_accepted(wave: WaveState, found: WaveFacts) -> tuple[int, int, int]:
    """Of the others how many failed, how many stall, and how many have a result: together those that failed or stall
    are as many more as there are than were accepted."""
    more_failed, more_stalled = found.failed - wave.accepted_failed, found.stalled - wave.accepted_stalled
    failed = max(0, more_failed - max(0, -more_stalled))
    stalled = max(0, more_stalled - max(0, -more_failed))
    failed_later = max(0, more_failed) - failed  # accepted when they stalled
    ended = found.failed + found.success - wave.accepted_ended - failed_later
    return failed, stalled, max(failed, ended)


def _halted(cause: HaltCause, place: int, figures: Figures) -> Decision:
    return Decision(DecisionKind.HALTED, {"cause": cause.value, **figures}, place)


def _sentence(halted: Decision) -> str:
    return REASONS[HaltCause(str(halted.figures["cause"]))].format(
        wave="" if halted.wave is None else halted.wave + 1, **halted.figures
    )


def _approve(plan: RolloutPlan, state: RolloutState, who: str, figures: Figures) -> tuple[RolloutState, list[Decision]]:
    if not plan.approval or state.approved_by:
        raise Conflict("rollout", "it is approved already" if state.approved_by else "it needs no approval")
    if _is_same(who, state.created_by):
        raise Conflict("rollout", f"{who} made it, so another operator has to approve it")
    phase = Phase.SCHEDULED if state.phase is Phase.AWAITING_APPROVAL else state.phase
    approved = Decision(DecisionKind.APPROVED, {"created_by": state.created_by, **figures})
    return replace(state, phase=phase, approved_by=who), [approved]


def _is_same(who: str, other: str) -> bool:
    """Whether two may be one person: "cli" is anybody on the server's machine."""
    return who == other or (ANYBODY_HERE in (who, other) and who.partition(":")[0] == other.partition(":")[0])


def _resume(
    plan: RolloutPlan, state: RolloutState, facts: RolloutFacts, figures: Figures
) -> tuple[RolloutState, list[Decision]]:
    waves = state.waves
    if state.phase is Phase.HALTED:
        waves = tuple(
            replace(
                wave,
                accepted_failed=found.failed,
                accepted_ended=found.failed + found.success,
                accepted_stalled=found.stalled,
            )
            for wave, found in zip(state.waves, facts.waves, strict=True)
        )
    phase = Phase.RUNNING if state.opened else Phase.SCHEDULED
    if plan.approval and not state.approved_by:
        phase = Phase.AWAITING_APPROVAL
    resumed = Decision(DecisionKind.RESUMED, figures)
    return replace(state, phase=phase, waves=waves, reason=""), [resumed]


def _is_over(plan: RolloutPlan, state: RolloutState, facts: RolloutFacts) -> bool:
    if plan.dynamic or state.opened < len(state.waves):
        return False
    return not any(wave.pending or wave.active or wave.to_retry for wave in facts.waves)


def _open_next(
    plan: RolloutPlan, state: RolloutState, moment: Moment, facts: RolloutFacts
) -> tuple[RolloutState, list[Decision]]:
    """At most one wave a step, so that the next one is judged by what became of it."""
    place = state.opened
    if place == 0:
        return _open(state, moment, _totals(facts))
    if place == len(state.waves):
        return state, []
    before, found, following = state.waves[place - 1], facts.waves[place - 1], plan.waves[place]
    if not is_due(following, before, found, moment.now_s):
        return state, []
    figures: Figures = {
        "success": found.success,
        "members": found.members,
        "accepted": _accepted(before, found),
        "wanted_percent": following.success_percent,
        "open_s": moment.now_s - (before.opened_at_s or 0.0),
        "wanted_s": following.after_s,
    }
    return _open(state, moment, figures)


def _open(state: RolloutState, moment: Moment, figures: Figures) -> tuple[RolloutState, list[Decision]]:
    place = state.opened
    waves = list(state.waves)
    waves[place] = replace(waves[place], opened_at_s=moment.now_s)
    return replace(state, waves=tuple(waves)), [Decision(DecisionKind.WAVE_OPENED, figures, place)]


def _fill(plan: RolloutPlan, state: RolloutState, facts: RolloutFacts) -> list[Decision]:
    """Assign and notify again what the limits leave room for, the earlier waves first."""
    capacity, busy = plan.limits.capacity(facts.each_bytes_per_s), sum(wave.busy for wave in facts.waves)
    room = MAX_STEP if capacity is None else min(MAX_STEP, max(0, capacity - busy))
    figures: Figures = {"busy": busy} if capacity is None else {"busy": busy, "capacity": capacity}
    decisions = []
    for place in range(state.opened):
        found = facts.waves[place]
        for kind, wanted in ((DecisionKind.RETRIED, found.to_retry), (DecisionKind.ASSIGNED, found.pending)):
            count = min(wanted, room)
            if count:
                room -= count
                decisions.append(Decision(kind, {"wanted": wanted, **figures}, place, count))
    return decisions


def _recall(facts: RolloutFacts) -> list[Decision]:
    """What was assigned, and not notified yet, waits until it goes on: no agent is notified meanwhile."""
    room, decisions = MAX_STEP, []
    for place, found in enumerate(facts.waves):
        count = min(found.recallable, room)
        if count:
            room -= count
            decisions.append(Decision(DecisionKind.RECALLED, {"not_notified": found.recallable}, place, count))
    return decisions


def _go_on_rolling_back(
    plan: RolloutPlan, state: RolloutState, facts: RolloutFacts
) -> tuple[RolloutState, list[Decision]]:
    """Takes back what no agent was notified of, then gives those that have the package the other one; then it has
    stopped."""
    decisions = _recall(facts)
    room = MAX_STEP - sum(each.computers for each in decisions)
    if room and _to_roll_back(facts):
        decisions.append(_roll_back(plan, facts, room, {}))
    if decisions:
        return state, decisions
    return replace(state, phase=Phase.STOPPED), [Decision(DecisionKind.STOPPED, _totals(facts))]


def _roll_back(plan: RolloutPlan, facts: RolloutFacts, room: int, figures: Figures) -> Decision:
    left = _to_roll_back(facts)
    return Decision(
        DecisionKind.ROLLED_BACK, {"to": plan.roll_back_to, "wanted": left, **figures}, computers=min(left, room)
    )


def _to_roll_back(facts: RolloutFacts) -> int:
    return sum(wave.to_roll_back for wave in facts.waves)


def _totals(facts: RolloutFacts) -> Figures:
    waves = facts.waves
    return {
        "members": sum(wave.members for wave in waves),
        "pending": sum(wave.pending for wave in waves),
        "active": sum(wave.active for wave in waves),
        "success": sum(wave.success for wave in waves),
        "failed": sum(wave.failed + wave.to_retry for wave in waves),
    }


REASONS: Final[Mapping[HaltCause, str]] = {
    HaltCause.ERRORS: "wave {wave}: {failed} failed of {ended} with a result, of {members}; limit {limit_percent} %",
    HaltCause.STALLED: "wave {wave}: {stalled} of {members} stall; limit {limit_percent} %",
    HaltCause.UNREACHABLE: "wave {wave}: {failed} of {members} failed, so {wanted_percent} % cannot have a success",
    HaltCause.REFUSED: "the package cannot be assigned: {why}",
}
