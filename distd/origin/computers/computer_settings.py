"""What an operator decides of computers: `distd computer set DEVICEID KEY=VALUE`, `admit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import computers
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import parse_networks
from distd.origin.deployments.named_computers import find_computers
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from distd.domain.actor import Actor


MAX_NETWORKS: Final = 64


def admit(conn: Connection, actor: Actor, device_ids: Sequence[str] | None, now_s: float) -> list[str]:
    """Let computers out of the waiting room, None: all that `actor` may see; gives the DEVICEIDs of those that were in
    it.

    Raises `NotFound` for the first that is unknown; then nothing is changed.
    """
    query = select(computers.c.device_id, computers.c.id).where(computers.c.waiting, visible(conn, actor))
    waiting = {row.device_id: row.id for row in conn.execute(query.order_by(computers.c.device_id))}
    if device_ids is not None:
        waiting = {name: waiting[name] for name in find_computers(conn, device_ids, actor) if name in waiting}
    for ids in dialect.chunks(list(waiting.values())):
        conn.execute(update(computers).where(computers.c.id.in_(ids)).values(waiting=False))
    kind = event_log.Kind.COMPUTER_ADMITTED
    event_log.append_many(
        conn, [event_log.Note(kind, actor, now_s, None, computer_id, {}) for computer_id in waiting.values()]
    )
    return list(waiting)


def change(conn: Connection, actor: Actor, device_id: str, values: Mapping[str, str], now_s: float) -> None:
    """Set the values of a computer, by their names in `KEYS`. Raises `NotFound`, and `BadInput` that names it."""
    row = find_computers(conn, [device_id], actor)[device_id]
    columns: dict[str, Any] = {}
    for name, text in values.items():
        if name not in KEYS:
            raise BadInput(name, f"one of {', '.join(KEYS)}", name)
        columns[name] = KEYS[name](text.strip())
    if not columns:
        raise BadInput("values", "KEY=VALUE", "nothing")
    found = conn.execute(select(*(computers.c[name] for name in columns)).where(computers.c.id == row.id)).one()
    before = {name: getattr(found, name) for name in columns}
    conn.execute(update(computers).where(computers.c.id == row.id).values(**columns))
    kind = event_log.Kind.COMPUTER_SET
    event_log.append(conn, kind, actor, at_s=now_s, computer_id=row.id, before=before, **columns)


def _no_flags(text: str) -> str:
    if text:
        raise BadInput("changed", "nothing: it can be cleared only", text)
    return ""


def _networks(text: str) -> str:
    parts = text.replace(",", " ").split()
    if len(parts) > MAX_NETWORKS:
        raise BadInput("networks", f"at most {MAX_NETWORKS}", len(parts))
    return " ".join(str(network) for network in parse_networks(parts))


KEYS: Final[Mapping[str, Callable[[str], str]]] = {"changed": _no_flags, "networks": _networks}
