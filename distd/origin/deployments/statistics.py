"""The deployment of a package in numbers: by state, code, time, and by what its computers have in common."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from distd.catalogue.groups_schema import group_members, groups
from distd.catalogue.schema import assignments, computers, packages, progress
from distd.domain.errors import NotFound
from distd.domain.results import Outcome, class_of, classify
from distd.origin.packages.counters import Counters, count_codes, count_computers, is_latest, progress_of_assignment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Connection

MAX_POINTS: Final = 200  # of the curve
MAX_SHARES: Final = 100  # of one kind; the others are together
OTHERS: Final = "*"
KINDS: Final = ("tag", "group", "subnet", "mirror", "os", "agent")
OF_COMPUTERS: Final = tuple(kind for kind in KINDS if kind != "group")  # of these a computer has one each
COUNTS: Final = ("waiting", "notified", "downloading", "success", "failed", "archived")


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How many computers had the package assigned, were notified, had it deployed or had failed by the time `at_s`."""

    at_s: float
    assigned: int
    notified: int
    success: int
    failed: int


@dataclass(frozen=True, slots=True)
class ShareOfComputers:
    """The computers that have `name` in common ("": it is not known, "*": the smaller shares together), by state."""

    name: str
    total: int
    waiting: int = 0
    notified: int = 0
    downloading: int = 0
    success: int = 0
    failed: int = 0
    archived: int = 0


@dataclass(frozen=True, slots=True)
class PackageStatistics:
    """Numbers of computers by the state of the package there, by result code, and by what a code says
    (`domain.results.CodeClass`); archived results too. `curve`: at most 200 points, the last as things are now.
    `by_mirror`: the redistribution server that sent the last fragment; "": this server, or none yet. `by_group`: a
    computer may be in several groups; those in none are not in it."""

    package_id: str
    name: str
    total: int
    waiting: int
    notified: int
    downloading: int
    success: int
    failed: int
    archived: int
    unproven: int
    by_code: dict[str, int]
    by_class: dict[str, int]
    curve: list[CurvePoint]
    by_tag: list[ShareOfComputers]
    by_group: list[ShareOfComputers]
    by_subnet: list[ShareOfComputers]
    by_mirror: list[ShareOfComputers]
    by_os: list[ShareOfComputers]
    by_agent: list[ShareOfComputers]


def show_statistics(conn: Connection, package_id: str) -> PackageStatistics:
    """Of the latest assignments, also of a deleted package. Raises `NotFound`."""
    name = conn.scalar(select(packages.c.name).where(packages.c.id == package_id))
    if name is None:
        raise NotFound("package", "the id of a package", package_id)
    counters = count_computers(conn, [package_id]).get(package_id, Counters())
    by_code = count_codes(conn, package_id)
    by_class: Counter[str] = Counter()
    for code, count in by_code.items():
        by_class[class_of(code)] += count
    counts, shares = asdict(counters), _shares(conn, package_id)
    return PackageStatistics(
        package_id,
        name,
        sum(counts[each] for each in COUNTS),
        **counts,
        by_code=by_code,
        by_class=dict(by_class.most_common()),
        curve=_curve(conn, package_id),
        by_tag=shares["tag"],
        by_group=_largest(_groups(conn, package_id)),
        by_subnet=shares["subnet"],
        by_mirror=shares["mirror"],
        by_os=shares["os"],
        by_agent=shares["agent"],
    )


def rows_of(found: PackageStatistics) -> Iterator[dict[str, object]]:
    """All numbers as the rows of one table, for spreadsheets."""
    yield _row("all", found.name, {"total": found.total} | {name: getattr(found, name) for name in COUNTS})
    for kind in ("code", "class"):
        for name, count in getattr(found, f"by_{kind}").items():
            yield _row(kind, name, {"total": count})
    for kind in KINDS:
        for share in getattr(found, f"by_{kind}"):
            yield _row(kind, share.name, asdict(share))
    for point in found.curve:
        values = {"at_s": point.at_s, "total": point.assigned, "notified": point.notified}
        yield _row("curve", "", values | {"success": point.success, "failed": point.failed})


