"""Roll-outs: make, list, show; what operators do to them. What they do by themselves: `rollout_advance`.

What happens next `domain.rollout` decides; here it is carried out, and each decision becomes an event in the same
transaction.
"""

from __future__ import annotations

import json
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
from distd.catalogue.schema import NAME_LIMIT, micros
from distd.domain import rollout
from distd.domain.actor import Actor, ActorKind
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import BadInput, Conflict
from distd.domain.filters.render import render
from distd.domain.folding import fold
from distd.domain.page import Page
from distd.domain.rollout_acts import DELETABLE, UNCHANGEABLE, WHERE
from distd.domain.rollout_plan import WaveBy, check_plan, describe_wave, write_plan
from distd.domain.rollout_state import ENDED, Phase, RolloutAct
from distd.origin.computers import saved_filters
from distd.origin.deployments import rollout_members
from distd.origin.deployments.rollout_advance import advance_now
from distd.origin.deployments.rollout_rows import (
    count_waves,
    find_row,
    is_id,
    load,
    load_all,
    moment_of,
    note,
    read_facts,
    row_of,
    row_of_wave,
    save,
    touch,
)
from distd.origin.deployments.rollout_steps import carry_out
from distd.origin.operators.api_tokens import person_of
from distd.origin.packages.packages import show as show_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, Row

    from distd.domain.assignment_terms import AssignmentOrigin
    from distd.domain.page import Window
    from distd.domain.rollout_plan import RolloutPlan
    from distd.domain.rollout_state import RolloutState, WaveFacts
    from distd.domain.settings import DownloadConfig
    from distd.origin.deployments.rollout_record import RunningRollout

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
    """A roll-out. `created_by`, `approved_by`: for a token its owner. `left_out`: of one that was made or started now:
    computers that match, and are in no wave. `waves` is empty in lists."""

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
    state = rollout.new_state(plan, person_of(conn, actor))
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
        **row_of(state, now_s),
        "created_by": state.created_by,
    }
    rollout_id = conn.execute(insert(rollouts).values(**row).returning(rollouts.c.id)).scalar_one()
    conn.execute(
        insert(rollout_waves),
        [{"rollout_id": rollout_id, "wave": place, **row_of_wave(wave)} for place, wave in enumerate(state.waves)],
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
    if is_id(name):
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
    page: Page[Row[Any]] = read_page(conn, select(rollouts), [rollouts.c.name_key], window, lambda row: row)
    loaded = load_all(conn, page.items)
    shown = [_shown(row, found, None) for row, found in zip(page.items, loaded, strict=True)]
    return Page(shown, page.next, page.total)


def revision_of(conn: Connection, name: str) -> int:
    """It grows with every act on a roll-out, every change of its plan and every step of its own. Raises `NotFound`."""
    return int(find_row(conn, name).revision)


def show(conn: Connection, name: str, now_s: float) -> Rollout:
    """By its name or its id. Raises `NotFound`."""
    row = find_row(conn, name)
    found = load(conn, row)
    return _shown(row, found, count_waves(conn, found, now_s))


def act(conn: Connection, actor: Actor, name: str, what: RolloutAct, now_s: float, config: DownloadConfig) -> Rollout:
    """What an operator does; what follows from it is done too. Raises `NotFound`, and `Conflict` where it cannot be."""
    found, left_out = load(conn, find_row(conn, name)), 0
    if what is RolloutAct.START and found.state.phase is Phase.DRAFT:
        left_out = rollout_members.choose(conn, found.id, found.plan, found.who, now_s)
    before = _with_person(conn, found.state)
    facts = read_facts(conn, found, now_s, config)
    state, decisions = rollout.act(found.plan, before, (what, person_of(conn, actor)), moment_of(now_s), facts)
    save(conn, found, before, state, now_s)
    carry_out(conn, actor, replace(found, state=state, config=config), decisions, now_s)
    advance_now(conn, found.id, now_s, config, facts)  # the act itself has assigned nothing of the package
    return replace(show(conn, name, now_s), left_out=left_out)


def _with_person(conn: Connection, state: RolloutState) -> RolloutState:
    """A version before kept the token that made it."""
    kind, _, name = state.created_by.partition(":")
    return (
        replace(state, created_by=person_of(conn, Actor(ActorKind.TOKEN, name))) if kind == ActorKind.TOKEN else state
    )


def change(conn: Connection, actor: Actor, name: str, changes: Mapping[str, Any], now_s: float) -> Rollout:
    """Give a roll-out other values of its plan, by the names of `RolloutPlan`, but for its waves. What was decided
    stays. Raises `BadInput`, `NotFound`, and `Conflict` where it has ended, or is to be approved as it was made."""
    found = load(conn, find_row(conn, name))
    plan, phase = replace(found.plan, **changes), found.state.phase
    check_plan(plan)
    if plan.roll_back_to:
        with _field("roll_back_to"):
            show_package(conn, plan.roll_back_to)
    if phase in ENDED:
        raise Conflict("rollout", UNCHANGEABLE[phase], "make another one")
    if plan.approval and (phase is not Phase.DRAFT or found.state.approved_by):
        raise Conflict("rollout", "it is approved as it is, or will be", "stop it, and make another one")
    before, after = write_plan(found.plan), write_plan(plan)
    different = [key for key in after if before[key] != after[key]]
    if different:
        values = {"plan": json.dumps(after), "changed_at_us": micros(now_s)}
        touch(conn, found.id)
        conn.execute(update(rollouts).where(rollouts.c.id == found.id).values(**values))
        detail = {"before": {key: before[key] for key in different}, "after": {key: after[key] for key in different}}
        note(conn, Kind.ROLLOUT_CHANGED, actor, found, now_s, **detail)
    return show(conn, name, now_s)


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> None:
    """Forget a roll-out. Assignments that it made, and events, stay. Raises `NotFound`, and `Conflict` for one that was
    started and has not ended, or whose assignments are still being taken back."""
    found = load(conn, find_row(conn, name))
    if found.state.phase not in DELETABLE:
        raise Conflict("rollout", WHERE[found.state.phase], "stop it first")
    if found.state.phase is Phase.STOPPED and rollout_members.find_waiting(conn, found, None, 1):
        raise Conflict("rollout", "its assignments are still being taken back", "try again in a minute")
    for table in (rollout_members_table, rollout_waves):
        conn.execute(delete_from(table).where(table.c.rollout_id == found.id))
    conn.execute(delete_from(rollouts).where(rollouts.c.id == found.id))
    note(conn, Kind.ROLLOUT_DELETED, actor, found, now_s)


def _shown(row: Row[Any], found: RunningRollout, counted: list[WaveFacts] | None) -> Rollout:
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
