"""What names groups, as such or in a filter: roll-outs, waves, recurrences. Where a group gets another name they
have that too; while one needs a group, it stays. What asks for it in another way, by a pattern or in a restriction,
keeps it from being lost: `NOT group("Servers")` would find all computers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from distd.catalogue.access_schema import api_tokens
from distd.catalogue.recurring_schema import recurrences
from distd.catalogue.rollouts_schema import rollouts
from distd.catalogue.schema import operators
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import BadInput, Conflict
from distd.domain.filters.group_names import names_group
from distd.domain.filters.group_names import rename_group as in_filter
from distd.domain.filters.parse import parse
from distd.domain.filters.render import render
from distd.domain.folding import fold
from distd.domain.groups import asks_for
from distd.domain.restriction import read_restriction
from distd.domain.rollout_plan import read_plan, write_plan
from distd.domain.rollout_state import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Result, Row

    from distd.domain.filters.tree import Node
    from distd.domain.rollout_plan import RolloutPlan, WaveBy


def rename_group(conn: Connection, before: str, after: str) -> None:
    """Whatever named the group `before` names it `after`."""
    for row, plan in _rollouts(conn, before):
        waves = tuple(replace(wave, value=_renamed(wave.by, wave.value, before, after)) for wave in plan.waves)
        who = _renamed(row.who_kind, row.who_name, before, after)
        values = {"who_name": who, "plan": json.dumps(write_plan(replace(plan, waves=waves)))}
        conn.execute(update(rollouts).where(rollouts.c.id == row.id).values(**values))
    for row in _recurrences(conn, before):
        who = _renamed(row.who_kind, row.who_name, before, after)
        conn.execute(update(recurrences).where(recurrences.c.id == row.id).values(who_name=who))


def refuse_if_needed(conn: Connection, name: str) -> None:
    """Raises `Conflict` where a roll-out that has not ended, or a recurrence, is for the group."""
    going_on = [row.name for row, _ in _rollouts(conn, name) if row.phase not in ENDED]
    if going_on:
        raise Conflict("name", f"{name} is needed by the roll-out {going_on[0]}", "stop the roll-out first")
    recurring = _recurrences(conn, name)
    if recurring:
        raise Conflict("name", f"{name} is needed by the recurrence {recurring[0].id}", "delete the recurrence first")


def refuse_if_asked_for(conn: Connection, name: str, new_name: str = "") -> None:
    """Raises `Conflict` where a filter of a roll-out that has not ended, of a recurrence or of a restriction asks for
    the group, and would not any more once that has `new_name`; empty: once it is gone."""
    for row in conn.execute(select(rollouts).where(rollouts.c.phase.not_in(ENDED)).order_by(rollouts.c.id)):
        waves = read_plan(json.loads(row.plan)).waves
        named = [(row.who_kind, row.who_name), *((wave.by, wave.value) for wave in waves)]
        if any(kind == OriginKind.FILTER and _loses(text, name, new_name, follows=True) for kind, text in named):
            told = f"{name} is asked for by the filter of the roll-out {row.name}"
            raise Conflict("name", told, "stop the roll-out first")
    for row in conn.execute(select(recurrences).where(recurrences.c.who_kind == OriginKind.FILTER)):
        if _loses(row.who_name, name, new_name, follows=True):
            told = f"{name} is asked for by the filter of the recurrence {row.id}"
            raise Conflict("name", told, "delete the recurrence first")
    for table in (operators, api_tokens):
        for row in conn.execute(select(table.c.name, table.c.filter).where(table.c.filter != "")):
            if _loses(row.filter, name, new_name, follows=False):
                told = f"{name} is asked for by the restriction of {row.name}"
                raise Conflict("name", told, "change the restriction first")


def _loses(text: str, name: str, new_name: str, *, follows: bool) -> bool:
    """Whether a filter asks for the group by its name, and not by the new one. `follows`: it gets the new name, too."""
    if "group" not in text.lower():  # nearly all: to read a filter takes longer
        return False
    try:
        tree = read_restriction(text)
    except BadInput:
        return False  # it finds nobody
    if not asks_for(tree, [name]):
        return False
    return not (new_name and asks_for(in_filter(tree, name, new_name) if follows else tree, [new_name]))


def _rollouts(conn: Connection, group: str) -> Iterator[tuple[Row[Any], RolloutPlan]]:
    for row in conn.execute(select(rollouts).order_by(rollouts.c.id)).all():
        plan = read_plan(json.loads(row.plan))
        named = [(row.who_kind, row.who_name), *((wave.by, wave.value) for wave in plan.waves)]
        if any(_names(kind, name, group) for kind, name in named):
            yield row, plan


def _recurrences(conn: Connection, group: str) -> list[Row[Any]]:
    columns = recurrences.c.id, recurrences.c.who_kind, recurrences.c.who_name
    rows: Result[Any] = conn.execute(select(*columns).order_by(recurrences.c.id))
    return [row for row in rows.all() if _names(row.who_kind, row.who_name, group)]


def _names(kind: str | WaveBy, text: str, group: str) -> bool:
    """Whether what is of this kind, a group's name or a filter, names the group."""
    if kind == OriginKind.GROUP:
        return fold(text) == fold(group)
    tree = _filter_of(kind, text)
    return tree is not None and names_group(tree, group)


def _renamed(kind: str | WaveBy, text: str, before: str, after: str) -> str:
    if not _names(kind, text, before):
        return text
    tree = _filter_of(kind, text)
    return after if tree is None else render(in_filter(tree, before, after))


def _filter_of(kind: str | WaveBy, text: str) -> Node | None:
    """None: it is no filter, an empty one, or one of a version that knew other fields."""
    if kind != OriginKind.FILTER or not text.strip():
        return None
    try:
        return parse(text)
    except BadInput:
        return None