def _row(kind: str, name: str, values: dict[str, Any]) -> dict[str, object]:
    return {"kind": kind, "name": name} | {each: values.get(each, "") for each in ("at_s", "total", *COUNTS)}


def _curve(conn: Connection, package_id: str) -> list[CurvePoint]:
    mine = (assignments.c.package_id == package_id, is_latest())
    times = [assignments.c[name] for name in ("assigned_at_us", "notified_at_us", "result_at_us")]
    first, *last = conn.execute(select(func.min(times[0]), *map(func.max, times)).where(*mine)).one()
    if first is None:
        return []
    end = max(time for time in last if time is not None)
    step = (end - first) // (MAX_POINTS - 1) + 1
    places: list[ColumnElement[Any]] = [
        ((time - first) // step).label(f"at_{number}") for number, time in enumerate(times)
    ]
    query = select(*places, assignments.c.result, func.count().label("computers")).where(*mine)
    counted: dict[str, Counter[int]] = defaultdict(Counter)
    for row in conn.execute(query.group_by(*(place.name for place in places), assignments.c.result)):
        counted["assigned"][row.at_0] += row.computers
        if row.at_1 is not None:
            counted["notified"][row.at_1] += row.computers
        if row.at_2 is not None:
            counted[classify(row.result).lower()][row.at_2] += row.computers
    points, so_far = [], Counter[str]()
    for place in range((end - first) // step + 1):
        for name, at in counted.items():
            so_far[name] += at[place]
        at_us = min(first + (place + 1) * step, end)
        reached = (so_far[name] for name in ("assigned", "notified", "success", "failed"))
        points.append(CurvePoint(at_us / 1_000_000, *reached))
    return points


def _shares(conn: Connection, package_id: str) -> dict[str, list[ShareOfComputers]]:
    columns = [computers.c[name] for name in ("tag", "subnets", "os_name", "user_agent")]
    columns += [progress.c.mirror, assignments.c.state]
    query = (
        select(*columns, func.count().label("computers"))
        .select_from(assignments)
        .join(computers, computers.c.id == assignments.c.computer_id)
        .outerjoin(progress, progress_of_assignment())
        .where(assignments.c.package_id == package_id, is_latest())
        .group_by(*columns)
    )
    counted: dict[str, dict[str, Counter[str]]] = {kind: defaultdict(Counter) for kind in OF_COMPUTERS}
    for row in conn.execute(query):
        names = (row.tag, (row.subnets or "").partition(" ")[0], row.mirror, row.os_name, row.user_agent)
        for found, name in zip(counted.values(), names, strict=True):
            found[name or ""][row.state] += row.computers
    return {kind: _largest(found) for kind, found in counted.items()}


def _groups(conn: Connection, package_id: str) -> dict[str, Counter[str]]:
    query = (
        select(groups.c.name, assignments.c.state, func.count().label("computers"))
        .select_from(assignments)
        .join(group_members, group_members.c.computer_id == assignments.c.computer_id)
        .join(groups, groups.c.id == group_members.c.group_id)
        .where(assignments.c.package_id == package_id, is_latest())
        .group_by(groups.c.name, assignments.c.state)
    )
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in conn.execute(query):
        found[row.name][row.state] += row.computers
    return found


def _largest(found: dict[str, Counter[str]]) -> list[ShareOfComputers]:
    ordered = sorted(found.items(), key=lambda item: (-item[1].total(), item[0]))
    if len(ordered) > MAX_SHARES:
        others = sum((states for _, states in ordered[MAX_SHARES - 1 :]), Counter[str]())
        ordered = [*ordered[: MAX_SHARES - 1], (OTHERS, others)]
    return [
        ShareOfComputers(name, states.total(), **{str(state).lower(): states[state] for state in Outcome})
        for name, states in ordered
    ]
