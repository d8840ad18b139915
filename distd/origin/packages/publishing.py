"""Packages enter the catalogue: published, imported; and are deleted from it.

What a package is made of, and how, is `packaging`'s: it is checked before an id is used, and built under that id.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, insert, select, update

from distd.catalogue import event_log, schema
from distd.catalogue.groups_schema import group_packages
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, assignments, micros, package_ids
from distd.domain import fragment_plan
from distd.domain.errors import BadInput, Conflict, Unavailable
from distd.domain.records import Action
from distd.origin.packages import packages, references
from distd.origin.packages.packages import Package
from distd.origin.packages.recovery import reconcile
from distd.packaging import builder, ocs_import
from distd.storage import package_dirs, pki

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue
    from distd.domain.actor import Actor
    from distd.domain.package_spec import PackageSpec
    from distd.domain.records import Info, OperatingSystem
    from distd.domain.settings import DownloadConfig
    from distd.packaging.builder import CheckedPackage
    from distd.packaging.progress import Progress
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer
    from distd.storage.quota import DiskLimits
    from distd.storage.staged_package import StagedPackage
    from distd.wire.trust import Authority

    InSameTransaction = Callable[[Connection, Package], None]


@dataclass(frozen=True, slots=True)
class PackageStore:
    """What is needed to make packages. `config` has the latencies that agents get."""

    catalogue: Catalogue
    data: DataDir
    signer: Signer
    ca: Authority
    config: DownloadConfig
    disk_limits: DiskLimits


@dataclass(frozen=True, slots=True)
class RecipeUse:
    """The recipe that gave a specification its target, and its arguments."""

    recipe: str
    arguments: str


@dataclass(frozen=True, slots=True)
class NewPackage:
    """What is to be published. `source` None: a command without a file. `recipe` None: the target is no recipe's.
    `file_mode`: of a source that is a file without a mode of its own. `digest`: that of the source's content."""

    name: str
    source: Path | None
    spec: PackageSpec
    recipe: RecipeUse | None = None
    description: str = ""
    file_mode: int | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ForeignPackage:
    """A package in a `folder` that another server made. `system` None: by its archive. `link`: no copies."""

    folder: Path
    name: str
    system: OperatingSystem | None = None
    link: bool = False


def publish(
    store: PackageStore,
    actor: Actor,
    new: NewPackage,
    now_s: float,
    progress: Progress | None = None,
    also: InSameTransaction | None = None,
    finish: InSameTransaction | None = None,
) -> Package:
    """Build a package and enter it. It is not active yet.

    The build runs outside any transaction. Its directory gets its final name within the one that enters it, so that
    whoever holds the write lock knows a directory without a row for what a crash left (`reconcile`). `also`, of a
    package that takes the place of another, and `finish` are done in the same transaction.

    Raises `BadInput` for a package that cannot be, `Conflict` for a source with another digest than it must have,
    `Unavailable` when the disk is full.
    """
    spec, recipe = new.spec, new.recipe
    checked = check(new, store.config)
    with (
        _id_for(store.catalogue, lambda conn: _new_id(conn, now_s)) as package_id,
        builder.build(store.data, package_id, checked, store.signer, progress, store.disk_limits) as staged,
    ):
        package = Package(
            **_described(staged, spec),
            name=new.name,
            os=spec.os.value,
            created_at_s=now_s,
            plan=fragment_plan.text_of(spec.plan),
            recipe=recipe.recipe if recipe else None,
            arguments=recipe.arguments if recipe else None,
            description=new.description,
            warnings=checked.warnings if also else (*checked.warnings, *_same_name(store, new.name)),
        )
        _publish(store, actor, staged, package, [act for act in (also, finish) if act is not None])
    return package


def check(new: NewPackage, config: DownloadConfig) -> CheckedPackage:
    """All that can be known of a package before anything is written: it reads the source. Raises `BadInput`."""
    check_name(new.name)
    check_description(new.description)
    check_priority(new.spec.priority, config)
    if len(new.spec.target) > TEXT_LIMIT:
        raise BadInput("target", f"at most {TEXT_LIMIT} characters", len(new.spec.target))
    return builder.check(new.source, new.spec, new.file_mode, new.digest)


def _same_name(store: PackageStore, name: str) -> list[str]:
    """A warning when people could take an older package for the new one."""
    columns = schema.packages.c
    query = select(columns.id).where(
        columns.name == name, columns.superseded_by.is_(None), columns.deleted_at_us.is_(None)
    )
    with store.catalogue.read() as conn:
        same = conn.scalar(query.limit(1))
    return [f"package {same} has the same name"] if same else []


def import_package(
    store: PackageStore,
    actor: Actor,
    foreign: ForeignPackage,
    now_s: float,
    progress: Progress | None = None,
) -> Package:
    """Import a package that another server made, under its own id.

    Raises `BadInput`, `Corrupt` for a wrong digest, and `Conflict` for an id that there is or was.
    """
    check_name(foreign.name)
    found = ocs_import.read(foreign.folder)
    with (
        _id_for(store.catalogue, lambda conn: _given_id(conn, found.info.id)),
        ocs_import.prepare(store.data, found, store.signer, progress, store.disk_limits, link=foreign.link) as staged,
    ):
        described = _described(staged, found.info)
        package = Package(**described, name=foreign.name, os=(foreign.system or found.os).value, created_at_s=now_s)
        _publish(store, actor, staged, package, ())
    return package


