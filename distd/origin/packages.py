"""Packages: publish, activate, deactivate, delete, and what a crash left of them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from distd.core.errors import BadInput, Conflict, NotFound, Unavailable
from distd.store import build, events, files
from distd.store import packages as directories
from distd.store.order import check
from distd.store.tables import NAME_LIMIT, TEXT_LIMIT, activations, assignments, micros, package_ids, packages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Select

    from distd.store.catalogue import Catalogue
    from distd.store.keys import Signer
    from distd.store.layout import DataDir
    from distd.store.order import Order

_SERVER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?(/[^\s?#]*)?")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the catalogue. `active`: agents may be sent to it; servers None while active: to this server.

    `warnings` is what its build remarked; empty when it comes from the catalogue.
    """

    id: str
    name: str
    os: str
    action: str
    priority: int
    target: str
    fragments: int
    size_bytes: int
    md5: str
    created_at_s: float
    active: bool = False
    info_server: str | None = None
    fragment_server: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciled:
    """`removed`: directories of no package, gone now. `missing`: packages whose directory is gone."""

    removed: list[str]
    missing: list[str]


def publish(
    catalogue: Catalogue,
    data: DataDir,
    order: Order,
    name: str,
    signer: Signer,
    now_s: float,
    progress: Callable[[int, int], None] | None = None,
    *,
    period_length: int,
) -> Package:
    """Builds `order` and enters it as a package called `name`. It is not active yet.

    The build runs outside any transaction. Its directory gets its final name within the one that enters it, so that
    whoever holds the write lock knows a directory without a row for what a crash left (`reconcile`).
    Raises `BadInput` for an order that cannot be, `Unavailable` when the disk is full.
    """
    _check(order, name, period_length)
    with catalogue.write() as conn:
        package_id = _new_id(conn, now_s)
    try:
        built = build.build(data, package_id, order, signer, progress)
    except BaseException:
        with suppress(Unavailable), catalogue.write() as conn:
            conn.execute(sql_delete(package_ids).where(package_ids.c.id == int(package_id)))
        raise
    try:
        built.sync()
        package = _package_of(built, order, name, now_s)
        with catalogue.write() as conn:
            built.publish()
            _enter(conn, package)
    except BaseException:
        built.discard()
        with suppress(Unavailable):
            reconcile(catalogue, data)
        raise
    return package


def reconcile(catalogue: Catalogue, data: DataDir) -> Reconciled:
    """Removes what crashes left in the download directory. To be called when a server or a build starts."""
    files.sweep(data.download)
    with catalogue.write() as conn:
        live = set(conn.scalars(select(packages.c.id).where(packages.c.deleted_at_us.is_(None))))
        there = set(directories.list_ids(data))
        for package_id in sorted(there - live):
            directories.delete(data, package_id)
    return Reconciled(removed=sorted(there - live), missing=sorted(live - there))


def list_packages(conn: Connection) -> list[Package]:
    """All but the deleted ones, oldest first."""
    return list(_read(conn, _select().order_by(packages.c.created_at_us, packages.c.id)))


def show(conn: Connection, package_id: str) -> Package:
    """Raises `NotFound`, also for a deleted one."""
    for package in _read(conn, _select().where(packages.c.id == package_id)):
        return package
    raise NotFound("PACKAGE", "the id of a package", package_id, "see `distd package list`")


def activate(
    conn: Connection, package_id: str, info_server: str | None, fragment_server: str | None, now_s: float
) -> Package:
    """From now on agents are told where the package is: on this server (both None), or on those given.

    A server is "host[:port]/path" without a scheme: `<server>/<id>/info` is fetched by HTTPS, fragments by HTTP.
    """
    show(conn, package_id)
    if (info_server is None) != (fragment_server is None):
        missing = "--info-server" if info_server is None else "--fragment-server"
        raise BadInput(missing, "both servers, or neither for this one", "nothing")
    values = {
        "info_server": _server("--info-server", info_server),
        "fragment_server": _server("--fragment-server", fragment_server),
        "activated_at_us": micros(now_s),
        "deactivated_at_us": None,
    }
    statement = upsert(activations).values(package_id=package_id, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["package_id"], set_=values))
    detail: dict[str, Any] = {name: values[name] for name in ("info_server", "fragment_server")}
    events.append(conn, events.Kind.PACKAGE_ACTIVATED, at_s=now_s, package_id=package_id, **detail)
    return show(conn, package_id)


