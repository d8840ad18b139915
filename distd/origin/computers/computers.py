"""Computers, as their agents describe them: list, show, delete."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import delete as delete_from
from sqlalchemy import func, or_, select

from distd.catalogue import dialect, event_log
from distd.catalogue.lists import matches, read_page
from distd.catalogue.rollouts_schema import rollout_members
from distd.catalogue.schema import assignments as assignments_table
from distd.catalogue.schema import (
    computer_accounts,
    computers,
    drives,
    history,
    installed,
    interfaces,
    inventories,
    inventory_digests,
    progress,
    seconds,
    software,
)
from distd.domain.actor import SYSTEM
from distd.domain.computer_facts import Drive, Interface
from distd.domain.errors import NotFound
from distd.domain.folding import fold
from distd.domain.inventory import unpack
from distd.domain.parameters import Level
from distd.origin.computers import parameters
from distd.origin.deployments import result_list
from distd.origin.deployments.result_list import Result  # noqa: TC001 - the API reads the annotations
from distd.origin.groups import membership
from distd.origin.operators.restrictions import visible
from distd.origin.packages.counters import forget_computers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Computer:
    """Texts are empty until an inventory fills them. `address` is the one that its agent had at its last contact, `ip`
    those of its inventory. Times are in seconds; None: there was no inventory yet. `changed`: what of its identity has
    changed (address, agent, serial, mac), until an operator clears it. `networks`: it may make contacts from these
    only; none: from anywhere. `waiting`: in the waiting room. `workgroup` is its domain, `userid` its user.
    `disk_free_bytes`, `disk_total_bytes`: of all fixed drives together; `system_free_bytes`: of the drive on which its
    agent downloads. Numbers are None where they are not known."""

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
    os_comments: str
    arch: str
    agent: str
    agent_version: str
    userdomain: str
    description: str
    manufacturer: str
    model: str
    cpu: str
    cores: int | None
    memory_bytes: int | None
    disk_free_bytes: int | None
    disk_total_bytes: int | None
    system_free_bytes: int | None
    changed: list[str]
    networks: list[str]
    waiting: bool
    first_seen_at_s: float
    last_seen_at_s: float
    last_inventory_at_s: float | None


@dataclass(frozen=True, slots=True)
class Detail:
    """All that is known of a computer. `accounts` is the account info. `interfaces`: one for each address. `software`:
    how much of it is installed; `software_of` lists it. `inventory`: {"hardware": {…}, "bios": {…}, "networks": [{…}],
    …} with OCS's fields, as `domain.inventory` has them, or None."""

    computer: Computer
    accounts: dict[str, str]
    interfaces: list[Interface]
    drives: list[Drive]
    software: int
    inventory: dict[str, Any] | None
    assignments: list[Result]
    history: list[str]


@dataclass(frozen=True, slots=True)
class SoftwareItem:
    """A program that is installed, or a package of the system."""

    name: str
    version: str
    publisher: str


@dataclass(frozen=True, slots=True)
class WantedComputers:
    """Which computers. `name`: of the computer or its DEVICEID, see `catalogue.lists.matches`; `tag`: the same of its
    tag. None: all. `changed`: only those of whose identity something has changed; `waiting`: only those in the waiting
    room."""

    name: str | None = None
    tag: str | None = None
    changed: bool = False
    waiting: bool = False


OF_INVENTORIES: Final = (inventories, inventory_digests, computer_accounts, interfaces, drives, installed)
PLACE: Final = (str,)  # of a computer in the list: its DEVICEID
SOFTWARE_PLACE: Final = (str, int)  # of software in the list: its folded name, its id
_TEXTS = (
    *("device_id", "name", "user_agent", "address", "os_name", "os_version", "ip", "workgroup", "userid", "tag"),
    *("serial", "os_comments", "arch", "agent", "agent_version", "userdomain", "description"),
    *("manufacturer", "model", "cpu"),
)
_NUMBERS = ("cores", "memory_bytes", "disk_free_bytes", "disk_total_bytes", "system_free_bytes")
_TIMES = ("first_seen_at_us", "last_seen_at_us", "last_inventory_at_us")
COLUMNS = [computers.c[name] for name in ("id", "changed", "networks", "waiting", *_TEXTS, *_NUMBERS, *_TIMES)]


