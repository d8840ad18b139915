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

from distd.catalogue import dialect
from distd.catalogue.event_log import Kind
from distd.catalogue.rollouts_schema import rollouts
from distd.domain import rollout
from distd.domain.actor import SYSTEM
from distd.domain.errors import DistdError
from distd.domain.rollout_state import Phase
from distd.origin.deployments import rollout_choice, rollout_members, rollout_rows
from distd.origin.deployments.rollout_rows import load, moment_of, read_facts, save
from distd.origin.deployments.rollout_steps import carry_out, find_successor, supersede

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from distd.domain.rollout_state import RolloutFacts
    from distd.domain.settings import DownloadConfig
    from distd.origin.deployments.rollout_record import RunningRollout

GOING_ON: Final = (Phase.SCHEDULED, Phase.RUNNING, Phase.PAUSED, Phase.HALTED)
MAY_HALT: Final = (Phase.SCHEDULED, Phase.RUNNING, Phase.ROLLING_BACK)
MAX_JOINED: Final = 5000  # computers, in a transaction
RESTING: Final = (Phase.PAUSED, Phase.HALTED, Phase.STOPPED)  # nothing is to be done but to take back


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


def list_active(conn: Connection) -> list[int]:
    """The ids of those that may have something to do: they go on, or were stopped and have something to take back."""
    is_left = and_(rollouts.c.phase == Phase.STOPPED, rollout_members.has_waiting(rollouts))
    active = select(rollouts.c.id).where(or_(rollouts.c.phase.in_((*GOING_ON, Phase.ROLLING_BACK)), is_left))
    return list(conn.scalars(active.order_by(rollouts.c.id)))


def find_due(conn: Connection, rollout_id: int, now_s: float, config: DownloadConfig) -> DueRollout | None:
    """What is to be done now for one of them; None: nothing. Only reads."""
    found = _read(conn, rollout_id)
    if found is None:
        return None
    try:
        return _look_at(conn, found, now_s, config)
    except DistdError as error:
        return DueRollout(found.id, found.revision, None, str(error)) if found.state.phase in MAY_HALT else None


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


def advance_now(
    conn: Connection, rollout_id: int, now_s: float, config: DownloadConfig, facts: RolloutFacts | None
) -> None:
    """What follows from an act of an operator. `facts` None: to be counted."""
    found = _read(conn, rollout_id)
    if found is not None:
        advance_due(conn, DueRollout(rollout_id, found.revision, facts), now_s, config)


def _read(conn: Connection, rollout_id: int) -> RunningRollout | None:
    row = conn.execute(select(rollouts).where(rollouts.c.id == rollout_id)).one_or_none()
    return None if row is None else load(conn, row)


def advance_due(conn: Connection, due: DueRollout, now_s: float, config: DownloadConfig) -> int:
    """Do what was found, for a bounded number of computers; gives how many decisions there were."""
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


def list_running(conn: Connection) -> list[int]:
    """The ids of those that computers may join."""
    return list(conn.scalars(select(rollouts.c.id).where(rollouts.c.phase == Phase.RUNNING).order_by(rollouts.c.id)))


def find_joining(conn: Connection, rollout_id: int, now_s: float) -> JoiningComputers | None:
    """Computers that begin to match one of them; None: there are none, or it is not dynamic. Only reads."""
    found = _read(conn, rollout_id)
    if found is None or not found.plan.dynamic:
        return None
    try:
        waves = rollout_choice.find_new(conn, found.id, found.plan, found.who, found.state.opened, now_s)
    except DistdError as error:
        return JoiningComputers(found.id, found.revision, {}, str(error))
    return JoiningComputers(found.id, found.revision, waves) if waves else None


def in_parts(joining: JoiningComputers) -> Iterator[JoiningComputers]:
    """The same in parts, each for a transaction: 100,000 computers in one would hold up agents for a second."""
    if joining.fault:
        yield joining
    for ids in dialect.chunks(list(joining.waves), MAX_JOINED):
        yield replace(joining, waves={computer_id: joining.waves[computer_id] for computer_id in ids})


def join_found(conn: Connection, joining: JoiningComputers, now_s: float) -> int:
    """They join; gives how many."""
    found = _read(conn, joining.id)
    if found is None or found.revision != joining.revision:
        return 0
    if joining.fault:
        _halt(conn, found, joining.fault, now_s)
        return 0
    added = rollout_choice.add_new(conn, found.id, joining.waves)
    for wave, number in sorted(Counter(added.values()).items()):
        rollout_rows.note(conn, Kind.ROLLOUT_JOINED, SYSTEM, found, now_s, wave=wave + 1, computers=number)
    return len(added)