def deactivate(conn: Connection, package_id: str, now_s: float) -> None:
    """No more agents are told of it. Those that were go on (OCS-PROTOCOL.md, trap 3). Raises `NotFound`, `Conflict`."""
    if not show(conn, package_id).active:
        raise Conflict("PACKAGE", f"{package_id} is not active")
    conn.execute(
        update(activations).where(activations.c.package_id == package_id).values(deactivated_at_us=micros(now_s))
    )
    events.append(conn, events.Kind.PACKAGE_DEACTIVATED, at_s=now_s, package_id=package_id)


def delete(catalogue: Catalogue, data: DataDir, package_id: str, now_s: float) -> None:
    """Removes its files; its name and results stay. Raises `NotFound`, and `Conflict` while computers still need it."""
    with catalogue.write() as conn:
        show(conn, package_id)
        _refuse_if_needed(conn, package_id)
        conn.execute(update(packages).where(packages.c.id == package_id).values(deleted_at_us=micros(now_s)))
        events.append(conn, events.Kind.PACKAGE_DELETED, at_s=now_s, package_id=package_id)
    # After the commit: a crash here leaves a directory of no package, which `reconcile` knows what to do with.
    if package_id in directories.list_ids(data):
        directories.delete(data, package_id)


def _check(order: Order, name: str, period_length: int) -> None:
    if not name.strip() or len(name) > NAME_LIMIT or not name.isprintable():
        raise BadInput("--name", f"1 to {NAME_LIMIT} printable characters", name)
    if len(order.target) > TEXT_LIMIT:
        raise BadInput("--path, --launch or --command", f"at most {TEXT_LIMIT} characters", len(order.target))
    if order.priority > period_length:
        hint = "an agent has a turn for it in each cycle that its priority divides, so it would never download"
        raise BadInput("--priority", f"at most download.period_length, {period_length}", order.priority, hint)
    check(order)  # `build` checks it too, but an id would have been used up by then


def _new_id(conn: Connection, now_s: float) -> str:
    """The Unix time as OCS has it, or the next number that nobody ever had."""
    newest = conn.scalar(select(func.max(package_ids.c.id))) or 0
    number = max(int(now_s), newest + 1)
    conn.execute(insert(package_ids).values(id=number))
    return str(number)


def _package_of(built: build.Built, order: Order, name: str, now_s: float) -> Package:
    return Package(
        id=built.info.id,
        name=name,
        os=order.os.value,
        action=built.info.action.value,
        priority=built.info.priority,
        target=built.info.target,
        fragments=built.info.fragments,
        size_bytes=built.size,
        md5=built.manifest.md5.hex(),
        created_at_s=now_s,
        warnings=tuple(built.warnings),
    )


def _enter(conn: Connection, package: Package) -> None:
    columns = ("id", "name", "os", "action", "priority", "target", "fragments", "size_bytes", "md5")
    row: dict[str, Any] = {column: getattr(package, column) for column in columns}
    conn.execute(insert(packages).values(created_at_us=micros(package.created_at_s), **row))
    events.append(
        conn,
        events.Kind.PACKAGE_PUBLISHED,
        at_s=package.created_at_s,
        package_id=package.id,
        name=package.name,
        size_bytes=package.size_bytes,
        fragments=package.fragments,
    )


def _select() -> Select[Any]:
    return (
        select(packages, activations)
        .outerjoin(activations, activations.c.package_id == packages.c.id)
        .where(packages.c.deleted_at_us.is_(None))
    )


def _read(conn: Connection, query: Select[Any]) -> Iterator[Package]:
    for row in conn.execute(query):
        yield Package(
            row.id,
            row.name,
            row.os,
            row.action,
            row.priority,
            row.target,
            row.fragments,
            row.size_bytes,
            row.md5,
            row.created_at_us / 1_000_000,
            active=row.activated_at_us is not None and row.deactivated_at_us is None,
            info_server=row.info_server,
            fragment_server=row.fragment_server,
        )


def _server(field: str, server: str | None) -> str | None:
    if server is None:
        return None
    match = _SERVER.fullmatch(server)
    if match is None or len(server) > NAME_LIMIT or int((match[2] or ":1")[1:]) not in range(1, 65536):
        raise BadInput(field, '"host[:port]/path" without a scheme', server)
    return server.rstrip("/")


def _refuse_if_needed(conn: Connection, package_id: str) -> None:
    query = select(func.count()).where(assignments.c.package_id == package_id, assignments.c.result.is_(None))
    needed = conn.scalar(query) or 0
    if needed:
        computers = "1 computer" if needed == 1 else f"{needed} computers"
        hint = "unassign it; an agent that was told of it goes on until its final status"
        raise Conflict("PACKAGE", f"{package_id} is assigned to {computers} without a result yet", hint)
