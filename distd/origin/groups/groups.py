"""Groups of computers: make them, change them, put computers in by hand, delete them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.groups_schema import group_members, group_picks, groups
from distd.catalogue.lists import read_page
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, computers, micros
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.filters.fields import nearest
from distd.domain.filters.render import render
from distd.domain.folding import fold
from distd.domain.groups import asks_for, in_order
from distd.domain.page import Page
from distd.domain.parameters import Level
from distd.origin.computers import parameters
from distd.origin.computers.saved_filters import read_filter
from distd.origin.deployments.named_computers import find_computers
from distd.origin.groups import given_packages, membership, references
from distd.origin.groups.directory import compiled, read_trees, stored_filter
from distd.origin.groups.following import matching_ids
from distd.origin.groups.given_packages import GivenPackage  # noqa: TC001 - the API looks at the fields
from distd.origin.operators.restrictions import is_restricted, visible

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.filters.tree import Node
    from distd.domain.page import Window

MAX_GROUPS: Final = 2000
MAX_NAMED: Final = 1000  # computers chosen by hand that `show` names
PLACE: Final = (str, int)  # of a group in the list: its folded name, its id
_COLUMNS: Final = groups.c
_TOLD: Final = {"filter_text": "filter"}  # what events call a column


@dataclass(frozen=True, slots=True)
class ComputerGroup:
    """`filter`: canonical, of a dynamic group; None: it is static. `members`: how many computers are in it, of those
    that the reader may see."""

    name: str
    description: str
    filter: str | None
    members: int
    created_by: str
    created_at_s: float


@dataclass(frozen=True, slots=True)
class GroupDetail:
    """A group. `included`, `excluded`: DEVICEIDs that are in a dynamic group, or not in it, by hand: the first 1,000.
    `packages`: what it gives its members. `asks_for`, `asked_by`: names of groups, by their filters."""

    group: ComputerGroup
    included: list[str]
    excluded: list[str]
    packages: list[GivenPackage]
    asks_for: list[str]
    asked_by: list[str]


@dataclass(frozen=True, slots=True)
class NewComputerGroup:
    """`filter`: a text, or @NAME of a saved one; None: a static group of these computers (DEVICEIDs). Of a dynamic
    group these are in it whatever the filter says."""

    name: str
    description: str = ""
    filter: str | None = None
    computers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """What is to be changed; None: as it was."""

    name: str | None = None
    description: str | None = None
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """How many computers came into a group, and how many left it."""

    joined: int
    left: int


def create(conn: Connection, actor: Actor, new: NewComputerGroup, now_s: float) -> ComputerGroup:
    """Raises `BadInput`, `NotFound` for a computer or a saved filter, `Conflict` where there is one of this name, or it
    would ask for itself."""
    name = _checked_name(new.name)
    _check_description(new.description)
    tree = None if new.filter is None else _read_filter(conn, actor, new.filter)
    chosen = [row.id for row in find_computers(conn, new.computers, actor).values()] if new.computers else []
    if (conn.scalar(select(func.count()).select_from(groups)) or 0) >= MAX_GROUPS:
        raise Conflict("name", f"there are {MAX_GROUPS:,} groups already", "delete some")
    if conn.scalar(select(_COLUMNS.id).where(_COLUMNS.name_key == fold(name))) is not None:
        raise Conflict("name", f"there is a group {name} already")
    _refuse_cycle(conn, {name: tree})
    row = {
        "name": name,
        "name_key": fold(name),
        "description": new.description,
        "filter_text": None if tree is None else render(tree),
        "created_by": str(actor),
        "created_at_us": micros(now_s),
        "changed_at_us": _version(conn, now_s),
    }
    conn.execute(groups.insert().values(**row))
    group_id = _row(conn, name).id
    members = set(chosen)
    if tree is not None:
        _pick(conn, group_id, dict.fromkeys(chosen, True))
        members = matching_ids(conn, group_id, tree, now_s)
    membership.change(conn, {group_id: members}, {}, now_s, noted=False)
    detail: dict[str, Any] = {"group": name, "filter": row["filter_text"], "members": len(members)}
    event_log.append(conn, Kind.GROUP_CREATED, actor, at_s=now_s, **detail)
    _follow_name(conn, [name], members, now_s)
    return _group(conn, actor, _row(conn, name))


def list_groups(conn: Connection, actor: Actor, name: str | None, window: Window) -> Page[ComputerGroup]:
    """By name; `name`: a part of it, in capitals or not; None: all."""
    query = select(groups)
    if name is not None:
        query = query.where(_COLUMNS.name_key.contains(fold(name), autoescape=True))
    page = read_page(conn, query, (_COLUMNS.name_key, _COLUMNS.id), window, lambda row: row)
    return Page(_groups(conn, actor, page.items), page.next, page.total)


def show(conn: Connection, actor: Actor, name: str) -> GroupDetail:
    """Raises `NotFound`."""
    row = _row(conn, name)
    trees = read_trees(conn)
    own = trees[row.name]
    asks = [] if own is None else asks_for(own, trees)
    asked_by = [other for other, tree in trees.items() if tree is not None and asks_for(tree, [row.name])]
    return GroupDetail(
        _group(conn, actor, row),
        _picked(conn, actor, row.id, included=True),
        _picked(conn, actor, row.id, included=False),
        given_packages.list_given(conn, row.id),
        sorted(asks, key=fold),
        sorted(asked_by, key=fold),
    )


def edit(conn: Connection, actor: Actor, name: str, changes: GroupChanges, now_s: float) -> MembersChanged:
    """Raises `NotFound`, `BadInput`, and `Conflict` where the new name is taken, a filter of a roll-out, a recurrence
    or a restriction asks for the old one, a group would ask for itself, or a filter is given to a static group."""
    row = _row(conn, name)
    values = _values(conn, actor, row, changes)
    if not values:
        return MembersChanged(0, 0)
    told = {_TOLD.get(key, key): value for key, value in values.items()}
    before = {_TOLD.get(key, key): getattr(row, key) for key in values}
    new_name, text = values.get("name", row.name), values.get("filter_text", row.filter_text)
    tree = None if text is None else stored_filter(text)
    _refuse_cycle(conn, {new_name: tree}, without=row.name)
    if fold(new_name) != row.name_key:
        references.refuse_if_asked_for(conn, row.name, new_name)
    stored = values | ({"name_key": fold(new_name)} if "name" in values else {})
    conn.execute(update(groups).where(_COLUMNS.id == row.id).values(**stored, changed_at_us=_version(conn, now_s)))
    if "name" in values:
        given_packages.rename(conn, row.name, new_name)
        references.rename_group(conn, row.name, new_name)
    event_log.append(conn, Kind.GROUP_CHANGED, actor, at_s=now_s, group=new_name, before=before, after=told)
    if "filter_text" not in values or tree is None:
        _follow_name(conn, [row.name, new_name] if "name" in values else [], _members(conn, row.id), now_s)
        return MembersChanged(0, 0)
    known, wanted = _members(conn, row.id), matching_ids(conn, row.id, tree, now_s)
    joined, left = wanted - known, known - wanted
    membership.change(conn, {row.id: joined}, {row.id: left}, now_s, noted=False)
    _follow_name(conn, [row.name, new_name], joined | left, now_s)
    return MembersChanged(len(joined), len(left))


def set_members(
    conn: Connection,
    actor: Actor,
    name: str,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    reset: Sequence[str] = (),
    *,
    now_s: float,
) -> MembersChanged:
    """Put computers (DEVICEIDs) into a group and take others out, by hand. Of a dynamic group that holds whatever its
    filter says; `reset`: its filter alone decides again. Raises `NotFound`, `BadInput` for one that is named twice, or
    `reset` of a static group."""
    row = _row(conn, name)
    named = [*add, *remove, *reset]
    if not named:
        raise BadInput("add", "computers to add, remove or reset", "none")
    if len(set(named)) < len(set(add)) + len(set(remove)) + len(set(reset)):
        raise BadInput("remove", "each computer in one of the lists", "some in two")
    if reset and row.filter_text is None:
        raise BadInput("reset", "computers of a dynamic group", f"{row.name}, which is static")
    ids = {device_id: found.id for device_id, found in find_computers(conn, named, actor).items()}
    wanted = {ids[each]: True for each in add} | {ids[each]: False for each in remove}
    if row.filter_text is not None:
        _unpick(conn, row.id, list(ids.values()))
        _pick(conn, row.id, wanted)
        if reset:
            found = matching_ids(conn, row.id, stored_filter(row.filter_text), now_s)
            wanted |= {ids[each]: ids[each] in found for each in reset}
    known = _members(conn, row.id, list(ids.values()))
    joined = {computer_id for computer_id, is_in in wanted.items() if is_in and computer_id not in known}
    left = {computer_id for computer_id, is_in in wanted.items() if not is_in and computer_id in known}
    membership.change(conn, {row.id: joined}, {row.id: left}, now_s, noted=True)
    counts: dict[str, Any] = {"added": len(set(add)), "removed": len(set(remove)), "reset": len(set(reset))}
    event_log.append(conn, Kind.GROUP_MEMBERS_SET, actor, at_s=now_s, group=row.name, **counts)
    _follow_name(conn, [row.name], joined | left, now_s)
    return MembersChanged(len(joined), len(left))


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> ComputerGroup:
    """Delete a group, its parameters, and what it gave its members and their agents were not told of.

    Raises `NotFound`, and `Conflict` where another group asks for it by its name, a roll-out that has not ended or a
    recurrence is for it, or a filter of these or of a restriction asks for it.
    """
    row = _row(conn, name)
    found = show(conn, actor, name)
    references.refuse_if_needed(conn, row.name)
    references.refuse_if_asked_for(conn, row.name)
    if found.asked_by:
        raise Conflict("name", f"{row.name} is asked for by {', '.join(found.asked_by)}", "change their filters first")
    given_packages.take_all(conn, row.id, row.name, now_s)
    parameters.forget(conn, Level.GROUP, [row.id])
    for table in (group_members, group_picks):
        conn.execute(delete_from(table).where(table.c.group_id == row.id))
    conn.execute(delete_from(groups).where(_COLUMNS.id == row.id))
    detail: dict[str, Any] = {"group": row.name, "filter": row.filter_text, "members": row.members}
    event_log.append(conn, Kind.GROUP_DELETED, actor, at_s=now_s, **detail)
    return found.group


def written_name(conn: Connection, name: str, field: str = "group") -> str:
    """The name of a group as it was given; `name` may have other capitals. Raises `NotFound`."""
    found: str = _row(conn, name, field).name
    return found


def names_of(conn: Connection, device_id: str) -> list[str]:
    """The groups that a computer is in, by name."""
    query = select(groups.c.name).join(group_members, group_members.c.group_id == groups.c.id)
    mine = query.join(computers, computers.c.id == group_members.c.computer_id).where(
        computers.c.device_id == device_id
    )
    return list(conn.scalars(mine.order_by(groups.c.name_key)))


def _values(conn: Connection, actor: Actor, row: Row[Any], changes: GroupChanges) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if changes.name is not None:
        values["name"] = _checked_name(changes.name)
        taken = conn.scalar(select(_COLUMNS.id).where(_COLUMNS.name_key == fold(values["name"])))
        if taken not in (None, row.id):
            raise Conflict("name", f"there is a group {values['name']} already")
    if changes.description is not None:
        _check_description(changes.description)
        values["description"] = changes.description
    if changes.filter is not None:
        if row.filter_text is None:
            raise Conflict("filter", f"{row.name} is static", "create a dynamic group")
        values["filter_text"] = render(_read_filter(conn, actor, changes.filter))
    return {key: value for key, value in values.items() if value != getattr(row, key)}


def _follow_name(conn: Connection, names: Collection[str], computer_ids: Collection[int], now_s: float) -> None:
    """Other groups may ask for one of these names, in which these computers are, or were."""
    dynamic = compiled(conn)
    asking = frozenset[int]().union(*(dynamic.asking_for(name) for name in names))
    if asking:
        for ids in dialect.chunks(sorted(computer_ids)):
            membership.judge(conn, dynamic, dict.fromkeys(ids, asking), now_s)


def _refuse_cycle(conn: Connection, new: Mapping[str, Node | None], without: str = "") -> None:
    trees = {name: tree for name, tree in read_trees(conn).items() if name != without} | dict(new)
    in_order({name: [] if tree is None else asks_for(tree, trees) for name, tree in trees.items()})


def _version(conn: Connection, now_s: float) -> int:
    """Later than all before, whatever the clock says."""
    return max(micros(now_s), (conn.scalar(select(func.max(_COLUMNS.changed_at_us))) or 0) + 1)


def _pick(conn: Connection, group_id: int, picks: Mapping[int, bool]) -> None:
    rows = [{"group_id": group_id, "computer_id": key, "included": included} for key, included in picks.items()]
    dialect.upsert(conn, group_picks, rows)


def _unpick(conn: Connection, group_id: int, computer_ids: Sequence[int]) -> None:
    for ids in dialect.chunks(computer_ids):
        mine = group_picks.c.group_id == group_id, group_picks.c.computer_id.in_(ids)
        conn.execute(delete_from(group_picks).where(*mine))


def _picked(conn: Connection, actor: Actor, group_id: int, *, included: bool) -> list[str]:
    query = select(computers.c.device_id).join(group_picks, group_picks.c.computer_id == computers.c.id)
    mine = group_picks.c.group_id == group_id, group_picks.c.included.is_(included), visible(conn, actor)
    return list(conn.scalars(query.where(*mine).order_by(computers.c.device_id).limit(MAX_NAMED)))


def _members(conn: Connection, group_id: int, among: Sequence[int] | None = None) -> set[int]:
    query = select(group_members.c.computer_id).where(group_members.c.group_id == group_id)
    if among is None:
        return set(conn.scalars(query))
    found = set[int]()
    for ids in dialect.chunks(among):
        found.update(conn.scalars(query.where(group_members.c.computer_id.in_(ids))))
    return found


def _row(conn: Connection, name: str, field: str = "group") -> Row[Any]:
    row = conn.execute(select(groups).where(_COLUMNS.name_key == fold(name))).one_or_none()
    if row is None:
        near = nearest(name, conn.scalars(select(_COLUMNS.name).limit(MAX_GROUPS)))
        raise NotFound(field, "the name of a group", name, near)
    return row


def _group(conn: Connection, actor: Actor, row: Row[Any]) -> ComputerGroup:
    (group,) = _groups(conn, actor, [row])
    return group


def _groups(conn: Connection, actor: Actor, rows: Sequence[Row[Any]]) -> list[ComputerGroup]:
    """With the members that `actor` may see, who are counted together."""
    members = {row.id: row.members for row in rows}
    if is_restricted(conn, actor):
        seen = select(group_members.c.group_id, func.count().label("number")).select_from(group_members.join(computers))
        seen = seen.where(visible(conn, actor)).group_by(group_members.c.group_id)
        members = {}
        for ids in dialect.chunks([row.id for row in rows]):
            counted = conn.execute(seen.where(group_members.c.group_id.in_(ids)))
            members |= {row.group_id: row.number for row in counted}
    return [
        ComputerGroup(
            row.name,
            row.description,
            row.filter_text,
            members.get(row.id, 0),
            row.created_by,
            row.created_at_us / 1_000_000,
        )
        for row in rows
    ]


def _read_filter(conn: Connection, actor: Actor, text: str) -> Node:
    tree = read_filter(conn, actor, text)
    if tree is None:
        raise BadInput("filter", "a filter, such as windows or memory >= 8GiB", "nothing")
    return tree


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not fold(stripped) or len(stripped) > NAME_LIMIT or not stripped.isprintable() or "/" in stripped:
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters without /", name)
    return stripped


def _check_description(text: str) -> None:
    if len(text) > TEXT_LIMIT or not text.isprintable():
        raise BadInput("description", f"at most {TEXT_LIMIT} printable characters", text)
