"""What filters read of computers, out of the catalogue: for those that judge in memory."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from distd.catalogue import dialect
from distd.catalogue.groups_schema import group_members, groups
from distd.catalogue.schema import (
    assignments,
    computer_accounts,
    computers,
    installed,
    interfaces,
    packages,
    software,
)
from distd.domain.computer_facts import Account, InstalledSoftware, Interface
from distd.domain.filters.facts import AssignedFacts, filter_facts
from distd.domain.folding import fold
from distd.domain.results import Outcome
from distd.origin.packages.counters import is_latest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from distd.domain.filters.facts import FilterFacts


def read_facts(conn: Connection, computer_ids: Sequence[int]) -> dict[int, FilterFacts]:
    """All that filters read of these computers, by id; nothing of those that do not exist."""
    found: dict[int, FilterFacts] = {}
    for ids in dialect.chunks(computer_ids):
        found |= _read(conn, ids)
    return found


def _read(conn: Connection, ids: Sequence[int]) -> dict[int, FilterFacts]:
    rows = conn.execute(select(computers).where(computers.c.id.in_(ids))).mappings().all()
    names = [interfaces.c[each.name] for each in fields(Interface)]
    addresses = _by_computer(conn, select(interfaces.c.computer_id, *names).where(interfaces.c.computer_id.in_(ids)))
    owned = installed.join(software)
    texts = [software.c[name] for name in InstalledSoftware._fields]
    programs = _by_computer(
        conn,
        select(installed.c.computer_id, *texts).select_from(owned).where(installed.c.computer_id.in_(ids)),
    )
    accounts = _by_computer(
        conn,
        select(*(computer_accounts.c[name] for name in ("computer_id", "key_key", "key", "value"))).where(
            computer_accounts.c.computer_id.in_(ids)
        ),
    )
    members = _by_computer(
        conn,
        select(group_members.c.computer_id, groups.c.name)
        .join(groups, groups.c.id == group_members.c.group_id)
        .where(group_members.c.computer_id.in_(ids)),
    )
    assigned = _by_computer(conn, _assigned(ids))
    return {
        row["id"]: filter_facts(
            _columns(row),
            [Interface(*each) for each in addresses[row["id"]]],
            {each[0]: Account(*each[1:]) for each in accounts[row["id"]]},
            [InstalledSoftware(*each) for each in programs[row["id"]]],
            [AssignedFacts(key, fold(name), Outcome(state)) for key, name, state in assigned[row["id"]]],
            [each[0] for each in members[row["id"]]],
        )
        for row in rows
    }


def _columns(row: Mapping[Any, Any]) -> Mapping[str, Any]:
    return {str(name): value for name, value in row.items()}


def _assigned(ids: Sequence[int]) -> Select[Any]:
    return (
        select(
            assignments.c.computer_id,
            assignments.c.package_id,
            packages.c.name,
            assignments.c.state,
        )
        .join(packages, packages.c.id == assignments.c.package_id)
        .where(assignments.c.computer_id.in_(ids), is_latest())
    )


def _by_computer(conn: Connection, query: Select[Any]) -> Mapping[int, Sequence[Sequence[Any]]]:
    found: dict[int, list[Sequence[Any]]] = defaultdict(list)
    rows: Iterable[Any] = conn.execute(query)
    for computer_id, *values in rows:
        found[computer_id].append(values)
    return found