def delete(store: PackageStore, actor: Actor, package_id: str, now_s: float) -> None:
    """Remove a package's files; its name and results stay.

    Raises `NotFound`, and `Conflict` while computers still need it.
    """
    with store.catalogue.write() as conn:
        packages.show(conn, package_id)
        _refuse_if_needed(conn, package_id)
        deleted = {"deleted_at_us": micros(now_s)}
        conn.execute(sql_delete(group_packages).where(group_packages.c.package_id == package_id))
        references.forget_package(conn, package_id)
        conn.execute(update(schema.packages).where(schema.packages.c.id == package_id).values(**deleted))
        event_log.append(conn, event_log.Kind.PACKAGE_DELETED, actor, at_s=now_s, package_id=package_id)
    # After the commit: a crash here leaves a directory of no package, which `reconcile` removes.
    if package_id in package_dirs.list_ids(store.data):
        package_dirs.delete(store.data, package_id)


def fetched_mode(action: Action) -> int:
    """The mode in a package of a file that has only the server's own: what is run must be executable, and all may read
    what is stored."""
    return 0o755 if action is Action.LAUNCH else 0o644


def check_name(name: str) -> None:
    """Whether a package can be called so. Raises `BadInput`."""
    if not name.strip() or len(name) > NAME_LIMIT or not name.isprintable():
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters", name)


def check_description(description: str) -> None:
    """Whether a package can be described so. Raises `BadInput`."""
    if len(description) > TEXT_LIMIT or "\0" in description:
        raise BadInput("description", f"at most {TEXT_LIMIT} characters", f"{len(description)} characters")


def check_priority(priority: int, config: DownloadConfig) -> None:
    """Whether agents would download a package of this priority. Raises `BadInput`."""
    if priority > config.period_length:
        hint = "an agent has a turn for it in each cycle that its priority divides, so it would never download"
        raise BadInput("priority", f"at most download.period_length, {config.period_length}", priority, hint)


def check_signer(store: PackageStore) -> None:
    """Raises `Conflict` when the signing key was rotated since a package was begun: nobody would sign it anew.

    To be called in the transaction that enters what was signed.
    """
    if pki.load_signer(store.data.keys).certificate_der != store.signer.certificate_der:
        raise Conflict("package", "the signing key was rotated while the package was made", "give the command again")


@contextmanager
def _id_for(catalogue: Catalogue, give_id: Callable[[Connection], str]) -> Iterator[str]:
    """An id that nobody else gets. It is given back when the block fails."""
    with catalogue.write() as conn:
        package_id = give_id(conn)
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
        raise Conflict("package", f"{package_id} is here already, or was")
    conn.execute(insert(package_ids).values(id=int(package_id)))
    return package_id


def _publish(
    store: PackageStore, actor: Actor, staged: StagedPackage, package: Package, also: Sequence[InSameTransaction]
) -> None:
    """The directory and its row together. When the row is not committed, the directory is removed again."""
    try:
        staged.sync()
        with store.catalogue.write() as conn:
            check_signer(store)
            staged.publish()
            _insert_row(conn, actor, package)
            for act in also:
                act(conn, package)
    except BaseException:
        staged.discard()
        with suppress(Unavailable):
            reconcile(store.catalogue, store.data)
        raise


def _described(staged: StagedPackage, content: PackageSpec | Info) -> dict[str, Any]:
    """What the catalogue takes from a package's files and from its info or specification."""
    return {
        "id": staged.package_id,
        "action": content.action.value,
        "priority": content.priority,
        "target": content.target,
        "fragments": staged.fragments,
        "size_bytes": staged.size_bytes,
        "md5": staged.manifest.md5.hex(),
    }


_CATALOGUE_COLUMNS = ("id", "name", "os", "action", "priority", "target", "fragments", "size_bytes", "md5")
_HOW_MADE = ("plan", "recipe", "arguments", "description")


def _insert_row(conn: Connection, actor: Actor, package: Package) -> None:
    row: dict[str, Any] = {column: getattr(package, column) for column in (*_CATALOGUE_COLUMNS, *_HOW_MADE)}
    conn.execute(insert(schema.packages).values(created_at_us=micros(package.created_at_s), **row))
    event_log.append(
        conn,
        event_log.Kind.PACKAGE_PUBLISHED,
        actor,
        at_s=package.created_at_s,
        package_id=package.id,
        name=package.name,
        size_bytes=package.size_bytes,
        fragments=package.fragments,
    )


def _refuse_if_needed(conn: Connection, package_id: str) -> None:
    going_on = references.find_rollouts(conn, package_id)
    if going_on:
        raise Conflict("package", f"{package_id} is needed by the roll-out {going_on[0]}", "stop the roll-out first")
    query = select(func.count()).where(assignments.c.package_id == package_id, assignments.c.result.is_(None))
    needed = conn.scalar(query) or 0
    if needed:
        computers = "1 computer" if needed == 1 else f"{needed} computers"
        hint = "unassign it; an agent that was told of it goes on until its final status"
        raise Conflict("package", f"{package_id} is assigned to {computers} without a result yet", hint)
