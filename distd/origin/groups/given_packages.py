"""Packages that groups give their members: each member has an assignment of its own, whose origin is the group, so that
counters are exact; who comes gets one, who leaves loses what its agent was not told of yet."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import delete, or_, select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.event_log import Kind, Note
from distd.catalogue.groups_schema import group_members, group_packages, groups
from distd.catalogue.schema import NAME_LIMIT, activations, assignments, computers, micros, packages, seconds
from distd.domain.actor import SYSTEM
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind, Terms
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.filters.patterns import read_pattern
from distd.domain.filters.tree import PackageInState, leaves
from distd.domain.folding import fold
from distd.origin.deployments.acts import unassign
from distd.origin.deployments.assignments import AssignmentRequest, assign, take_back
from distd.origin.deployments.named_computers import find_computers
from distd.origin.groups.directory import stored_filter
from distd.origin.operators.restrictions import is_restricted
from distd.origin.packages.packages import show

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row, Select

    from distd.domain.actor import Actor
    from distd.origin.deployments.acts import ActDone, ChosenAssignments

MAX_GIVEN: Final = 1000  # packages of one group
MAX_LATE: Final = 1000  # computers that get a package in one transaction, long after they came


@dataclass(frozen=True, slots=True)
class GivenPackage:
    """A package that a group gives its members. `active`: it is now; else members get it when it is again."""

    package_id: str
    name: str
    active: bool
    assigned_by: str
    assigned_at_s: float


class LateGift(NamedTuple):
    """A package that a group gives, which was activated after members came. `key`: its row."""

    key: int
    group_id: int
    activated_at_us: int


def list_given(conn: Connection, group_id: int) -> list[GivenPackage]:
    """What a group gives, in the order in which it was assigned."""
    query = (
        select(group_packages, packages.c.name, _is_active().label("active"))
        .join(packages, packages.c.id == group_packages.c.package_id)
        .outerjoin(activations, activations.c.package_id == group_packages.c.package_id)
        .where(group_packages.c.group_id == group_id)
    )
    return [
        GivenPackage(row.package_id, row.name, row.active, row.assigned_by, row.assigned_at_us / 1_000_000)
        for row in conn.execute(query.order_by(group_packages.c.id))
    ]


def keep(conn: Connection, actor: Actor, group_name: str, package_id: str, terms: Terms, now_s: float) -> None:
    """From now on the group gives the package to those who come. Raises `NotFound`, `Conflict`."""
    if is_restricted(conn, actor):
        hint = f'with to.filter = group("{group_name}") those that you see get it, now and not later'
        raise Conflict("to.group", "a group gives a package also to computers that you do not see", hint)
    row = conn.execute(select(groups).where(groups.c.name_key == fold(group_name))).one_or_none()
    if row is None:
        raise NotFound("to.group", "the name of a group", group_name)
    show(conn, package_id)
    if row.filter_text is not None and _asks_for(conn, row.filter_text, package_id):
        hint = "assign it by that filter: then computers stay assigned"
        raise Conflict("to.group", f"{row.name} asks for {package_id}, so who gets it may leave at once", hint)
    known = select(group_packages.c.package_id).where(group_packages.c.group_id == row.id)
    others = set(conn.scalars(known)) - {package_id}
    if len(others) >= MAX_GIVEN:
        raise Conflict("to.group", f"{row.name} gives {MAX_GIVEN:,} packages already", "unassign some")
    conn.execute(delete(group_packages).where(*_of(row.id, package_id)))
    values = {
        "group_id": row.id,
        "package_id": package_id,
        "force": terms.force,
        "any_os": terms.any_os,
        "schedule": terms.schedule,
        "postcmd": terms.postcmd,
        "not_before_us": None if terms.not_before_s is None else micros(terms.not_before_s),
        "not_after_us": None if terms.not_after_s is None else micros(terms.not_after_s),
        "after_package_id": terms.after,
        "assigned_by": str(actor),
        "assigned_at_us": micros(now_s),
        "given_at_us": micros(now_s),
    }
    conn.execute(group_packages.insert().values(**values))
    event_log.append(conn, Kind.GROUP_GIVES, actor, at_s=now_s, package_id=package_id, group=row.name)


def take_from_group(
    conn: Connection,
    actor: Actor,
    package_id: str,
    group_name: str,
    chosen: ChosenAssignments,
    now_s: float,
    *,
    dry_run: bool,
) -> ActDone:
    """The group no longer gives the package; what it gave and has no result yet is taken back as far as possible, and
    nothing else. Members of another group that gives it have it from that. Raises `NotFound`, `BadInput`."""
    row = conn.execute(select(groups.c.id, groups.c.name).where(groups.c.name_key == fold(group_name))).one_or_none()
    if row is None:
        raise NotFound("group", "the name of a group", group_name)
    done = unassign(conn, actor, package_id, chosen, now_s, dry_run=dry_run)
    if dry_run or is_restricted(conn, actor):
        return done
    if conn.execute(delete(group_packages).where(*_of(row.id, package_id))).rowcount:
        detail = {"group": row.name, "computers": len(done.computers)}
        event_log.append(conn, Kind.GROUP_GIVES_NO_MORE, actor, at_s=now_s, package_id=package_id, **detail)
    removed = sorted(set(done.computers) - set(done.withdrawn))
    ids = [each.id for each in find_computers(conn, removed, SYSTEM).values()]
    _give_from_others(conn, {package_id}, ids, now_s)
    return done


def give(conn: Connection, joined: Mapping[int, Collection[int]], now_s: float) -> None:
    """Computers have come: by the group's id those of computers."""
    for row in _given(conn, group_packages.c.group_id.in_(list(joined))) if joined else ():
        _give(conn, row, joined[row.group_id], now_s)


