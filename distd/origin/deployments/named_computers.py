"""Computers that somebody has named by their DEVICEIDs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, true

from distd.catalogue import dialect
from distd.catalogue.schema import computers
from distd.domain.errors import NotFound
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Row

    from distd.domain.actor import Actor

NAMED: Final = 3  # of those that are unknown, in the error


def find_computers(conn: Connection, device_ids: Sequence[str], actor: Actor) -> dict[str, Row[Any]]:
    """`id`, `device_id`, `user_agent`, `os_name` by DEVICEID, in their order, each once. Raises `NotFound` for those
    that are unknown, or that `actor` may not see."""
    found: dict[str, Row[Any]] = {}
    wanted = list(dict.fromkeys(device_ids))
    seen = visible(conn, actor)
    columns = [computers.c[name] for name in ("device_id", "id", "user_agent", "os_name")]
    for names in dialect.chunks(wanted):
        rows = conn.execute(select(*columns).where(computers.c.device_id.in_(names), seen))
        found.update((row.device_id, row) for row in rows)
    unknown = [device_id for device_id in wanted if device_id not in found]
    if unknown:
        more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
        hint = "a computer is known after its agent's first contact"
        raise NotFound("computers", "the DEVICEID of a computer", f"{', '.join(unknown[:NAMED])}{more}", hint)
    return {device_id: found[device_id] for device_id in wanted}


def of_few(column: Column[Any], computer_ids: Sequence[int]) -> ColumnElement[bool]:
    """The condition that a row is of one of these computers; of more than one statement takes, that it is of any: to
    read what a package has of all computers costs less then."""
    return column.in_(computer_ids) if len(computer_ids) <= dialect.MAX_ITEMS else true()
