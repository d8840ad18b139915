"""Memberships follow what changes: at contacts, before the reply, and after inventories; by the clock, every now and
then, for computers that make none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select

from distd.catalogue import dialect
from distd.catalogue.dialect import many_rows
from distd.catalogue.groups_schema import group_members, group_picks
from distd.catalogue.schema import computers, micros
from distd.domain.computer_facts import agent_columns
from distd.domain.filters.fields import ReadSection
from distd.origin.computers.filter_sql import condition
from distd.origin.groups import membership
from distd.origin.groups.directory import compiled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import Connection

    from distd.domain.filters.tree import Node
    from distd.domain.groups import DynamicGroups


MAX_JUDGED: Final = 1000  # computers of one transaction


class Contact(NamedTuple):
    """A contact of a computer. `is_new`: it is the first; `has_moved`: the address or the agent is another than
    before."""

    computer_id: int
    address: str
    user_agent: str
    now_s: float
    is_new: bool
    has_moved: bool


def follow_contacts(conn: Connection, dynamic: DynamicGroups, contacts: Iterable[Contact]) -> None:
    """Before these contacts are answered: by the clock and by what a contact changes, memberships may be others."""
    wanted: dict[int, frozenset[int]] = {}
    latest: dict[int, Mapping[str, Any]] = {}
    now_s = 0.0
    of_contacts = dynamic.volatile | dynamic.reading([ReadSection.CONTACT])
    agents: dict[int, Mapping[str, Any]] = {}
    for each in contacts:
        if each.is_new and dynamic.all:  # whether a package is for its system is looked up there
            agents[each.computer_id] = {"user_agent": each.user_agent}
        which = dynamic.all if each.is_new else of_contacts if each.has_moved else dynamic.volatile
        if which:
            wanted[each.computer_id] = which
            latest[each.computer_id] = {
                "last_seen_at_us": micros(each.now_s),
                "address": each.address,
                **agent_columns(each.user_agent),
            }
            now_s = max(now_s, each.now_s)
    many_rows.update_rows(conn, computers, agents)
    membership.judge(conn, dynamic, wanted, now_s, latest)


def follow_inventories(
    conn: Connection, dynamic: DynamicGroups, changed: Mapping[int, Collection[ReadSection]], now_s: float
) -> None:
    """After inventories were taken over: of each computer the sections that are others now."""
    which = {sections: dynamic.reading(sections) for sections in set(map(frozenset, changed.values()))}
    wanted = {computer_id: which[frozenset(sections)] for computer_id, sections in changed.items()}
    membership.judge(conn, dynamic, wanted, now_s)


def follow_computers(conn: Connection, computer_ids: Collection[int], now_s: float) -> None:
    """An operator has changed these computers."""
    dynamic = compiled(conn)
    for ids in dialect.chunks(sorted(computer_ids)):
        membership.judge(conn, dynamic, dict.fromkeys(ids, dynamic.all), now_s)


def find_others(conn: Connection, dynamic: DynamicGroups, which: Collection[int], now_s: float) -> dict[int, set[int]]:
    """Computers whose membership is not what the filters say, with the groups. It only reads: `follow_found` judges
    them again."""
    found: dict[int, set[int]] = {}
    for group in dynamic.groups:
        if group.id in which:
            matching = matching_ids(conn, group.id, group.tree, now_s)
            members = select(group_members.c.computer_id).where(group_members.c.group_id == group.id)
            for computer_id in matching ^ set(conn.scalars(members)):
                found.setdefault(computer_id, set()).add(group.id)
    return found


def follow_found(conn: Connection, dynamic: DynamicGroups, found: Mapping[int, Collection[int]], now_s: float) -> None:
    """What `find_others` gave, as it is now: at most `MAX_JUDGED`."""
    membership.judge(conn, dynamic, {computer_id: frozenset(which) for computer_id, which in found.items()}, now_s)


def matching_ids(conn: Connection, group_id: int, tree: Node, now_s: float) -> set[int]:
    """Ids of the computers that are to be in a dynamic group: by its filter, and by hand."""
    found = set(conn.scalars(select(computers.c.id).where(condition(conn, tree, now_s))))
    picks = select(group_picks.c.computer_id, group_picks.c.included).where(group_picks.c.group_id == group_id)
    for computer_id, included in conn.execute(picks):
        (found.add if included else found.discard)(computer_id)
    return found
