"""Roll-outs: make, list, show; what operators do to them. What they do by themselves: `rollout_advance`.

What happens next `domain.rollout` decides; here it is carried out, and each decision becomes an event in the same
transaction. What takes long to find (`choose`, `count_for_act`) can be found beside the writer before.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, select, update

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
from distd.domain.rollout_state import Phase, RolloutAct, WaveFacts
from distd.origin.computers import saved_filters
from distd.origin.deployments import rollout_choice, rollout_members
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
    from distd.domain.rollout_state import RolloutFacts, RolloutState
    from distd.domain.settings import DownloadConfig
    from distd.origin.deployments.rollout_choice import RolloutChoice
    from distd.origin.deployments.rollout_record import RunningRollout

MAX_ROLLOUTS: Final = 1000  # those that have ended, too
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
    computers that match, and are in no wave. `waves` is empty where they were not counted, as in lists."""

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


@dataclass(frozen=True, slots=True)
class CountedRollout:
    """What an act needs to know of a roll-out: it holds while that has the same revision. `left_out`: as of `Rollout`,
    where its computers were chosen anew."""

    revision: int
    facts: RolloutFacts
    left_out: int = 0


def choose(conn: Connection, actor: Actor, new: NewRollout, now_s: float) -> RolloutChoice:
    """The computers of a roll-out that is to be made. Only reads. Raises what `create` raises."""
    new = _checked(conn, actor, new)
    choice = rollout_choice.choose(conn, new.name, new.plan, new.who, now_s)
    if not choice.waves and not new.plan.dynamic:
        raise BadInput("who", "computers that are there", new.who.name or "none")
    return choice


