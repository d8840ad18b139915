"""What names groups, as such or in a filter: roll-outs, waves, recurrences. Where a group gets another name they
have that too; while one needs a group, it stays."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from distd.catalogue.recurring_schema import recurrences
from distd.catalogue.rollouts_schema import rollouts
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import BadInput, Conflict
from distd.domain.filters.group_names import names_group
from distd.domain.filters.group_names import rename_group as in_filter
from distd.domain.filters.parse import parse
from distd.domain.filters.render import render
from distd.domain.folding import fold
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