def list_computers(conn: Connection, wanted: WantedComputers, window: Window, actor: Actor = SYSTEM) -> Page[Computer]:
    """By DEVICEID; those that `actor` may see."""
    query = select(*COLUMNS).where(*conditions(wanted), visible(conn, actor))
    return read_page(conn, query, (computers.c.device_id,), window, computer_of)


def show(conn: Connection, device_id: str, actor: Actor = SYSTEM) -> Detail:
    """All that is known of one computer. Raises `NotFound`, also where `actor` may not see it."""
    query = select(*COLUMNS, inventories.c.content).outerjoin(inventories).where(computers.c.device_id == device_id)
    row = conn.execute(query.where(visible(conn, actor))).one_or_none()
    if row is None:
        raise NotFound("device_id", "the DEVICEID of a computer", device_id)
    of_it = row.id
    done = select(history.c.package_id).where(history.c.computer_id == of_it).order_by(history.c.package_id)
    accounts = select(computer_accounts).where(computer_accounts.c.computer_id == of_it)
    ordered = accounts.order_by(computer_accounts.c.key_key)
    return Detail(
        computer_of(row),
        accounts={account.key: account.value for account in conn.execute(ordered)},
        interfaces=_rows(conn, interfaces, Interface, of_it),
        drives=_rows(conn, drives, Drive, of_it),
        software=conn.scalar(select(func.count()).select_from(installed).where(installed.c.computer_id == of_it)) or 0,
        inventory=_content(row.content),
        assignments=result_list.of_computer(conn, of_it),
        history=list(conn.scalars(done)),
    )


def software_of(
    conn: Connection, device_id: str, name: str | None, window: Window, actor: Actor = SYSTEM
) -> Page[SoftwareItem]:
    """What is installed on a computer, by name. `name`: see `catalogue.lists.matches`; None: all. Raises `NotFound`,
    also where `actor` may not see the computer."""
    seen = visible(conn, actor)
    computer_id = conn.scalar(select(computers.c.id).where(computers.c.device_id == device_id, seen))
    if computer_id is None:
        raise NotFound("device_id", "the DEVICEID of a computer", device_id)
    query = select(software.c.name_key, software.c.id, software.c.name, software.c.version, software.c.publisher)
    query = query.join(installed, installed.c.software_id == software.c.id).where(
        installed.c.computer_id == computer_id
    )
    if name is not None:
        query = query.where(matches(software.c.name_key, fold(name)))

    def item(row: Any) -> SoftwareItem:
        return SoftwareItem(row.name, row.version, row.publisher)

    return read_page(conn, query, (software.c.name_key, software.c.id), window, item)


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
        forget_computers(conn, chunk)
        membership.forget(conn, chunk)
        for table in (*OF_INVENTORIES, rollout_members, history, progress, assignments_table):
            conn.execute(delete_from(table).where(table.c.computer_id.in_(chunk)))
        conn.execute(delete_from(computers).where(computers.c.id.in_(chunk)))
    kind = event_log.Kind.COMPUTER_DELETED
    event_log.append_many(
        conn, [event_log.Note(kind, actor, now_s, None, key, {"device_id": name}) for name, key in ids.items()]
    )


def _rows(conn: Connection, table: Any, record: Callable[..., T], computer_id: int) -> list[T]:
    """As records whose fields are columns of the table."""
    columns = [table.c[field.name] for field in fields(record)]  # type: ignore[arg-type]
    query = select(*columns).where(table.c.computer_id == computer_id).order_by(table.c.position)
    return [record(*row) for row in conn.execute(query)]


def _content(packed: bytes | None) -> dict[str, Any] | None:
    """Versions before kept software there, too."""
    if packed is None:
        return None
    content = unpack(packed)
    content.pop("software", None)
    return content


def conditions(wanted: WantedComputers) -> list[ColumnElement[bool]]:
    """What is true of the rows of computers that are wanted."""
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


def computer_of(row: Any) -> Computer:
    """The computer in a row of `COLUMNS`."""
    values: dict[str, Any] = {name: getattr(row, name) or "" for name in _TEXTS}
    values |= {name: getattr(row, name) for name in _NUMBERS}
    return Computer(
        id=row.id,
        changed=row.changed.split(),
        networks=row.networks.split(),
        waiting=row.waiting,
        first_seen_at_s=row.first_seen_at_us / 1_000_000,
        last_seen_at_s=row.last_seen_at_us / 1_000_000,
        last_inventory_at_s=seconds(row.last_inventory_at_us),
        **values,
    )