def create(
    conn: Connection, actor: Actor, new: NewRollout, now_s: float, choice: RolloutChoice | None = None
) -> Rollout:
    """Make a roll-out; nothing is assigned before it is started. Saved filters in it are taken as they are now.

    `choice`: what `choose` gave; None: it is found here. Only a first part of the computers become members: see
    `rollout_choice.find_parts`.

    Raises `BadInput` for a plan or a filter, or where nobody matches, `NotFound` for a package or group, `Conflict` for
    a name that is taken, and where there are too many.
    """
    choice = choose(conn, actor, new, now_s) if choice is None else choice
    new = _checked(conn, actor, new)
    state = rollout.new_state(new.plan, person_of(conn, actor))
    row = {
        "name": new.name,
        "name_key": fold(new.name),
        "package_id": new.package_id,
        "who_kind": new.who.kind,
        "who_name": new.who.name,
        "plan": json.dumps(write_plan(new.plan)),
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
    for part in rollout_choice.parts_of(choice.waves)[:1]:
        rollout_choice.put(conn, rollout_id, part)
    detail: dict[str, Any] = {"rollout": rollout_id, "name": new.name, "computers": len(choice.waves)}
    event_log.append(conn, Kind.ROLLOUT_CREATED, actor, at_s=now_s, package_id=new.package_id, **detail)
    made, counted = find_row(conn, new.name), Counter(choice.waves.values())
    facts = [WaveFacts(pending=counted[place]) for place in range(len(new.plan.waves))]
    return replace(_shown(made, load(conn, made), facts), left_out=choice.left_out)


def _checked(conn: Connection, actor: Actor, new: NewRollout) -> NewRollout:
    """Its name as it is kept, its filters in full."""
    check_plan(new.plan)
    if (conn.scalar(select(func.count()).select_from(rollouts)) or 0) >= MAX_ROLLOUTS:
        raise Conflict("name", f"there are {MAX_ROLLOUTS:,} roll-outs already", "delete some that have ended")
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
    who = new.who
    if who.kind is OriginKind.FILTER:
        who = replace(who, name=_canonical(conn, actor, who.name))
    return replace(new, name=name, plan=replace(new.plan, waves=tuple(waves)), who=who)


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


def show_plan(conn: Connection, name: str) -> RolloutPlan:
    """What it is to do. Raises `NotFound`."""
    return load(conn, find_row(conn, name)).plan


def count_for_act(conn: Connection, name: str, now_s: float, config: DownloadConfig) -> CountedRollout:
    """What an act needs to know. Only reads. Raises `NotFound`."""
    found = load(conn, find_row(conn, name))
    return CountedRollout(found.revision, read_facts(conn, found, now_s, config))


def act(
    conn: Connection,
    actor: Actor,
    name: str,
    what: RolloutAct,
    now_s: float,
    config: DownloadConfig,
    counted: CountedRollout | None = None,
) -> Rollout:
    """What an operator does; what follows from it is done too. Where nothing is `counted`, or what was holds no longer,
    it is counted here, and for a start its computers are chosen. Gives it without its waves.

    Raises `NotFound`, and `Conflict` where it cannot be.
    """
    found = load(conn, find_row(conn, name))
    if counted is None or counted.revision != found.revision:
        counted = _count_here(conn, found, what, now_s, config)
    before, facts = _with_person(conn, found.state), counted.facts
    state, decisions = rollout.act(found.plan, before, (what, person_of(conn, actor)), moment_of(now_s), facts)
    save(conn, found, before, state, now_s)
    carry_out(conn, actor, replace(found, state=state, config=config), decisions, now_s)
    if state.phase is Phase.ROLLING_BACK:  # it goes on by what is left then
        touch(conn, found.id)
    else:
        advance_now(conn, found.id, now_s, config, facts)  # the act itself has assigned nothing of the package
    return replace(_without_waves(conn, name), left_out=counted.left_out)


def _count_here(
    conn: Connection, found: RunningRollout, what: RolloutAct, now_s: float, config: DownloadConfig
) -> CountedRollout:
    left_out = 0
    if what is RolloutAct.START and found.state.phase is Phase.DRAFT:
        choice = rollout_choice.choose(conn, found.name, found.plan, found.who, now_s)
        for part in rollout_choice.changes(conn, found.id, choice):
            rollout_choice.put(conn, found.id, part)
        left_out = choice.left_out
    return CountedRollout(found.revision, read_facts(conn, found, now_s, config), left_out)


def _with_person(conn: Connection, state: RolloutState) -> RolloutState:
    """A version before kept the token that made it."""
    kind, _, name = state.created_by.partition(":")
    return (
        replace(state, created_by=person_of(conn, Actor(ActorKind.TOKEN, name))) if kind == ActorKind.TOKEN else state
    )


def change(conn: Connection, actor: Actor, name: str, changes: Mapping[str, Any], now_s: float) -> Rollout:
    """Give a roll-out other values of its plan, by the names of `RolloutPlan`, but for its waves. What was decided
    stays. Gives it without its waves. Raises `BadInput`, `NotFound`, and `Conflict` where it has ended, or is to be
    approved as it was made."""
    found = load(conn, find_row(conn, name))
    plan, phase = replace(found.plan, **changes), found.state.phase
    check_plan(plan)
    if plan.roll_back_to:
        with _field("roll_back_to"):
            show_package(conn, plan.roll_back_to)
    if phase in UNCHANGEABLE:
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
    return _without_waves(conn, name)


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> None:
    """Forget a roll-out. Assignments that it made, and events, stay. Raises `NotFound`, and `Conflict` for one that was
    started and has not ended, or whose assignments are still being taken back."""
    found = load(conn, find_row(conn, name))
    if found.state.phase not in DELETABLE:
        ends_soon = found.state.phase is Phase.ROLLING_BACK
        raise Conflict("rollout", WHERE[found.state.phase], "try again in a minute" if ends_soon else "stop it first")
    if found.state.phase is Phase.STOPPED and rollout_members.find_waiting(conn, found, None, 1):
        raise Conflict("rollout", "its assignments are still being taken back", "try again in a minute")
    for table in (rollout_members_table, rollout_waves):
        conn.execute(delete_from(table).where(table.c.rollout_id == found.id))
    conn.execute(delete_from(rollouts).where(rollouts.c.id == found.id))
    note(conn, Kind.ROLLOUT_DELETED, actor, found, now_s)


def _without_waves(conn: Connection, name: str) -> Rollout:
    row = find_row(conn, name)
    return _shown(row, load(conn, row), None)


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
