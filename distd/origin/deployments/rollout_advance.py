"""Roll-outs go on by themselves: what is due is found by reading, and done in a transaction that writes.

Counting 100,000 computers takes half a second, for which no agent is to wait: it is read beside the writer. What was
found holds while the roll-out has the same revision; where it has another one by then, the next look finds what is due.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, or_, select

from distd.catalogue.event_log import Kind
from distd.catalogue.rollouts_schema import rollouts
from distd.domain import rollout
from distd.domain.actor import SYSTEM
from distd.domain.errors import DistdError
from distd.domain.rollout_state import Phase
from distd.origin.deployments import rollout_choice, rollout_members, rollout_rows
from distd.origin.deployments.rollout_rows import load, load_all, moment_of, read_facts, save
from distd.origin.deployments.rollout_steps import carry_out, find_successor, supersede

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from distd.domain.rollout_state import RolloutFacts
    from distd.domain.settings import DownloadConfig
    from distd.origin.deployments.rollout_record import RunningRollout

GOING_ON: Final = (Phase.SCHEDULED, Phase.RUNNING, Phase.PAUSED, Phase.HALTED)
MAY_HALT: Final = (Phase.SCHEDULED, Phase.RUNNING, Phase.ROLLING_BACK)
RESTING: Final = (Phase.PAUSED, Phase.HALTED, Phase.STOPPED)  # nothing is to be done but to take back
PAGE_SIZE: Final = 200


@dataclass(frozen=True, slots=True)
class DueRollout:
    """A roll-out with something to do: by `facts`, counted when it had `revision`; None: its package is superseded, or
    there is a `fault`, for which it halts."""

    id: int
    revision: int
    facts: RolloutFacts | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class JoiningComputers:
    """Computers that begin to match a roll-out, each with its wave; found when it had `revision`. `fault`: why nobody
    can be found, for which it halts."""

    id: int
    revision: int
    waves: Mapping[int, int]
    fault: str = ""


def find_due(conn: Connection, now_s: float, config: DownloadConfig) -> list[DueRollout]:
    """Those for which something is to be done now: they go on, or were stopped and have something to take back. Only
    reads."""
    due = []
    is_left = and_(rollouts.c.phase == Phase.STOPPED, rollout_members.has_waiting(rollouts))
    for found in _all(conn, or_(rollouts.c.phase.in_((*GOING_ON, Phase.ROLLING_BACK)), is_left)):
        try:
            each = _look_at(conn, found, now_s, config)
        except DistdError as error:  # of one roll-out: the others go on
            each = DueRollout(found.id, found.revision, None, str(error)) if found.state.phase in MAY_HALT else None
        due += [] if each is None else [each]
    return due


def _look_at(conn: Connection, found: RunningRollout, now_s: float, config: DownloadConfig) -> DueRollout | None:
    phase = found.state.phase
    if phase in GOING_ON and find_successor(conn, found.package_id) != found.package_id:
        return DueRollout(found.id, found.revision, None)
    if phase in RESTING and not rollout_members.find_waiting(conn, found, None, 1):
        return None
    if phase is Phase.SCHEDULED and not rollout.begins(found.plan, moment_of(now_s)):
        return None
    facts = read_facts(conn, found, now_s, config)
    state, decisions = rollout.step(found.plan, found.state, moment_of(now_s), facts)
    return DueRollout(found.id, found.revision, facts) if decisions or state != found.state else None


def advance_due(conn: Connection, due: Sequence[DueRollout], now_s: float, config: DownloadConfig) -> int:
    """Do what was found, for a bounded number of computers each; gives how many decisions there were."""
    return sum(_advance_one(conn, each, now_s, config) for each in due)


def advance_now(
    conn: Connection, rollout_id: int, now_s: float, config: DownloadConfig, facts: RolloutFacts | None
) -> None:
    """What follows from an act of an operator. `facts` None: to be counted."""
    found = _read(conn, rollout_id)
    if found is not None:
        _advance_one(conn, DueRollout(rollout_id, found.revision, facts), now_s, config)


def _read(conn: Connection, rollout_id: int) -> RunningRollout | None:
    row = conn.execute(select(rollouts).where(rollouts.c.id == rollout_id)).one_or_none()
    return None if row is None else load(conn, row)


def _all(conn: Connection, where: ColumnElement[bool]) -> Iterator[RunningRollout]:
    after = 0
    while True:
        query = select(rollouts).where(where, rollouts.c.id > after).order_by(rollouts.c.id)
        rows = conn.execute(query.limit(PAGE_SIZE)).all()
        yield from load_all(conn, rows)
        if len(rows) < PAGE_SIZE:
            return
        after = rows[-1].id


def _advance_one(conn: Connection, due: DueRollout, now_s: float, config: DownloadConfig) -> int:
    found = _read(conn, due.id)
    if found is None or found.revision != due.revision:
        return 0
    if due.fault:
        _halt(conn, found, due.fault, now_s)
        return 1
    facts = due.facts
    if found.state.phase in GOING_ON:
        after = supersede(conn, found, now_s, partial(save, conn, found, now_s=now_s))
        if after is None:
            rollout_rows.touch(conn, found.id)
            return 1
        facts, found = (facts if after is found else None), after
    if facts is None:
        facts = read_facts(conn, found, now_s, config)
    state, decisions = rollout.step(found.plan, found.state, moment_of(now_s), facts)
    save(conn, found, found.state, state, now_s)
    refusal = carry_out(conn, SYSTEM, replace(found, state=state, config=config), decisions, now_s)
    if refusal is not None:
        _halt(conn, replace(found, state=state), refusal, now_s)
    else:
        rollout_rows.touch(conn, found.id)
    return len(decisions)


def _halt(conn: Connection, found: RunningRollout, why: str, now_s: float) -> None:
    refused, decision = rollout.refuse(found.state, why)
    save(conn, found, found.state, refused, now_s)
    carry_out(conn, SYSTEM, found, [decision], now_s)
    rollout_rows.touch(conn, found.id)


def find_joining(conn: Connection, now_s: float) -> list[JoiningComputers]:
    """Computers that begin to match the dynamic roll-outs that run. Only reads."""
    joining = []
    for found in _all(conn, rollouts.c.phase == Phase.RUNNING):
        if not found.plan.dynamic:
            continue
        try:
            waves = rollout_choice.find_new(conn, found.id, found.plan, found.who, found.state.opened, now_s)
        except DistdError as error:  # of one roll-out: others go on
            joining.append(JoiningComputers(found.id, found.revision, {}, str(error)))
            continue
        if waves:
            joining.append(JoiningComputers(found.id, found.revision, waves))
    return joining


def join_found(conn: Connection, joining: Sequence[JoiningComputers], now_s: float) -> int:
    """They join; gives how many."""
    joined = 0
    for each in joining:
        found = _read(conn, each.id)
        if found is None or found.revision != each.revision:
            continue
        if each.fault:
            _halt(conn, found, each.fault, now_s)
            continue
        added = rollout_choice.add_new(conn, found.id, each.waves)
        for wave, number in sorted(Counter(added.values()).items()):
            rollout_rows.note(conn, Kind.ROLLOUT_JOINED, SYSTEM, found, now_s, wave=wave + 1, computers=number)
        joined += len(added)
    return joined
