"""What names groups: roll-outs and their waves, recurrences. Where a group gets another name they have that too; while
one needs a group, it stays. While a filter of theirs, or of a restriction, asks for a group, that keeps its name, too:
`NOT group("Servers")` would find all computers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from distd.catalogue.access_schema import api_tokens
from distd.catalogue.recurring_schema import recurrences
from distd.catalogue.rollouts_schema import rollouts
from distd.catalogue.schema import operators
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import BadInput, Conflict
from distd.domain.folding import fold
from distd.domain.groups import asks_for
from distd.domain.restriction import read_restriction
from distd.domain.rollout_plan import WaveBy, read_plan, write_plan
from distd.domain.rollout_state import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row

    from distd.domain.rollout_plan import RolloutPlan

_GROUP: Final = OriginKind.GROUP


def rename_group(conn: Connection, before: str, after: str) -> None:
    """Whatever named the group `before` names it `after`."""
    for row, plan in _rollouts(conn, before):
        waves = tuple(
            replace(wave, value=after) if _names(wave.by, wave.value, before) else wave for wave in plan.waves
        )
        who = after if _names(row.who_kind, row.who_name, before) else row.who_name
        values = {"who_name": who, "plan": json.dumps(write_plan(replace(plan, waves=waves)))}
        conn.execute(update(rollouts).where(rollouts.c.id == row.id).values(**values))
    for recurrence_id in _recurrences(conn, before):
        conn.execute(update(recurrences).where(recurrences.c.id == recurrence_id).values(who_name=after))


def refuse_if_needed(conn: Connection, name: str) -> None:
    """Raises `Conflict` where a roll-out that has not ended, or a recurrence, is for the group."""
    going_on = [row.name for row, _ in _rollouts(conn, name) if row.phase not in ENDED]
    if going_on:
        raise Conflict("name", f"{name} is needed by the roll-out {going_on[0]}", "stop the roll-out first")
    recurring = _recurrences(conn, name)
    if recurring:
        raise Conflict("name", f"{name} is needed by the recurrence {recurring[0]}", "delete the recurrence first")


def refuse_if_asked_for(conn: Connection, name: str) -> None:
    """Raises `Conflict` where a filter of a roll-out that has not ended, of a recurrence or of a restriction asks for
    the group."""
    for row in conn.execute(select(rollouts).where(rollouts.c.phase.not_in(ENDED)).order_by(rollouts.c.id)):
        waves = read_plan(json.loads(row.plan)).waves
        named = [(row.who_kind, row.who_name), *((str(wave.by), wave.value) for wave in waves)]
        if any(kind == OriginKind.FILTER and _asks_for(text, name) for kind, text in named):
            told = f"{name} is asked for by the filter of the roll-out {row.name}"
            raise Conflict("name", told, "stop the roll-out first")
    for row in conn.execute(select(recurrences).where(recurrences.c.who_kind == OriginKind.FILTER)):
        if _asks_for(row.who_name, name):
            told = f"{name} is asked for by the filter of the recurrence {row.id}"
            raise Conflict("name", told, "delete the recurrence first")
    for table in (operators, api_tokens):
        for row in conn.execute(select(table.c.name, table.c.filter).where(table.c.filter != "")):
            if _asks_for(row.filter, name):
                told = f"{name} is asked for by the restriction of {row.name}"
                raise Conflict("name", told, "change the restriction first")


def _asks_for(text: str, group: str) -> bool:
    if "group" not in text.lower():  # nearly all: to read a filter takes longer
        return False
    try:
        return bool(asks_for(read_restriction(text), [group]))
    except BadInput:
        return False  # it finds nobody


def _rollouts(conn: Connection, group: str) -> Iterator[tuple[Row[Any], RolloutPlan]]:
    for row in conn.execute(select(rollouts).order_by(rollouts.c.id)).all():
        plan = read_plan(json.loads(row.plan))
        named = [(row.who_kind, row.who_name), *((wave.by, wave.value) for wave in plan.waves)]
        if any(_names(kind, name, group) for kind, name in named):
            yield row, plan


def _recurrences(conn: Connection, group: str) -> list[int]:
    columns = recurrences.c.id, recurrences.c.who_name
    rows = conn.execute(select(*columns).where(recurrences.c.who_kind == _GROUP).order_by(recurrences.c.id))
    return [row.id for row in rows if fold(row.who_name) == fold(group)]


def _names(kind: str | WaveBy, name: str, group: str) -> bool:
    return kind in (_GROUP, WaveBy.GROUP) and fold(name) == fold(group)
