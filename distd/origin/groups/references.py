"""What names groups: roll-outs and their waves, recurrences. Where a group gets another name they have that too; while
one needs a group, it stays."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from distd.catalogue.recurring_schema import recurrences
from distd.catalogue.rollouts_schema import rollouts
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import Conflict
from distd.domain.folding import fold
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
