"""What filters read of computers, out of the catalogue: for those that judge in memory."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

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
from distd.domain.filters.fields import ACCOUNT, FIELDS, ReadSection
from distd.domain.folding import fold
from distd.domain.results import Outcome
from distd.origin.packages.counters import is_latest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Column, Connection, Select

    from distd.domain.filters.facts import FilterFacts
    from distd.domain.filters.reads import Reads


_NAMES: Final = [interfaces.c[each.name] for each in fields(Interface)]
_TEXTS: Final = [software.c[name] for name in InstalledSoftware._fields]
_ACCOUNTS: Final = [computer_accounts.c[name] for name in ("computer_id", "key_key", "key", "value")]
# What a section has beside the row of the computer: the computer's id, and the values.
_QUERIES: Final[Mapping[ReadSection, Select[Any]]] = {
    ReadSection.NETWORKS: select(interfaces.c.computer_id, *_NAMES),
    ReadSection.ACCOUNT: select(*_ACCOUNTS),
    ReadSection.SOFTWARE: select(installed.c.computer_id, *_TEXTS).select_from(installed.join(software)),
    ReadSection.ASSIGNMENTS: select(
        assignments.c.computer_id, assignments.c.package_id, packages.c.name, assignments.c.state
    )
    .join(packages, packages.c.id == assignments.c.package_id)
    .where(is_latest()),
    ReadSection.GROUPS: select(group_members.c.computer_id, groups.c.name).join(
        groups, groups.c.id == group_members.c.group_id
    ),
}
_NOTHING: Final[Mapping[str, Any]] = {}


def read_facts(
    conn: Connection,
    computer_ids: Sequence[int],
    reads: Reads | None = None,
    latest: Mapping[int, Mapping[str, Any]] | None = None,
) -> dict[int, FilterFacts]:
    """What filters that read so much (None: any) need of these computers, by id; nothing of those that do not exist.
    `latest`: columns of `computers` that are not written yet, by id."""
    columns = _columns(None if reads is None else reads.fields)
    sections = frozenset(_QUERIES) if reads is None else _beside(reads)
    found: dict[int, FilterFacts] = {}
    for ids in dialect.chunks(computer_ids):
        found |= _read(conn, ids, columns, sections, latest or {})
    return found


@lru_cache(maxsize=64)
def _columns(names: frozenset[str] | None) -> tuple[Column[Any], ...]:
    """Those of the row of a computer that are compared."""
    wanted = [field for field in FIELDS.values() if not field.many and (names is None or field.name in names)]
    found = dict.fromkeys(name for field in wanted for name in (field.column, field.key_column))
    return tuple(computers.c[name] for name in dict.fromkeys(("id", *found)))


def _beside(reads: Reads) -> frozenset[ReadSection]:
    """The sections that are read beside the row of the computer, in which the TAG is."""
    has_account = any(name.startswith(ACCOUNT) for name in reads.fields)
    return reads.sections if has_account else reads.sections - {ReadSection.ACCOUNT}


def _read(
    conn: Connection,
    ids: Sequence[int],
    columns: Sequence[Column[Any]],
    sections: Collection[ReadSection],
    latest: Mapping[int, Mapping[str, Any]],
) -> dict[int, FilterFacts]:
    rows = conn.execute(select(*columns).where(computers.c.id.in_(ids))).all()
    beside = {section: _by_computer(conn, query, ids, section in sections) for section, query in _QUERIES.items()}
    addresses, accounts, programs, assigned, members = beside.values()
    return {
        row.id: filter_facts(
            {**row._asdict(), **latest.get(row.id, _NOTHING)},
            [Interface(*each) for each in addresses[row.id]],
            {each[0]: Account(*each[1:]) for each in accounts[row.id]},
            [InstalledSoftware(*each) for each in programs[row.id]],
            [AssignedFacts(key, fold(name), Outcome(state)) for key, name, state in assigned[row.id]],
            [each[0] for each in members[row.id]],
        )
        for row in rows
    }


def _by_computer(
    conn: Connection, query: Select[Any], ids: Sequence[int], wanted: bool
) -> Mapping[int, Sequence[Sequence[Any]]]:
    found: dict[int, list[Sequence[Any]]] = defaultdict(list)
    if wanted:
        rows: Iterable[Any] = conn.execute(query.where(query.selected_columns.computer_id.in_(ids)))
        for computer_id, *values in rows:
            found[computer_id].append(values)
    return found
