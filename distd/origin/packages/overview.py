"""Packages as operators see them: what has become of each, and how many computers are where with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, case, cast, func, select

from distd.catalogue.lists import matches, read_page
from distd.catalogue.schema import activations, packages, planned_activations, seconds
from distd.catalogue.schema import counters as counter_table
from distd.domain.errors import BadInput, NotFound
from distd.domain.page import Page
from distd.domain.results import OPEN
from distd.origin.packages.counters import Counters, count_computers
from distd.origin.packages.packages import Package, package_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection, Row

    from distd.domain.page import Window

PLACE: Final = (int, str)  # of a package in the list: the time of its creation, its id
NONE: Final = Counters()


class PackageState(StrEnum):
    """What has become of a package."""

    ACTIVE = "ACTIVE"  # agents are notified of it
    PLANNED = "PLANNED"  # it is to be activated later
    INACTIVE = "INACTIVE"
    SUPERSEDED = "SUPERSEDED"  # by another package, and no longer active
    WITHDRAWN = "WITHDRAWN"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class ListedPackage(Package):
    """A package with its state, and with how many computers are `waiting`, `notified`, … with it; `unproven`: of all
    these, those where only the agent claims to have it."""

    state: str = PackageState.INACTIVE
    deleted_at_s: float | None = None
    waiting: int = 0
    notified: int = 0
    downloading: int = 0
    success: int = 0
    failed: int = 0
    archived: int = 0
    unproven: int = 0

    @property
    def counters(self) -> dict[str, int]:
        """How many computers are in which state, by its name in small letters, in the order of a deployment; how many
        of all these are unproven."""
        names = ("waiting", "notified", "downloading", "success", "failed", "archived", "unproven")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class WantedPackages:
    """Which packages. `name`: see `catalogue.lists.matches`. None: both. `deleted`: only these, else none of them.
    `state`: only those of this state; None: of any. `running`: only those that some computers have without a result."""

    name: str | None = None
    active: bool | None = None
    deleted: bool = False
    state: PackageState | None = None
    running: bool = False


@dataclass(frozen=True, slots=True)
class PackageOrdering:
    """An order of the list: the column, the other way round or not."""

    column: str
    down: bool

    @property
    def place(self) -> tuple[type, type]:
        """The types of a package's place in this order."""
        return (str if self.column in ("id", "name") else int, str)


@dataclass(frozen=True, slots=True)
class PackageTotals:
    """Of the packages that are there: how many, how many of them active, how many bytes in all."""

    packages: int
    active: int
    size_bytes: int


NEWEST_FIRST: Final = PackageOrdering("created", down=True)


def read_ordering(text: str) -> PackageOrdering:
    """An order by its name, "name" or "-name" the other way round; the newest first for an empty text. Raises
    `BadInput`."""
    column = text.removeprefix("-")
    if not text:
        return NEWEST_FIRST
    if column not in _SORTED_BY and column not in _COUNTED:
        raise BadInput("sort", f"one of {', '.join((*_SORTED_BY, *_COUNTED))}, or one of them with a - before it", text)
    return PackageOrdering(column, text != column)


def list_packages(
    conn: Connection, wanted: WantedPackages, window: Window, ordering: PackageOrdering = NEWEST_FIRST
) -> Page[ListedPackage]:
    """Packages in an order. The place in `window` is one of `ordering.place`."""
    query = _SELECT.where(*_conditions(wanted))
    if ordering.column in _COUNTED:
        by: ColumnElement[Any] = cast(func.coalesce(_count_of(ordering.column), 0), BigInteger)
    else:
        by = _SORTED_BY[ordering.column]
    column = by.label("sorted_by")
    order = (column, packages.c.id)
    page = read_page(conn, query.add_columns(column), order, window, lambda row: row, newest_first=ordering.down)
    counters = count_computers(conn, [row.id for row in page.items])
    return Page([_listed(row, counters.get(row.id, NONE)) for row in page.items], page.next, page.total)


def show(conn: Connection, package_id: str) -> ListedPackage:
    """One package, also a deleted one. Raises `NotFound`."""
    row = conn.execute(_SELECT.where(packages.c.id == package_id)).one_or_none()
    if row is None:
        raise NotFound("package", "the id of a package", package_id)
    return _listed(row, count_computers(conn, [package_id]).get(package_id, NONE))


def totals(conn: Connection) -> PackageTotals:
    """Of all packages that are there."""
    is_active = func.sum(case((_STATE.in_([PackageState.ACTIVE.value]), 1), else_=0))
    query = select(func.count(), is_active, func.sum(packages.c.size_bytes)).select_from(_JOINED)
    count, active, size_bytes = conn.execute(query.where(packages.c.deleted_at_us.is_(None))).one()
    return PackageTotals(count, int(active or 0), int(size_bytes or 0))


_IS_ACTIVE: Final = activations.c.activated_at_us.is_not(None) & activations.c.deactivated_at_us.is_(None)
# The first that holds.
_STATE: Final = case(
    (packages.c.deleted_at_us.is_not(None), PackageState.DELETED.value),
    (packages.c.withdrawn_at_us.is_not(None), PackageState.WITHDRAWN.value),
    (_IS_ACTIVE, PackageState.ACTIVE.value),
    (planned_activations.c.planned_at_us.is_not(None), PackageState.PLANNED.value),
    (packages.c.superseded_by.is_not(None), PackageState.SUPERSEDED.value),
    else_=PackageState.INACTIVE.value,
)
_JOINED: Final = packages.outerjoin(activations, activations.c.package_id == packages.c.id).outerjoin(
    planned_activations, planned_activations.c.package_id == packages.c.id
)
_SELECT: Final = select(packages, activations, _STATE.label("state_now")).select_from(_JOINED)
_SORTED_BY: Final[Mapping[str, ColumnElement[Any]]] = {
    "id": packages.c.id,
    "created": packages.c.created_at_us,
    "name": func.lower(packages.c.name),
    "priority": packages.c.priority,
    "fragments": packages.c.fragments,
    "size": packages.c.size_bytes,
}
_COUNTED: Final = ("waiting", "success", "failed", "archived")


def _count_of(state: str) -> ColumnElement[Any]:
    """On how many computers a package is in this state."""
    mine = (counter_table.c.package_id == packages.c.id) & (counter_table.c.state == state.upper())
    return select(func.sum(counter_table.c.computers)).where(mine).correlate(packages).scalar_subquery()


def _conditions(wanted: WantedPackages) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        packages.c.deleted_at_us.is_not(None) if wanted.deleted else packages.c.deleted_at_us.is_(None)
    ]
    if wanted.name is not None:
        found.append(matches(packages.c.name, wanted.name))
    if wanted.active is not None:
        found.append(_IS_ACTIVE if wanted.active else ~_IS_ACTIVE)
    if wanted.state is not None:
        found.append(_STATE.in_([wanted.state.value]))
    if wanted.running:
        is_open = counter_table.c.state.in_(OPEN) & (counter_table.c.computers > 0)
        found.append(packages.c.id.in_(select(counter_table.c.package_id).where(is_open)))
    return found


def _listed(row: Row[Any], counters: Counters) -> ListedPackage:
    package = package_of(row)
    given = {name: getattr(package, name) for name in Package.__dataclass_fields__}
    return ListedPackage(
        **given, state=PackageState(row.state_now), deleted_at_s=seconds(row.deleted_at_us), **asdict(counters)
    )
