"""Packages: list, show, activate, deactivate, edit, withdraw, delete, recipes. How they are made: `operations.jobs`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from distd.catalogue.schema import NAME_LIMIT
from distd.domain import recipes
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import Via  # noqa: TC001 - the API looks at the fields
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.domain.units import parse_moment
from distd.operations.operation import Named, Operation, Way
from distd.origin.packages import counters, detail, overview, packages, planned_activations, publishing, versions
from distd.origin.packages.detail import PackageDetail
from distd.origin.packages.orders import PackageEdit, changes_of
from distd.origin.packages.overview import ListedPackage, WantedPackages
from distd.origin.packages.planned_activations import Conditions, Planned
from distd.wire.query import PATTERN, cursor_parameter, limit_parameter, parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked
    from distd.origin.packages.counters import Position


@dataclass
class PackageQuery:
    """Which packages, and which page of them."""

    name: str | None = parameter(f"name: {PATTERN}")
    active: bool | None = parameter("only those that are active, or only those that are not")
    deleted: bool = parameter("deleted ones instead of those that are there", default=False)
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class PackagePage(Page[ListedPackage]):
    """Packages, the newest first."""


@dataclass(frozen=True, slots=True)
class PlannedPage(Page[Planned]):
    """Planned activations: all of them."""


@dataclass(frozen=True, slots=True)
class WrongCount:
    """How many computers in this state, with this code (empty: without a result), were not counted; less than 0: so
    many too many were."""

    package_id: str
    state: str
    code: str
    unproven: bool
    missing: int


@dataclass(frozen=True, slots=True)
class Recounted:
    """Where the numbers were wrong; they are right now."""

    wrong: list[WrongCount]


@dataclass(frozen=True, slots=True)
class KnownRecipe:
    """How a target is made: what an installer, a script or a list of packages needs. `file`: what it takes for a
    source; `arguments`: what these are."""

    recipe: str
    meaning: str
    os: str
    file: str
    arguments: str


@dataclass(frozen=True, slots=True)
class RecipePage(Page[KnownRecipe]):
    """Recipes: all of them."""


class Activation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where agents get a package from, and from when on. Nothing: at once, from this server.

    `info_server` and `fragment_server` ("host[:port]/path") name others. `when_ready_percent` waits until so many of
    the mirrors (of `sites`, which are names or locations) have verified it; `not_before` and `latest` are times such
    as "fri 18:00", "2026-12-01 18:00" or "2h".
    """

    info_server: Annotated[str, Meta(extra_json_schema={"maxLength": NAME_LIMIT})] | None = None
    fragment_server: Annotated[str, Meta(extra_json_schema={"maxLength": NAME_LIMIT})] | None = None
    via: Via | None = None
    when_ready_percent: Annotated[int, Meta(ge=1, le=100)] | None = None
    sites: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()
    not_before: Annotated[str, Meta(max_length=100)] | None = None
    latest: Annotated[str, Meta(max_length=100)] | None = None


@dataclass(frozen=True, slots=True)
class Activated:
    """`package` as it is now; `planned`: what its activation waits for, `replaces`: what the one before waited for."""

    package: ListedPackage
    planned: Planned | None = None
    replaces: Planned | None = None


def _list(conn: Connection, _: Asked, query: PackageQuery) -> PackagePage:
    wanted = WantedPackages(query.name, query.active, query.deleted)
    page = overview.list_packages(conn, wanted, read_window(query.limit, query.cursor, overview.PLACE))
    return PackagePage(page.items, page.next, page.total)


def _show(asked: Asked, package_id: str) -> PackageDetail:
    with asked.site.catalogue.read() as conn:
        return detail.show(conn, asked.site.data, package_id)


def _state(conn: Connection, _: Asked, package_id: str) -> ListedPackage:
    return overview.show(conn, package_id)


def _list_planned(conn: Connection, _: Asked) -> PlannedPage:
    found = planned_activations.list_planned(conn)
    return PlannedPage(found, None, len(found))


def _activate(conn: Connection, asked: Asked, package_id: str, given: Activation) -> Activated:
    if given.when_ready_percent is None and given.not_before is None:
        return _activate_now(conn, asked, package_id, given)
    other_server = given.info_server or given.fragment_server
    if other_server:
        raise BadInput("info_server", "no server beside when_ready_percent and not_before", other_server)
    now = datetime.fromtimestamp(asked.now_s)  # noqa: DTZ006 - "fri 18:00" is local
    conditions = Conditions(
        ready_percent=given.when_ready_percent or 0,
        not_before_s=asked.now_s if given.not_before is None else parse_moment(given.not_before, "not_before", now),
        latest_s=None if given.latest is None else parse_moment(given.latest, "latest", now),
        sites=given.sites,
    )
    before = planned_activations.planned_of(conn, package_id)
    planned = planned_activations.plan(conn, asked.actor, package_id, given.via, conditions, asked.now_s)
    return Activated(overview.show(conn, package_id), planned, before)


def _activate_now(conn: Connection, asked: Asked, package_id: str, given: Activation) -> Activated:
    if given.latest is not None or given.sites:
        field = "latest" if given.latest is not None else "sites"
        raise BadInput(field, "when_ready_percent or not_before beside it", "neither")
    planned_activations.cancel(conn, asked.actor, package_id, asked.now_s)
    servers = (given.info_server, given.fragment_server)
    packages.activate(conn, asked.actor, package_id, *servers, asked.now_s, given.via.value if given.via else "")
    return Activated(overview.show(conn, package_id))