def take(conn: Connection, left: Mapping[int, Collection[int]], now_s: float) -> None:
    """Computers have left: what a group gave them, and their agents were not told of, is taken back; another group may
    give it."""
    if not left:
        return
    giving = select(group_packages.c.group_id).where(group_packages.c.group_id.in_(list(left)))
    names = select(groups.c.id, groups.c.name).where(groups.c.id.in_(giving))
    for group_id, name in conn.execute(names).all():
        _take(conn, name, sorted(left[group_id]), now_s)


def take_all(conn: Connection, group_id: int, name: str, now_s: float) -> None:
    """The group is about to be deleted: it gives nothing more, and what agents were not told of is taken back."""
    members = select(group_members.c.computer_id).where(group_members.c.group_id == group_id)
    conn.execute(delete(group_packages).where(group_packages.c.group_id == group_id))
    _take(conn, name, list(conn.scalars(members)), now_s)


def _take(conn: Connection, name: str, computer_ids: Sequence[int], now_s: float) -> None:
    rows = _untold(conn, name, computer_ids)
    take_back(conn, rows, now_s)
    detail = {"listed": False, "left": name}
    notes = [Note(Kind.UNASSIGNED, SYSTEM, now_s, row.package_id, row.computer_id, detail) for row in rows]
    event_log.append_many(conn, notes)
    _give_from_others(conn, {row.package_id for row in rows}, computer_ids, now_s)


def rename(conn: Connection, before: str, after: str) -> None:
    """The origin of assignments is told by the group's name."""
    of_group = (assignments.c.origin_kind == OriginKind.GROUP, assignments.c.origin_name == before[:NAME_LIMIT])
    conn.execute(update(assignments).where(*of_group).values(origin_name=after[:NAME_LIMIT]))


def find_late(conn: Connection) -> list[LateGift]:
    """Packages for which members may have come too early: they were not active then."""
    waits = group_packages.c.given_at_us < activations.c.activated_at_us
    return [LateGift(row.id, row.group_id, row.activated_at_us) for row in _given(conn, waits)]


def members_for(conn: Connection, late: LateGift) -> list[int]:
    """Ids of the computers to which `give_late` gives it."""
    of_group = group_members.c.group_id == late.group_id
    return list(conn.scalars(select(group_members.c.computer_id).where(of_group)))


def give_late(conn: Connection, late: LateGift, computer_ids: Collection[int], now_s: float) -> None:
    """Some members get it, at most `MAX_LATE`; not those who have left since, or have it."""
    for row in _given(conn, group_packages.c.id == late.key):
        _give(conn, row, _members_among(conn, row.group_id, computer_ids), now_s)


def end_late(conn: Connection, late: LateGift) -> None:
    """All members have it; they wait again when the package is activated once more."""
    waited = group_packages.c.id == late.key, group_packages.c.given_at_us < late.activated_at_us
    conn.execute(update(group_packages).where(*waited).values(given_at_us=late.activated_at_us))


def follow_package(conn: Connection, old_id: str, new_id: str, now_s: float) -> None:
    """A package is superseded: groups give its successor to those who come."""
    having = select(group_packages.c.group_id).where(group_packages.c.package_id == new_id)
    old = group_packages.c.package_id == old_id
    conn.execute(delete(group_packages).where(old, group_packages.c.group_id.in_(having)))
    values = {"package_id": new_id, "assigned_at_us": micros(now_s), "given_at_us": micros(now_s)}
    conn.execute(update(group_packages).where(old).values(**values))


