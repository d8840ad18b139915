"""Packages as operators see them: what has become of each, and how many computers are where with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from distd.catalogue.lists import matches, read_page
from distd.catalogue.schema import activations, packages, planned_activations, seconds
from distd.domain.errors import NotFound
from distd.domain.page import Page
from distd.origin.packages.counters import Counters, count_computers
from distd.origin.packages.packages import Package, package_of

if TYPE_CHECKING:
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
    """Which packages. `name`: see `catalogue.lists.matches`. None: both. `deleted`: only these, else none of them."""

    name: str | None = None
    active: bool | None = None
    deleted: bool = False


def list_packages(conn: Connection, wanted: WantedPackages, window: Window) -> Page[ListedPackage]:
    """The newest first."""
    query = _SELECT.where(*_conditions(wanted))
    order = (packages.c.created_at_us, packages.c.id)
    page = read_page(conn, query, order, window, lambda row: row, newest_first=True)
    counters = count_computers(conn, [row.id for row in page.items])
    return Page([_listed(row, counters.get(row.id, NONE)) for row in page.items], page.next, page.total)


def show(conn: Connection, package_id: str) -> ListedPackage:
    """One package, also a deleted one. Raises `NotFound`."""
    row = conn.execute(_SELECT.where(packages.c.id == package_id)).one_or_none()
    if row is None:
        raise NotFound("package", "the id of a package", package_id)
    return _listed(row, count_computers(conn, [package_id]).get(package_id, NONE))


_SELECT: Final = (
    select(packages, activations, planned_activations.c.planned_at_us)
    .outerjoin(activations, activations.c.package_id == packages.c.id)
    .outerjoin(planned_activations, planned_activations.c.package_id == packages.c.id)
)


def _conditions(wanted: WantedPackages) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        packages.c.deleted_at_us.is_not(None) if wanted.deleted else packages.c.deleted_at_us.is_(None)
    ]
    if wanted.name is not None:
        found.append(matches(packages.c.name, wanted.name))
    if wanted.active is not None:
        is_active = activations.c.activated_at_us.is_not(None) & activations.c.deactivated_at_us.is_(None)
        found.append(is_active if wanted.active else ~is_active)
    return found


def _listed(row: Row[Any], counters: Counters) -> ListedPackage:
    package = package_of(row)
    given = {name: getattr(package, name) for name in Package.__dataclass_fields__}
    return ListedPackage(
        **given, state=_state(row, package), deleted_at_s=seconds(row.deleted_at_us), **asdict(counters)
    )


def _state(row: Row[Any], package: Package) -> PackageState:
    if row.deleted_at_us is not None:
        return PackageState.DELETED
    if package.withdrawn_at_s is not None:
        return PackageState.WITHDRAWN
    if package.active:
        return PackageState.ACTIVE
    if row.planned_at_us is not None:
        return PackageState.PLANNED
    return PackageState.SUPERSEDED if package.superseded_by else PackageState.INACTIVE
