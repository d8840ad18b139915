"""Computers, as their agents describe them: list, show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from distd.catalogue.schema import computers, history, seconds
from distd.domain.errors import NotFound
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import Result  # noqa: TC001 - the API reads the annotations

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Computer:
    """Texts are empty until an inventory fills them. `address` is the one that its agent had at its last contact, `ip`
    those of its inventory. Times are in seconds; None: there was no inventory yet."""

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
    first_seen_at_s: float
    last_seen_at_s: float
    last_inventory_at_s: float | None


@dataclass(frozen=True, slots=True)
class Detail:
    """All that is known of a computer. `inventory`: {"hardware": {…}, "account": {…}, "networks": [{…}]} or None."""

    computer: Computer
    inventory: dict[str, Any] | None
    assignments: list[Result]
    history: list[str]


_TEXTS = ("device_id", "name", "user_agent", "address", "os_name", "os_version", "ip", "workgroup", "userid", "tag")
_TIMES = ("first_seen_at_us", "last_seen_at_us", "last_inventory_at_us")
_COLUMNS = [computers.c[name] for name in ("id", *_TEXTS, *_TIMES)]


def list_computers(conn: Connection) -> list[Computer]:
    """All computers, by DEVICEID."""
    return [_computer(row) for row in conn.execute(select(*_COLUMNS).order_by(computers.c.device_id))]


def show(conn: Connection, device_id: str) -> Detail:
    """All that is known of one computer. Raises `NotFound`."""
    query = select(*_COLUMNS, computers.c.inventory).where(computers.c.device_id == device_id)
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFound("device_id", "the DEVICEID of a computer", device_id)
    done = select(history.c.package_id).where(history.c.computer_id == row.id).order_by(history.c.package_id)
    return Detail(_computer(row), row.inventory, assignments.of_computer(conn, row.id), list(conn.scalars(done)))


def _computer(row: Any) -> Computer:
    texts = {name: getattr(row, name) or "" for name in _TEXTS}
    return Computer(
        id=row.id,
        first_seen_at_s=row.first_seen_at_us / 1_000_000,
        last_seen_at_s=row.last_seen_at_us / 1_000_000,
        last_inventory_at_s=seconds(row.last_inventory_at_us),
        **texts,
    )
