"""Roll-outs: make, list, show; what operators do to them; what they do by themselves (`advance`).

What happens next `domain.rollout` decides; here it is carried out, and each decision becomes an event in the same
transaction.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import insert, select, update

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.lists import read_page
from distd.catalogue.rollouts_schema import rollout_members as rollout_members_table
from distd.catalogue.rollouts_schema import rollout_waves, rollouts
from distd.catalogue.schema import NAME_LIMIT, micros, seconds
from distd.domain import rollout
from distd.domain.actor import SYSTEM
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.filters.render import render
from distd.domain.folding import fold
from distd.domain.rollout_plan import WaveBy, check_plan, describe_wave, read_plan, write_plan
from distd.domain.rollout_state import ENDED, Moment, Phase, RolloutAct, RolloutFacts, RolloutState, WaveState
from distd.origin.computers import saved_filters
from distd.origin.deployments import rollout_members
from distd.origin.deployments.rollout_steps import RunningRollout, carry_out, recall, supersede
from distd.origin.packages.packages import show as show_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window
    from distd.domain.rollout_plan import RolloutPlan
    from distd.domain.rollout_state import WaveFacts
    from distd.domain.settings import DownloadConfig

GOING_ON: Final = (Phase.SCHEDULED, Phase.RUNNING, Phase.PAUSED, Phase.HALTED)
MAX_GOING_ON: Final = 200  # roll-outs that are looked at
MAX_ID_DIGITS: Final = 18
PLACE: Final = (str,)  # of a roll-out in the list: its folded name


@dataclass(frozen=True, slots=True)
class NewRollout:
    """`who`: a filter (empty: all computers), a group or a tag. `force`, `any_os`: as of an assignment."""

    name: str
    package_id: str
    who: AssignmentOrigin
    plan: RolloutPlan
    force: bool = False
    any_os: bool = False


@dataclass(frozen=True, slots=True)
class RolloutWave:
    """A wave: `number` from 1, `who` as `parse_wave` reads it, numbers of computers as in `WaveFacts`."""

    number: int
    name: str
    who: str
    opened_at_s: float | None
    members: int
    pending: int
    active: int
    stalled: int
    success: int
    failed: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """A roll-out. `left_out`: of one that was made or started now: computers that match, and are in no wave. `waves` is
    empty in lists."""

    id: int
    name: str
    package_id: str
    who_kind: str
    who: str
    phase: str
    reason: str
    created_by: str
    approved_by: str
    created_at_s: float
    opened: int
    plan: dict[str, Any]
    waves: list[RolloutWave] = field(default_factory=list)
    left_out: int = 0


def create(conn: Connection, actor: Actor, new: NewRollout, now_s: float) -> Rollout:
    """Make a roll-out; nothing is assigned before it is started. Saved filters in it are taken as they are now.

    Raises `BadInput` for a plan or a filter, or where nobody matches, `NotFound` for a package or group, `Conflict` for
    a name that is taken.
    """
    check_plan(new.plan)
    name = _checked_name(conn, new.name)
    show_package(conn, new.package_id)
    if new.plan.roll_back_to:
        with _field("roll_back_to"):
            show_package(conn, new.plan.roll_back_to)
    waves = []
    for place, wave in enumerate(new.plan.waves):
        if wave.by is WaveBy.FILTER:
            with _field(f"waves.{place}.value"):
                wave = replace(wave, value=_canonical(conn, actor, wave.value))
        waves.append(wave)
    plan, who = replace(new.plan, waves=tuple(waves)), new.who
    if who.kind is OriginKind.FILTER:
        who = replace(who, name=_canonical(conn, actor, who.name))
    state = rollout.new_state(plan, str(actor))
    row = {
        "name": name,
        "name_key": fold(name),
        "package_id": new.package_id,
        "who_kind": who.kind,
        "who_name": who.name,
        "plan": json.dumps(write_plan(plan)),
        "force": new.force,
        "any_os": new.any_os,
        "created_at_us": micros(now_s),
        **_row_of(state, now_s),
        "created_by": state.created_by,
    }
    rollout_id = conn.execute(insert(rollouts).values(**row).returning(rollouts.c.id)).scalar_one()
    conn.execute(
        insert(rollout_waves),
        [{"rollout_id": rollout_id, "wave": place, **_row_of_wave(wave)} for place, wave in enumerate(state.waves)],
    )
    left_out = rollout_members.choose(conn, rollout_id, plan, who, now_s)
    made = replace(show(conn, name, now_s), left_out=left_out)
    computers = sum(wave.members for wave in made.waves)
    if not computers and not plan.dynamic:
        raise BadInput("who", "computers that are there", who.name or "none")
    detail: dict[str, Any] = {"rollout": rollout_id, "name": name, "computers": computers}
    event_log.append(conn, Kind.ROLLOUT_CREATED, actor, at_s=now_s, package_id=new.package_id, **detail)
    return made


def _checked_name(conn: Connection, text: str) -> str:
    name = text.strip()
    if _is_id(name):
        raise BadInput("name", "a name that is not only digits, which are an id", text)
    if not fold(name) or len(name) > NAME_LIMIT or not name.isprintable() or "/" in name:
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters without /", text)
    if conn.scalar(select(rollouts.c.id).where(rollouts.c.name_key == fold(name))) is not None:
        raise Conflict("name", f"there is a roll-out {name} already", "give it another name")
    return name


@contextmanager
def _field(name: str) -> Iterator[None]:
    """What is wrong in the block is in this field."""
    try:
        yield
    except BadInput as error:
        error.field = name
        raise


def _canonical(conn: Connection, actor: Actor, text: str) -> str:
    tree = saved_filters.read_filter(conn, actor, text)
    return "" if tree is None else render(tree)


def list_rollouts(conn: Connection, window: Window) -> Page[Rollout]:
    """By name."""
    return read_page(conn, select(rollouts), [rollouts.c.name_key], window, lambda row: _shown(conn, row, None))


def show(conn: Connection, name: str, now_s: float) -> Rollout:
    """By its name or its id. Raises `NotFound`."""
    found = _load(conn, _row(conn, name))
    return _shown(conn, _row(conn, name), _count(conn, found, now_s))


def act(conn: Connection, actor: Actor, name: str, what: RolloutAct, now_s: float, config: DownloadConfig) -> Rollout:
    """What an operator does; what follows from it is done too. Raises `NotFound`, and `Conflict` where it cannot be."""
    found, left_out = _load(conn, _row(conn, name)), 0
    if what is RolloutAct.START and found.state.phase is Phase.DRAFT:
        left_out = rollout_members.choose(conn, found.id, found.plan, found.who, now_s)
    before = found.state
    facts = _facts(conn, found, now_s, config)
    state, decisions = rollout.act(found.plan, before, (what, str(actor)), _moment(now_s), facts)
    _save(conn, found, before, state, now_s)
    carry_out(conn, actor, replace(found, state=state, config=config), decisions, now_s)
    if state.phase is Phase.STOPPED:
        recall(conn, found, None, None, now_s)
    _advance_one(conn, found.id, now_s, config)
    return replace(show(conn, name, now_s), left_out=left_out)


def change(conn: Connection, actor: Actor, name: str, changes: Mapping[str, Any], now_s: float) -> Rollout:
    """Give a roll-out other values of its plan, by the names of `RolloutPlan`, but for its waves. What was decided
    stays. Raises `BadInput`, `NotFound`, and `Conflict` where it has ended, or is to be approved as it was made."""
    found = _load(conn, _row(conn, name))
    plan, phase = replace(found.plan, **changes), found.state.phase
    check_plan(plan)
    if plan.roll_back_to:
        with _field("roll_back_to"):
            show_package(conn, plan.roll_back_to)
    if phase in ENDED:
        raise Conflict("rollout", f"it is {phase}, so nothing of it changes", "make another one")
    if plan.approval and (phase is not Phase.DRAFT or found.state.approved_by):
        raise Conflict("rollout", "it is approved as it is, or will be", "stop it, and make another one")
    before, after = write_plan(found.plan), write_plan(plan)
    different = [key for key in after if before[key] != after[key]]
    if different:
        values = {"plan": json.dumps(after), "changed_at_us": micros(now_s)}
        conn.execute(update(rollouts).where(rollouts.c.id == found.id).values(**values))
        detail = {"before": {key: before[key] for key in different}, "after": {key: after[key] for key in different}}
        _note(conn, Kind.ROLLOUT_CHANGED, actor, found, now_s, **detail)
    return show(conn, name, now_s)


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> None:
    """Forget a roll-out. Assignments that it made, and events, stay. Raises `NotFound`, and `Conflict` for one that was
    started and has not ended."""
    found = _load(conn, _row(conn, name))
    if found.state.phase not in (Phase.DRAFT, *ENDED):
        raise Conflict("rollout", f"it is {found.state.phase}", "stop it first")
    for table in (rollout_members_table, rollout_waves):
        conn.execute(delete_from(table).where(table.c.rollout_id == found.id))
    conn.execute(delete_from(rollouts).where(rollouts.c.id == found.id))
    _note(conn, Kind.ROLLOUT_DELETED, actor, found, now_s)


def _note(conn: Connection, kind: Kind, actor: Actor, found: RunningRollout, now_s: float, **more: Any) -> None:
    detail: dict[str, Any] = {"rollout": found.id, "name": found.name, **more}
    event_log.append(conn, kind, actor, at_s=now_s, package_id=found.package_id, **detail)


def advance(conn: Connection, now_s: float, config: DownloadConfig) -> int:
    """Do what is due of all that go on, a bounded number of computers; gives how many decisions there were."""
    query = select(rollouts.c.id).where(rollouts.c.phase.in_(GOING_ON)).order_by(rollouts.c.id).limit(MAX_GOING_ON)
    return sum(_advance_one(conn, rollout_id, now_s, config) for rollout_id in list(conn.scalars(query)))


def join(conn: Connection, now_s: float) -> int:
    """Computers that begin to match join the dynamic roll-outs that run; gives how many."""
    joined = 0
    for row in conn.execute(select(rollouts).where(rollouts.c.phase == Phase.RUNNING).limit(MAX_GOING_ON)).all():
        found = _load(conn, row)
        if not found.plan.dynamic:
            continue
        opened = found.state.opened
        for wave, number in rollout_members.join_new(conn, found.id, found.plan, found.who, opened, now_s).items():
            joined += number
            detail: dict[str, Any] = {"rollout": found.id, "name": found.name, "wave": wave + 1, "computers": number}
            event_log.append(conn, Kind.ROLLOUT_JOINED, SYSTEM, at_s=now_s, package_id=found.package_id, **detail)
    return joined


def _advance_one(conn: Connection, rollout_id: int, now_s: float, config: DownloadConfig) -> int:
    found = _load(conn, conn.execute(select(rollouts).where(rollouts.c.id == rollout_id)).one())
    if found.state.phase in GOING_ON:
        found = supersede(conn, found, now_s, lambda before, state: _save(conn, found, before, state, now_s))
    state, decisions = rollout.step(found.plan, found.state, _moment(now_s), _facts(conn, found, now_s, config))
    _save(conn, found, found.state, state, now_s)
    refusal = carry_out(conn, SYSTEM, replace(found, state=state, config=config), decisions, now_s)
    if refusal is not None:
        refused, decision = rollout.refuse(state, refusal)
        _save(conn, found, state, refused, now_s)
        carry_out(conn, SYSTEM, found, [decision], now_s)
    return len(decisions)


def _row(conn: Connection, name: str) -> Row[Any]:
    """By its name, or its id."""
    is_it = rollouts.c.id == int(name) if _is_id(name) else rollouts.c.name_key == fold(name)
    row = conn.execute(select(rollouts).where(is_it)).one_or_none()
    if row is None:
        raise NotFound("rollout", "the name or the id of a roll-out", name)
    return row


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_ID_DIGITS


def _load(conn: Connection, row: Row[Any]) -> RunningRollout:
    query = select(rollout_waves).where(rollout_waves.c.rollout_id == row.id).order_by(rollout_waves.c.wave)
    waves = tuple(
        WaveState(seconds(wave.opened_at_us), wave.accepted_failed, wave.accepted_ended, wave.accepted_stalled)
        for wave in conn.execute(query)
    )
    state = RolloutState(Phase(row.phase), waves, row.created_by, row.approved_by, row.reason)
    who = AssignmentOrigin(OriginKind(row.who_kind), row.who_name)
    plan = read_plan(json.loads(row.plan))
    return RunningRollout(row.id, row.name, row.package_id, who, plan, state, row.force, row.any_os)


def _save(conn: Connection, found: RunningRollout, before: RolloutState, after: RolloutState, now_s: float) -> None:
    if before == after:
        return
    conn.execute(update(rollouts).where(rollouts.c.id == found.id).values(**_row_of(after, now_s)))
    for place, (old, new) in enumerate(zip(before.waves, after.waves, strict=True)):
        if old != new:
            mine = rollout_waves.c.rollout_id == found.id, rollout_waves.c.wave == place
            conn.execute(update(rollout_waves).where(*mine).values(**_row_of_wave(new)))


def _row_of(state: RolloutState, now_s: float) -> dict[str, Any]:
    values = {"phase": state.phase, "reason": state.reason[:4096], "approved_by": state.approved_by}
    return {**values, "changed_at_us": micros(now_s)}


def _row_of_wave(wave: WaveState) -> dict[str, Any]:
    accepted = {name: getattr(wave, name) for name in ("accepted_failed", "accepted_ended", "accepted_stalled")}
    return {"opened_at_us": None if wave.opened_at_s is None else micros(wave.opened_at_s), **accepted}


def _count(conn: Connection, found: RunningRollout, now_s: float) -> list[WaveFacts]:
    return rollout_members.count(conn, found.id, found.package_id, found.plan, now_s)


def _facts(conn: Connection, found: RunningRollout, now_s: float, config: DownloadConfig) -> RolloutFacts:
    package = show_package(conn, found.package_id)
    fragment_bytes = package.size_bytes / package.fragments if package.fragments else 0.0
    # A pause follows each fragment: one a second at most is a fast agent's.
    return RolloutFacts(tuple(_count(conn, found, now_s)), fragment_bytes / max(1, config.frag_latency_s))


def _moment(now_s: float) -> Moment:
    local = time.localtime(now_s)
    return Moment(now_s, local.tm_wday, local.tm_hour * 60 + local.tm_min)


def _shown(conn: Connection, row: Row[Any], counted: list[WaveFacts] | None) -> Rollout:
    found = _load(conn, row)
    waves = [
        RolloutWave(
            place + 1,
            wave.name,
            describe_wave(wave),
            found.state.waves[place].opened_at_s,
            numbers.members,
            numbers.pending,
            numbers.active,
            numbers.stalled,
            numbers.success,
            numbers.failed + numbers.to_retry,
        )
        for place, (wave, numbers) in enumerate(zip(found.plan.waves, counted or (), strict=counted is not None))
    ]
    return Rollout(
        found.id,
        found.name,
        found.package_id,
        str(found.who.kind),
        found.who.name,
        str(found.state.phase),
        found.state.reason,
        found.state.created_by,
        found.state.approved_by,
        row.created_at_us / 1_000_000,
        found.state.opened,
        write_plan(found.plan),
        waves,
    )