def _deactivate(conn: Connection, asked: Asked, package_id: str) -> ListedPackage:
    packages.deactivate(conn, asked.actor, package_id, asked.now_s)
    return overview.show(conn, package_id)


def _edit(asked: Asked, package_id: str, given: PackageEdit) -> PackageDetail:
    store = asked.site.package_store()
    changed = versions.edit(store, asked.actor, package_id, changes_of(given), asked.now_s, asked.seen)
    return replace(_show(asked, package_id), warnings=changed.warnings)


def _withdraw(asked: Asked, package_id: str) -> PackageDetail:
    versions.withdraw(asked.site.package_store(), asked.actor, package_id, asked.now_s)
    return _show(asked, package_id)


def _delete(asked: Asked, package_id: str) -> Named:
    publishing.delete(asked.site.package_store(), asked.actor, package_id, asked.now_s)
    return Named(package_id)


def _recount(asked: Asked) -> Recounted:
    catalogue = asked.site.catalogue
    with catalogue.read() as conn:
        package_ids = counters.packages_counted(conn)
    wrong: dict[Position, int] = {}
    for package_id in package_ids:  # each by itself: meanwhile others write, too
        with catalogue.write() as conn:
            wrong |= counters.recount(conn, [package_id])
    return Recounted([WrongCount(**at._asdict(), missing=count) for at, count in wrong.items()])


def _recipes(_: Connection, __: Asked) -> RecipePage:
    found = [
        KnownRecipe(
            recipe.name,
            recipe.meaning,
            " ".join(recipe.systems),
            " ".join(f"*{suffix}" for suffix in recipe.suffixes) or "none",
            recipe.names_are or "of the installer or script",
        )
        for recipe in recipes.TABLE.values()
    ]
    return RecipePage(found, None, len(found))


def _tag_of(package: PackageDetail) -> Any:
    """What an operator changes of it; not how many computers are where with it."""
    return (package.id, package.version, package.name, package.description, package.state)


_ONE: Final = "/packages/{package_id}"

LIST: Final = Operation(
    "list_packages",
    "GET",
    "/packages",
    "Packages, the newest first, with how many computers are where with each.",
    PackagePage,
    _list,
    Act.PACKAGES_READ,
    query=PackageQuery,
)
SHOW: Final = Operation(
    "show_package",
    "GET",
    _ONE,
    "One package, whole; also a deleted one.",
    PackageDetail,
    _show,
    Act.PACKAGES_READ,
    Way.WORK,
    tag_of=_tag_of,
)
STATE: Final = Operation(
    "show_package_state",
    "GET",
    f"{_ONE}/state",
    "One package as the list has it: how many computers are where with it; also a deleted one.",
    ListedPackage,
    _state,
    Act.PACKAGES_READ,
)
EDIT: Final = Operation(
    "edit_package",
    "PATCH",
    _ONE,
    """Change the name, description, priority, target or notification of a package.

    Its files and its id stay the same. Agents that were notified of it go on with the old values.""",
    PackageDetail,
    _edit,
    Act.PACKAGES_WRITE,
    Way.WORK,
    body=PackageEdit,
    problems=(409, 507),
    guarded_by=SHOW,
)
DELETE: Final = Operation(
    "delete_package",
    "DELETE",
    _ONE,
    "Delete the files of a package. Its name and results are kept.",
    Named,
    _delete,
    Act.PACKAGES_WRITE,
    Way.WORK,
    problems=(409,),
    guarded_by=SHOW,
)
ACTIVATE: Final = Operation(
    "activate_package",
    "POST",
    f"{_ONE}/activate",
    "Notify agents of a package that is assigned to them, from now on or from a later time.",
    Activated,
    _activate,
    Act.PACKAGES_WRITE,
    Way.WRITE,
    body=Activation,
    problems=(409,),
)
DEACTIVATE: Final = Operation(
    "deactivate_package",
    "POST",
    f"{_ONE}/deactivate",
    "Notify no more agents of a package. Those that were go on until they have a result.",
    ListedPackage,
    _deactivate,
    Act.PACKAGES_WRITE,
    Way.WRITE,
    problems=(409,),
)
WITHDRAW: Final = Operation(
    "withdraw_package",
    "POST",
    f"{_ONE}/withdraw",
    """Stop a package that agents are already fetching.

    They get empty fragments from now on, so that they delete the package and report ERR_BAD_DIGEST.""",
    PackageDetail,
    _withdraw,
    Act.PACKAGES_WRITE,
    Way.WORK,
    problems=(409, 507),
)
RECOUNT: Final = Operation(
    "recount_packages",
    "POST",
    "/recounts",
    """Count again how many computers are where with each package, and say where the numbers were wrong.

    They are kept with each change, so they never should be.""",
    Recounted,
    _recount,
    Act.PACKAGES_WRITE,
    Way.WORK,
)
LIST_PLANNED: Final = Operation(
    "list_planned",
    "GET",
    "/activations/planned",
    "Activations that wait for mirrors, or for their time.",
    PlannedPage,
    _list_planned,
    Act.PACKAGES_READ,
)
RECIPES: Final = Operation(
    "list_recipes",
    "GET",
    "/recipes",
    "What a package can be made by instead of an action.",
    RecipePage,
    _recipes,
    Act.PACKAGES_READ,
)
ALL: Final = (LIST, SHOW, STATE, EDIT, DELETE, ACTIVATE, DEACTIVATE, WITHDRAW, RECOUNT, LIST_PLANNED, RECIPES)
