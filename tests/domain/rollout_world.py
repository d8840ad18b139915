"""A small world for the engine of roll-outs: computers one by one, and a simple model of what the engine may do.

The model counts computers instead of reading facts, and knows nothing of how the engine decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from distd.domain import rollout
from distd.domain.rollout_state import (
    DecisionKind,
    Moment,
    Phase,
    RolloutAct,
    RolloutFacts,
    WaveFacts,
)

if TYPE_CHECKING:
    from distd.domain.rollout_plan import RolloutPlan
    from distd.domain.rollout_state import Decision

PENDING, WAITING, SILENT, NOTIFIED = "pending", "waiting", "silent", "notified"
STALLED, SUCCESS, FAILED = "stalled", "success", "failed"
ACTIVE: Final = (WAITING, SILENT, NOTIFIED, STALLED)
BUSY: Final = (WAITING, NOTIFIED)
STARTS: Final = (DecisionKind.WAVE_OPENED, DecisionKind.ASSIGNED, DecisionKind.RETRIED)


@dataclass
class Computer:
    state: str = PENDING
    retries: int = 0
    rolled_back: bool = False


@dataclass
class World:
    """`share`: of a decision's computers so many in 100 are really carried out, the rest is left: at least one."""

    plan: RolloutPlan
    waves: list[list[Computer]]
    now_s: float = 1000.0
    minute: int = 12 * 60
    share: int = 100
    each_bytes_per_s: float = 0.0
    opened_at_s: dict[int, float] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)  # ids of computers
    decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = rollout.new_state(self.plan, "operator:a")

    @property
    def moment(self) -> Moment:
        return Moment(self.now_s, 0, self.minute)

    @property
    def computers(self) -> list[Computer]:
        return [computer for wave in self.waves for computer in wave]

    def facts(self) -> RolloutFacts:
        return RolloutFacts(tuple(self._facts_of(wave) for wave in self.waves), self.each_bytes_per_s)

    def _facts_of(self, wave: list[Computer]) -> WaveFacts:
        states = [computer.state for computer in wave]
        again = sum(self.can_retry(computer) for computer in wave)
        return WaveFacts(
            pending=states.count(PENDING),
            active=sum(state in ACTIVE for state in states),
            success=states.count(SUCCESS),
            to_retry=again,
            failed=states.count(FAILED) - again,
            recallable=states.count(WAITING) + states.count(SILENT),
            stalled=states.count(STALLED),
            silent=states.count(SILENT),
            to_roll_back=sum(each.state == SUCCESS and not each.rolled_back for each in wave),
        )

    def can_retry(self, computer: Computer) -> bool:
        return computer.state == FAILED and computer.retries < self.plan.retries

    def act(self, what: RolloutAct, who: str = "operator:b") -> None:
        before, facts = self.state, self.facts()
        self.state, decisions = rollout.act(self.plan, self.state, (what, who), self.moment, facts)
        if what is RolloutAct.RESUME and before.phase is Phase.HALTED:
            gone = [each for each in self.computers if each.state in (FAILED, STALLED) and not self.can_retry(each)]
            self.accepted = {id(each) for each in gone}
        self._carry_out(decisions, by_hand=True)

    def step(self) -> list[Decision]:
        before = self.state
        self.state, decisions = rollout.step(self.plan, before, self.moment, self.facts())
        starts = [each for each in decisions if each.kind in STARTS]
        if before.phase not in (Phase.RUNNING, Phase.SCHEDULED) or self.state.phase is not Phase.RUNNING:
            assert not starts, "it goes on by itself"
        if not self.plan.is_within(0, self.minute):
            assert not starts, "outside its windows"
        self._carry_out(decisions, by_hand=False)
        return decisions

    def settle(self) -> None:
        """Steps until nothing is decided."""
        for _ in range(10 * len(self.computers) + 3 * len(self.waves) + 10):
            if not self.step():
                return
        raise AssertionError("it never rests")

    def _carry_out(self, decisions: list[Decision], *, by_hand: bool) -> None:
        self.decisions += decisions
        for each in decisions:
            assert each.figures
            if each.kind is DecisionKind.WAVE_OPENED:
                assert each.wave is not None
                self._check_opening(each.wave, by_hand=by_hand)
                self.opened_at_s[each.wave] = self.now_s
        busy_before = self.busy
        for each in decisions:
            if each.kind in (DecisionKind.ASSIGNED, DecisionKind.RETRIED, DecisionKind.RECALLED):
                self._move(each)
            elif each.kind is DecisionKind.ROLLED_BACK:
                self._roll_back(each.computers, 100 if by_hand else self.share)
        capacity = self.plan.limits.capacity(self.each_bytes_per_s)
        if capacity is not None:
            assert self.busy <= max(capacity, busy_before), "beyond the limits"

    @property
    def busy(self) -> int:
        return sum(computer.state in BUSY for computer in self.computers)

    def _move(self, decision: Decision) -> None:
        assert decision.wave is not None
        assert decision.wave in self.opened_at_s, "of a wave that is not open"
        wave = self.waves[decision.wave]
        if decision.kind is DecisionKind.ASSIGNED:
            found, after = [each for each in wave if each.state == PENDING], WAITING
        elif decision.kind is DecisionKind.RETRIED:
            found, after = [each for each in wave if self.can_retry(each)], WAITING
        else:
            found, after = [each for each in wave if each.state in (WAITING, SILENT)], PENDING
        assert 0 < decision.computers <= len(found)
        for computer in found[: max(1, decision.computers * self.share // 100)]:
            computer.retries += decision.kind is DecisionKind.RETRIED
            computer.state = after

    def _roll_back(self, number: int, share: int) -> None:
        """`share`: as that of the world; what an operator does is done in one transaction."""
        found = [each for each in self.computers if each.state == SUCCESS and not each.rolled_back]
        assert number <= min(len(found), rollout.MAX_STEP)
        for computer in found[: max(1, number * share // 100)]:
            computer.rolled_back = True

    def _check_opening(self, place: int, *, by_hand: bool) -> None:
        assert place == len(self.opened_at_s), "twice, or not in their order"
        if by_hand or place == 0:
            return
        wave, before = self.plan.waves[place], self.waves[place - 1]
        counted = [each for each in before if id(each) not in self.accepted or each.state not in (FAILED, STALLED)]
        share = 100 * sum(each.state == SUCCESS for each in counted) / len(counted) if counted else 100.0
        assert not wave.by_hand
        assert self.now_s - self.opened_at_s[place - 1] >= wave.after_s, "too early"
        assert share >= wave.success_percent - 1e-9, "with too few successes"
