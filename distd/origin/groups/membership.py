"""Who is in which group: computers come and leave, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, exists, func, select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.dialect import many_rows
from distd.catalogue.event_log import Kind, Note
from distd.catalogue.groups_schema import group_members, group_packages, group_picks, groups
from distd.catalogue.schema import installed, software
from distd.domain.actor import SYSTEM
from distd.domain.filters.criteria import ascii_lower
from distd.domain.filters.facts import InstalledFacts
from distd.domain.filters.fields import ReadSection
from distd.domain.groups import JudgedComputers
from distd.origin.agents.inventories import known_digests
from distd.origin.computers.filter_facts import read_facts
from distd.origin.groups import given_packages

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import BindParameter, Connection

    from distd.domain.filters.shared_software import SharedSoftware
    from distd.domain.groups import DynamicGroups

_MORE: Final = (
    update(groups).where(groups.c.id == bindparam("key")).values(members=groups.c.members + bindparam("more"))
)
_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)
_NAMES: Final = select(
    groups.c.id, groups.c.name, exists().where(group_packages.c.group_id == groups.c.id).label("gives")
).where(groups.c.id.in_(_IDS))
_MEMBERS: Final = select(group_members.c.group_id, group_members.c.computer_id).where(
    group_members.c.computer_id.in_(_IDS)
)
_PICKED: Final = select(group_picks.c.group_id, group_picks.c.computer_id, group_picks.c.included).where(
    group_picks.c.computer_id.in_(_IDS)
)
_SOFTWARE: Final = [software.c[name] for name in ("id", "name_key", "version", "version_key", "publisher_key")]


def judge(
    conn: Connection,
    dynamic: DynamicGroups,
    wanted: Mapping[int, frozenset[int]],
    now_s: float,
    latest: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """Judge computers (by the id: the ids of groups) and change their memberships. `latest`: columns of `computers`
    that are not written yet."""
    asked = {computer_id: which for computer_id, which in wanted.items() if which}
    if not asked:
        return
    reads = dynamic.reads(frozenset[int]().union(*asked.values()))
    read_here = frozenset((ReadSection.SOFTWARE, ReadSection.GROUPS))
    facts = read_facts(conn, list(asked), replace(reads, sections=reads.sections - read_here), latest)
    has_software = ReadSection.SOFTWARE in reads.sections
    software = _read_marks(conn, list(facts), dynamic.software) if has_software else {}
    members, picked = _read_members(conn, list(facts))
    joined, left = dynamic.judge(JudgedComputers(facts, asked, software, members, picked), now_s)
    if joined or left:
        change(conn, joined, left, now_s)


def change(
    conn: Connection,
    joined: Mapping[int, Collection[int]],
    left: Mapping[int, Collection[int]],
    now_s: float,
    *,
    noted: bool = True,
) -> None:
    """Computers come that are not in the group yet, and leave that are. `noted`: an event for each of them."""
    many_rows.insert_pairs(conn, group_members, _pairs(joined))
    many_rows.delete_pairs(conn, group_members, _pairs(left))
    changed = joined.keys() | left.keys()
    _count(conn, {each: len(joined.get(each, ())) - len(left.get(each, ())) for each in changed})
    rows = conn.execute(_NAMES, {"ids": list(changed)}).all()
    if noted:
        details = {row.id: {"group": row.name} for row in rows}
        notes = [
            Note(kind, SYSTEM, now_s, None, computer_id, details[group_id])
            for kind, members in ((Kind.GROUP_LEFT, left), (Kind.GROUP_JOINED, joined))
            for group_id, computer_id in _pairs(members)
        ]
        event_log.append_many(conn, notes)
    giving = [row.id for row in rows if row.gives]
    given_packages.take(conn, {each: left[each] for each in giving if each in left}, now_s)
    given_packages.give(conn, {each: joined[each] for each in giving if each in joined}, now_s)


def forget(conn: Connection, computer_ids: Collection[int]) -> None:
    """These computers are about to be deleted, at most as many as one statement takes."""
    theirs = group_members.c.computer_id.in_(computer_ids)
    rows = conn.execute(select(group_members.c.group_id, func.count()).where(theirs).group_by(group_members.c.group_id))
    _count(conn, {group_id: -count for group_id, count in rows.all()})
    conn.execute(delete(group_members).where(theirs))
    conn.execute(delete(group_picks).where(group_picks.c.computer_id.in_(computer_ids)))


def move(conn: Connection, old_id: int, new_id: int) -> None:
    """Two computers become one: what was decided by hand of the old one holds for the new one, too."""
    dynamic = select(groups.c.id).where(groups.c.filter_text.is_not(None))
    by_hand = group_members.c.computer_id == old_id, group_members.c.group_id.not_in(dynamic)
    known = select(group_members.c.group_id).where(group_members.c.computer_id == new_id)
    query = select(group_members.c.group_id).where(*by_hand, group_members.c.group_id.not_in(known))
    joined = list(conn.scalars(query))
    many_rows.insert_pairs(conn, group_members, [(group_id, new_id) for group_id in joined])
    _count(conn, dict.fromkeys(joined, 1))
    decided = select(group_picks.c.group_id).where(group_picks.c.computer_id == new_id)
    picks = update(group_picks).where(group_picks.c.computer_id == old_id, group_picks.c.group_id.not_in(decided))
    conn.execute(picks.values(computer_id=new_id))


def _count(conn: Connection, differences: Mapping[int, int]) -> None:
    """So many members more, by the group."""
    rows = [{"key": key, "more": more} for key, more in differences.items() if more]
    if rows:
        conn.execute(_MORE, rows)


def _pairs(changed: Mapping[int, Collection[int]]) -> list[tuple[int, int]]:
    return sorted((group_id, computer_id) for group_id, ids in changed.items() for computer_id in ids)


def _read_members(
    conn: Connection, computer_ids: Sequence[int]
) -> tuple[list[tuple[int, int]], list[tuple[int, int, bool]]]:
    """Groups and computers: who is in them, and what was decided by hand."""
    members: list[Any] = []
    picked: list[Any] = []
    for ids in dialect.chunks(computer_ids):
        members += conn.execute(_MEMBERS, {"ids": ids}).all()
        picked += conn.execute(_PICKED, {"ids": ids}).all()
    return members, picked


def _read_marks(conn: Connection, computer_ids: Sequence[int], shared: SharedSoftware) -> dict[int, int]:
    """What is known of the computers' software: remembered, where it is as it was."""
    digests = {key: each.software for key, each in known_digests(conn, computer_ids).items()}
    marks = {key: shared.marks_of(key, digests.get(key, b"")) for key in computer_ids}
    found = {key: known for key, known in marks.items() if known is not None}
    for key, new in _judge_software(conn, [key for key, known in marks.items() if known is None], shared).items():
        shared.remember_computer(key, digests.get(key, b""), new)
        found[key] = new
    return found


def _judge_software(conn: Connection, computer_ids: Sequence[int], shared: SharedSoftware) -> dict[int, int]:
    """By computer the marks of its software."""
    owned: dict[int, list[int]] = {key: [] for key in computer_ids}
    for ids in dialect.chunks(computer_ids):
        query = select(installed.c.computer_id, installed.c.software_id).where(installed.c.computer_id.in_(ids))
        for computer_id, software_id in conn.execute(query).all():
            owned[computer_id].append(software_id)
    unknown = shared.unknown(software_id for ids in owned.values() for software_id in ids)
    judged: dict[int, int] = {}
    for ids in dialect.chunks(sorted(unknown)):
        rows = conn.execute(select(*_SOFTWARE).where(software.c.id.in_(ids)))
        judged |= shared.judge_all(
            {
                row.id: InstalledFacts(row.name_key, (ascii_lower(row.version), row.version_key), row.publisher_key)
                for row in rows
            }
        )
    # What this transaction has added may get another id, if it is rolled back: see `committed`.
    shared.remember({key: marks for key, marks in judged.items() if key <= shared.committed})
    return {key: shared.marks(ids, judged) for key, ids in owned.items()}