def _of(group_id: int, package_id: str) -> tuple[Any, ...]:
    return group_packages.c.group_id == group_id, group_packages.c.package_id == package_id


def _is_active() -> Any:
    return activations.c.activated_at_us.is_not(None) & activations.c.deactivated_at_us.is_(None)


def _given(conn: Connection, where: Any) -> Iterable[Row[Any]]:
    """Active packages that groups give."""
    query: Select[Any] = (
        select(group_packages, groups.c.name, activations.c.activated_at_us)
        .join(groups, groups.c.id == group_packages.c.group_id)
        .join(activations, activations.c.package_id == group_packages.c.package_id)
        .where(where, _is_active())
        .order_by(group_packages.c.id)
    )
    return conn.execute(query).all()


def _give(conn: Connection, row: Row[Any], computer_ids: Collection[int], now_s: float) -> None:
    """To those that have had it neither since it was assigned to the group nor have it open."""
    if row.not_after_us is not None and row.not_after_us <= micros(now_s):
        return
    terms = Terms(
        row.force,
        row.schedule,
        row.postcmd,
        row.any_os,
        seconds(row.not_before_us),
        seconds(row.not_after_us),
        row.after_package_id,
    )
    names = _to_be_given(conn, row, computer_ids)
    if not names:
        return
    origin = AssignmentOrigin(OriginKind.GROUP, row.name)
    request = AssignmentRequest(row.package_id, names, terms, origin, skip_had=True, skip_others=True)
    try:
        assign(conn, SYSTEM, request, now_s)
    except (BadInput, Conflict) as error:
        detail = {"group": row.name, "computers": len(names), "why": str(error)}
        event_log.append(conn, Kind.GROUP_CANNOT_GIVE, SYSTEM, at_s=now_s, package_id=row.package_id, **detail)


def _to_be_given(conn: Connection, row: Row[Any], computer_ids: Collection[int]) -> list[str]:
    found: dict[int, str] = {}
    for ids in dialect.chunks(sorted(computer_ids)):
        names = select(computers.c.id, computers.c.device_id).where(computers.c.id.in_(ids))
        mine = (assignments.c.package_id == row.package_id, assignments.c.computer_id.in_(ids))
        had = or_(assignments.c.result.is_(None), assignments.c.assigned_at_us >= row.assigned_at_us)
        having = set(conn.scalars(select(assignments.c.computer_id).where(*mine, had)))
        found |= {each.id: each.device_id for each in conn.execute(names) if each.id not in having}
    return list(found.values())


def _give_from_others(
    conn: Connection, package_ids: Collection[str], computer_ids: Collection[int], now_s: float
) -> None:
    """Members of groups that give these packages have them from there."""
    for row in _given(conn, group_packages.c.package_id.in_(list(package_ids))) if package_ids else ():
        mine = _members_among(conn, row.group_id, computer_ids)
        if mine:
            _give(conn, row, mine, now_s)


def _members_among(conn: Connection, group_id: int, computer_ids: Collection[int]) -> set[int]:
    found = set[int]()
    for ids in dialect.chunks(sorted(computer_ids)):
        members = (group_members.c.group_id == group_id, group_members.c.computer_id.in_(ids))
        found.update(conn.scalars(select(group_members.c.computer_id).where(*members)))
    return found


def _untold(conn: Connection, name: str, computer_ids: Collection[int]) -> list[Row[Any]]:
    of_group = (assignments.c.origin_kind == OriginKind.GROUP, assignments.c.origin_name == name[:NAME_LIMIT])
    untold = (assignments.c.result.is_(None), assignments.c.notified_at_us.is_(None))
    found: dict[str, list[Any]] = defaultdict(list)
    for ids in dialect.chunks(sorted(computer_ids)):
        for row in conn.execute(select(assignments).where(assignments.c.computer_id.in_(ids), *of_group, *untold)):
            found[row.package_id].append(row)
    return [row for rows in found.values() for row in rows]


def _asks_for(conn: Connection, filter_text: str, package_id: str) -> bool:
    name = fold(conn.scalar(select(packages.c.name).where(packages.c.id == package_id)) or "")
    asked = [leaf for leaf in leaves(stored_filter(filter_text)) if isinstance(leaf, PackageInState)]
    return any(
        read_pattern(leaf.name, whole=True).matches(name) if leaf.name else leaf.package_id == package_id
        for leaf in asked
    )
