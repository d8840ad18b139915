"""Computers, as their agents describe them: list, show, delete."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import or_, select

from distd.catalogue import dialect, event_log
from distd.catalogue.lists import matches, read_page
from distd.catalogue.schema import assignments as assignments_table
from distd.catalogue.schema import computers, group_members, history, inventories, progress, seconds
from distd.domain.actor import SYSTEM
from distd.domain.errors import NotFound
from distd.domain.inventory import unpack
from distd.domain.parameters import Level
from distd.origin.computers import parameters
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import Result  # noqa: TC001 - the API reads the annotations
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window


@dataclass(frozen=True, slots=True)
class Computer:
    """Texts are empty until an inventory fills them. `address` is the one that its agent had at its last contact, `ip`
    those of its inventory. Times are in seconds; None: there was no inventory yet. `changed`: what of its identity has
    changed (address, agent, serial, mac), until an operator clears it. `networks`: it may make contacts from these
    only; none: from anywhere. `waiting`: in the waiting room."""

    id: int
    device_id: str
    name: str
    user_agent: str
    address: str
    os_name: str
    os_version: str
    ip: str
    workgroup: str
    userid: str
    tag: str
    serial: str
    changed: list[str]
    networks: list[str]
    waiting: bool
    first_seen_at_s: float
    last_seen_at_s: float
    last_inventory_at_s: float | None


@dataclass(frozen=True, slots=True)
class Detail:
    """All that is known of a computer. `inventory`: {"hardware": {…}, "account": {…}, "bios": {…}, "networks": [{…}],
    "drives": [{…}], "software": [{…}], …} with OCS's fields, as `domain.inventory` has them, or None."""

    computer: Computer
    inventory: dict[str, Any] | None
    assignments: list[Result]
    history: list[str]


@dataclass(frozen=True, slots=True)
class WantedComputers:
    """Which computers. `name`: of the computer or its DEVICEID, see `catalogue.lists.matches`; `tag`: the same of its
    tag. None: all. `changed`: only those of whose identity something has changed; `waiting`: only those in the waiting
    room."""

    name: str | None = None
    tag: str | None = None
    changed: bool = False
    waiting: bool = False


PLACE: Final = (str,)  # of a computer in the list: its DEVICEID
_TEXTS = (
    *("device_id", "name", "user_agent", "address", "os_name", "os_version", "ip", "workgroup", "userid", "tag"),
    "serial",
)
_TIMES = ("first_seen_at_us", "last_seen_at_us", "last_inventory_at_us")
_COLUMNS = [computers.c[name] for name in ("id", "changed", "networks", "waiting", *_TEXTS, *_TIMES)]


def list_computers(conn: Connection, wanted: WantedComputers, window: Window, actor: Actor = SYSTEM) -> Page[Computer]:
    """By DEVICEID; those that `actor` may see."""
    query = select(*_COLUMNS).where(*_conditions(wanted), visible(conn, actor))
    return read_page(conn, query, (computers.c.device_id,), window, _computer)


def show(conn: Connection, device_id: str, actor: Actor = SYSTEM) -> Detail:
    """All that is known of one computer. Raises `NotFound`, also where `actor` may not see it."""
    query = select(*_COLUMNS, inventories.c.content).outerjoin(inventories).where(computers.c.device_id == device_id)
    row = conn.execute(query.where(visible(conn, actor))).one_or_none()
    if row is None:
        raise NotFound("device_id", "the DEVICEID of a computer", device_id)
    done = select(history.c.package_id).where(history.c.computer_id == row.id).order_by(history.c.package_id)
    inventory = None if row.content is None else unpack(row.content)
    return Detail(_computer(row), inventory, assignments.of_computer(conn, row.id), list(conn.scalars(done)))


def read_document(conn: Connection, device_id: str, actor: Actor = SYSTEM) -> bytes:
    """The XML of a computer's last inventory, as its agent sent it. Raises `NotFound`, also where it was not kept, or
    `actor` may not see the computer."""
    query = select(inventories.c.document).select_from(computers.outerjoin(inventories))
    row = conn.execute(query.where(computers.c.device_id == device_id, visible(conn, actor))).one_or_none()
    if row is None:
        raise NotFound("device_id", "the DEVICEID of a computer", device_id)
    if row.document is None:
        hint = "agents.keep_document_kib says up to which size it is kept"
        raise NotFound("device_id", "a computer whose inventory is kept as it was sent", device_id, hint)
    return zlib.decompress(row.document)


def delete(conn: Connection, actor: Actor, device_ids: Sequence[str], now_s: float) -> None:
    """Delete all that is known of these computers, their assignments and results too. An agent that makes a contact
    again is a new computer.

    Raises `NotFound` for the first that is unknown; then none is deleted.
    """
    ids: dict[str, int] = {}
    known = select(computers.c.device_id, computers.c.id).where(visible(conn, actor)).order_by(computers.c.id)
    for names in dialect.chunks(list(device_ids)):
        rows = conn.execute(known.where(computers.c.device_id.in_(names)))
        ids.update((row.device_id, row.id) for row in rows)
    for device_id in device_ids:
        if device_id not in ids:
            raise NotFound("computers", "the DEVICEID of a computer", device_id)
    for chunk in dialect.chunks(list(ids.values())):
        parameters.forget(conn, Level.COMPUTER, chunk)
        for table in (history, inventories, progress, group_members, assignments_table):
            conn.execute(delete_from(table).where(table.c.computer_id.in_(chunk)))
        conn.execute(delete_from(computers).where(computers.c.id.in_(chunk)))
    kind = event_log.Kind.COMPUTER_DELETED
    event_log.append_many(
        conn, [event_log.Note(kind, actor, now_s, None, key, {"device_id": name}) for name, key in ids.items()]
    )


def _conditions(wanted: WantedComputers) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.name is not None:
        found.append(or_(matches(computers.c.name, wanted.name), matches(computers.c.device_id, wanted.name)))
    if wanted.tag is not None:
        found.append(matches(computers.c.tag, wanted.tag))
    if wanted.changed:
        found.append(computers.c.changed != "")
    if wanted.waiting:
        found.append(computers.c.waiting)
    return found


def _computer(row: Any) -> Computer:
    texts = {name: getattr(row, name) or "" for name in _TEXTS}
    return Computer(
        id=row.id,
        changed=row.changed.split(),
        networks=row.networks.split(),
        waiting=row.waiting,
        first_seen_at_s=row.first_seen_at_us / 1_000_000,
        last_seen_at_s=row.last_seen_at_us / 1_000_000,
        last_inventory_at_s=seconds(row.last_inventory_at_us),
        **texts,
    )
