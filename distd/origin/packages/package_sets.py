"""Sets of packages that are assigned together: make, list, show, edit, delete."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import insert, select, update

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.lists import read_page
from distd.catalogue.recurring_schema import package_set_items, package_sets
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, activations, micros, packages
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.folding import fold
from distd.domain.page import Page
from distd.origin.packages.packages import show as show_package

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.page import Window

MAX_SETS: Final = 1000
MAX_PACKAGES: Final = 100  # of one set
PLACE: Final = (str,)  # of a set in the list: its folded name


@dataclass(frozen=True, slots=True)
class SetContent:
    """What an operator says of a set. `chain`: each package waits for a success of the one before."""

    name: str
    package_ids: tuple[str, ...]
    chain: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class SetChanges:
    """None: as it was."""

    name: str | None = None
    package_ids: tuple[str, ...] | None = None
    chain: bool | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class SetItem:
    """A package of a set. `active`: it can be assigned now."""

    package_id: str
    name: str
    active: bool


@dataclass(frozen=True, slots=True)
class PackageSet:
    """A set, with its packages in their order."""

    name: str
    description: str
    chain: bool
    packages: list[SetItem]
    created_by: str
    created_at_s: float


def create(conn: Connection, actor: Actor, content: SetContent, now_s: float) -> PackageSet:
    """Raises `BadInput`, `NotFound` for a package, `Conflict` for a name that is taken."""
    content = _checked(conn, content, None)
    if len(conn.execute(select(package_sets.c.id).limit(MAX_SETS)).all()) >= MAX_SETS:
        raise Conflict("name", f"there are {MAX_SETS:,} sets already", "delete some")
    values = {**_values(content), "created_by": str(actor), "created_at_us": micros(now_s)}
    set_id = conn.execute(insert(package_sets).values(**values).returning(package_sets.c.id)).scalar_one()
    _put(conn, set_id, content.package_ids)
    detail: dict[str, Any] = {"set": content.name, "packages": list(content.package_ids), "chain": content.chain}
    event_log.append(conn, Kind.SET_CREATED, actor, at_s=now_s, **detail)
    return show(conn, content.name)


def list_sets(conn: Connection, window: Window) -> Page[PackageSet]:
    """By name."""
    page = read_page(conn, select(package_sets), (package_sets.c.name_key,), window, lambda row: row)
    return Page(_sets(conn, page.items), page.next, page.total)


def show(conn: Connection, name: str) -> PackageSet:
    """One set. Raises `NotFound`."""
    (found,) = _sets(conn, [_row(conn, name)])
    return found


def edit(conn: Connection, actor: Actor, name: str, changes: SetChanges, now_s: float) -> PackageSet:
    """Change a set; what was assigned stays as it is. Raises as `create` does, and `NotFound`."""
    row, before = _row(conn, name), content_of(show(conn, name))
    given = {key: value for key, value in _fields(changes).items() if value is not None}
    after = _checked(conn, SetContent(**(_fields(before) | given)), row.id)
    different = [key for key, value in _fields(after).items() if value != getattr(before, key)]
    if different:
        conn.execute(update(package_sets).where(package_sets.c.id == row.id).values(**_values(after)))
        _put(conn, row.id, after.package_ids)
        detail: dict[str, Any] = {
            which: {key: _plain(getattr(content, key)) for key in different}
            for which, content in (("before", before), ("after", after))
        }
        event_log.append(conn, Kind.SET_CHANGED, actor, at_s=now_s, set=after.name, **detail)
    return show(conn, after.name)


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> PackageSet:
    """Forget a set; what was assigned stays as it is. Raises `NotFound`."""
    row, found = _row(conn, name), show(conn, name)
    conn.execute(delete_from(package_set_items).where(package_set_items.c.set_id == row.id))
    conn.execute(delete_from(package_sets).where(package_sets.c.id == row.id))
    event_log.append(conn, Kind.SET_DELETED, actor, at_s=now_s, set=found.name)
    return found


def content_of(found: PackageSet) -> SetContent:
    """What an operator has said of it."""
    ids = tuple(each.package_id for each in found.packages)
    return SetContent(found.name, ids, found.chain, found.description)


def check_packages(package_ids: Sequence[str], field: str) -> None:
    """Whether these can be assigned together. Raises `BadInput`."""
    if not 1 <= len(package_ids) <= MAX_PACKAGES:
        raise BadInput(field, f"1 to {MAX_PACKAGES} packages", len(package_ids))
    twice = next((each for at, each in enumerate(package_ids) if each in package_ids[:at]), None)
    if twice is not None:
        raise BadInput(field, "each package once", f"{twice} twice")


def _checked(conn: Connection, content: SetContent, set_id: int | None) -> SetContent:
    name = content.name.strip()
    if not fold(name) or len(name) > NAME_LIMIT or not name.isprintable() or "/" in name:
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters without /", content.name)
    if len(content.description) > TEXT_LIMIT or "\0" in content.description:
        raise BadInput("description", f"at most {TEXT_LIMIT} characters", f"{len(content.description)} characters")
    same = conn.scalar(select(package_sets.c.id).where(package_sets.c.name_key == fold(name)))
    if same is not None and same != set_id:
        raise Conflict("name", f"there is a set {name} already", "give it another name")
    check_packages(content.package_ids, "packages")
    for package_id in content.package_ids:
        try:
            show_package(conn, package_id)
        except NotFound as error:
            raise NotFound("packages", error.expected, package_id) from None
    return SetContent(name, content.package_ids, content.chain, content.description)


def _values(content: SetContent) -> dict[str, Any]:
    named = {"name": content.name, "name_key": fold(content.name)}
    return {**named, "chain": content.chain, "description": content.description}


def _fields(record: SetContent | SetChanges) -> dict[str, Any]:
    return asdict(record)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _put(conn: Connection, set_id: int, package_ids: Iterable[str]) -> None:
    conn.execute(delete_from(package_set_items).where(package_set_items.c.set_id == set_id))
    rows = [
        {"set_id": set_id, "number": number, "package_id": package_id} for number, package_id in enumerate(package_ids)
    ]
    conn.execute(insert(package_set_items), rows)


def _row(conn: Connection, name: str) -> Row[Any]:
    row = conn.execute(select(package_sets).where(package_sets.c.name_key == fold(name))).one_or_none()
    if row is None:
        raise NotFound("set", "the name of a set of packages", name)
    return row


def _sets(conn: Connection, rows: Sequence[Row[Any]]) -> list[PackageSet]:
    items: defaultdict[int, list[SetItem]] = defaultdict(list)
    is_active = activations.c.activated_at_us.is_not(None) & activations.c.deactivated_at_us.is_(None)
    query = (
        select(package_set_items, packages.c.name, is_active.label("active"))
        .join(packages, packages.c.id == package_set_items.c.package_id)
        .outerjoin(activations, activations.c.package_id == package_set_items.c.package_id)
        .where(package_set_items.c.set_id.in_([row.id for row in rows]))
        .order_by(package_set_items.c.set_id, package_set_items.c.number)
    )
    for each in conn.execute(query):
        items[each.set_id].append(SetItem(each.package_id, each.name, bool(each.active)))
    return [
        PackageSet(row.name, row.description, row.chain, items[row.id], row.created_by, row.created_at_us / 1_000_000)
        for row in rows
    ]
