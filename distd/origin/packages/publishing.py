"""Where packages are made: publish, import, delete."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, insert, select, update

from distd.catalogue import event_log
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, assignments, micros, package_ids, packages
from distd.domain import fragment_plan
from distd.domain.errors import BadInput, Conflict, Unavailable
from distd.origin.packages import packages as use_cases
from distd.origin.packages.packages import Package
from distd.origin.packages.recovery import reconcile
from distd.packaging import builder, ocs_import
from distd.packaging.order import check
from distd.storage import package_dirs as directories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cryptography import x509
    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue
    from distd.domain.records import DownloadConfig, OperatingSystem
    from distd.packaging.builder import Built
    from distd.packaging.order import Order
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer
    from distd.storage.quota import Room

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What is needed to make packages. `config` are the latencies that agents are told."""

    catalogue: Catalogue
    data: DataDir
    signer: Signer
    ca: x509.Certificate
    config: DownloadConfig
    room: Room


@dataclass(frozen=True, slots=True)
class Made:
    """How the target of an order was made, where it was by a recipe."""

    recipe: str
    arguments: str


def publish(
    shop: Workshop,
    order: Order,
    name: str,
    now_s: float,
    progress: Progress | None = None,
    made: Made | None = None,
    also: Callable[[Connection, Package], None] | None = None,
) -> Package:
    """Builds `order` and enters it as a package called `name`. It is not active yet.

    The build runs outside any transaction. Its directory gets its final name within the one that enters it, so that
    whoever holds the write lock knows a directory without a row for what a crash left (`reconcile`). `also` is done in
    the same transaction. Raises `BadInput` for an order that cannot be, `Unavailable` when the disk is full.
    """
    check_name(name)
    check_priority(order.priority, shop.config)
    if len(order.target) > TEXT_LIMIT:
        raise BadInput("--path, --launch or --command", f"at most {TEXT_LIMIT} characters", len(order.target))
    check(order)  # `build` checks it too, but an id would have been used up by then
    with _id_for(shop.catalogue, lambda conn: _new_id(conn, now_s)) as package_id:
        built = builder.build(shop.data, package_id, order, shop.signer, progress, shop.room)
        package = Package(
            **_built(built),
            name=name,
            os=order.os.value,
            created_at_s=now_s,
            plan=fragment_plan.text_of(order.plan),
            recipe=made.recipe if made else None,
            arguments=made.arguments if made else None,
            warnings=built.warnings,
        )
        _publish(shop, built, package, also)
    return package


def take_in(
    shop: Workshop,
    folder: Path,
    name: str,
    system: OperatingSystem | None,
    now_s: float,
    progress: Progress | None = None,
    *,
    link: bool,
) -> Package:
    """Enters a package that another server made, under its own id. `system` None: as its archive looks.

    Raises `BadInput`, `Corrupt` for a wrong digest, and `Conflict` for an id that there is or was.
    """
    check_name(name)
    foreign = ocs_import.read(folder)
    with _id_for(shop.catalogue, lambda conn: _given_id(conn, foreign.info.id)):
        built = ocs_import.take(shop.data, foreign, shop.signer, progress, shop.room, link=link)
        package = Package(**_built(built), name=name, os=(system or foreign.os).value, created_at_s=now_s)
        _publish(shop, built, package, None)
    return package


def delete(shop: Workshop, package_id: str, now_s: float) -> None:
    """Removes its files; its name and results stay. Raises `NotFound`, and `Conflict` while computers still need it."""
    with shop.catalogue.write() as conn:
        use_cases.show(conn, package_id)
        _refuse_if_needed(conn, package_id)
        conn.execute(update(packages).where(packages.c.id == package_id).values(deleted_at_us=micros(now_s)))
        event_log.append(conn, event_log.Kind.PACKAGE_DELETED, at_s=now_s, package_id=package_id)
    # After the commit: a crash here leaves a directory of no package, which `reconcile` knows what to do with.
    if package_id in directories.list_ids(shop.data):
        directories.delete(shop.data, package_id)


def check_name(name: str) -> None:
    if not name.strip() or len(name) > NAME_LIMIT or not name.isprintable():
        raise BadInput("--name", f"1 to {NAME_LIMIT} printable characters", name)


def check_priority(priority: int, config: DownloadConfig) -> None:
    if priority > config.period_length:
        hint = "an agent has a turn for it in each cycle that its priority divides, so it would never download"
        raise BadInput("--priority", f"at most download.period_length, {config.period_length}", priority, hint)


@contextmanager
def _id_for(catalogue: Catalogue, choose: Callable[[Connection], str]) -> Iterator[str]:
    """An id that nobody else gets. It is given back when the block fails."""
    with catalogue.write() as conn:
        package_id = choose(conn)
    try:
        yield package_id
    except BaseException:
        with suppress(Unavailable), catalogue.write() as conn:
            conn.execute(sql_delete(package_ids).where(package_ids.c.id == int(package_id)))
        raise


def _new_id(conn: Connection, now_s: float) -> str:
    """The Unix time as OCS has it, or the next number that nobody ever had."""
    newest = conn.scalar(select(func.max(package_ids.c.id))) or 0
    number = max(int(now_s), newest + 1)
    conn.execute(insert(package_ids).values(id=number))
    return str(number)


def _given_id(conn: Connection, package_id: str) -> str:
    if conn.scalar(select(package_ids.c.id).where(package_ids.c.id == int(package_id))) is not None:
        raise Conflict("PACKAGE", f"{package_id} is here already, or was", "see `distd package show`")
    conn.execute(insert(package_ids).values(id=int(package_id)))
    return package_id


def _publish(
    shop: Workshop, built: Built, package: Package, also: Callable[[Connection, Package], None] | None
) -> None:
    try:
        built.sync()
        with shop.catalogue.write() as conn:
            built.publish()
            _enter(conn, package)
            if also is not None:
                also(conn, package)
    except BaseException:
        built.discard()
        with suppress(Unavailable):
            reconcile(shop.catalogue, shop.data)
        raise


def _built(built: Built) -> dict[str, Any]:
    """What the files of a package tell of it."""
    return {
        "id": built.info.id,
        "action": built.info.action.value,
        "priority": built.info.priority,
        "target": built.info.target,
        "fragments": built.info.fragments,
        "size_bytes": built.size,
        "md5": built.manifest.md5.hex(),
    }


_ENTERED = ("id", "name", "os", "action", "priority", "target", "fragments", "size_bytes", "md5")
_HOW_MADE = ("plan", "recipe", "arguments")


def _enter(conn: Connection, package: Package) -> None:
    row: dict[str, Any] = {column: getattr(package, column) for column in (*_ENTERED, *_HOW_MADE)}
    conn.execute(insert(packages).values(created_at_us=micros(package.created_at_s), **row))
    event_log.append(
        conn,
        event_log.Kind.PACKAGE_PUBLISHED,
        at_s=package.created_at_s,
        package_id=package.id,
        name=package.name,
        size_bytes=package.size_bytes,
        fragments=package.fragments,
    )


def _refuse_if_needed(conn: Connection, package_id: str) -> None:
    query = select(func.count()).where(assignments.c.package_id == package_id, assignments.c.result.is_(None))
    needed = conn.scalar(query) or 0
    if needed:
        computers = "1 computer" if needed == 1 else f"{needed} computers"
        hint = "unassign it; an agent that was told of it goes on until its final status"
        raise Conflict("PACKAGE", f"{package_id} is assigned to {computers} without a result yet", hint)
