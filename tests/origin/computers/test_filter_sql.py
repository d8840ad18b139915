"""SQL finds the computers for which a filter holds in memory: random filters, random computers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from distd.catalogue import groups_schema, schema
from distd.domain.errors import BadInput
from distd.domain.filters.judge import compile_filter
from distd.domain.filters.parse import parse
from distd.domain.filters.render import render
from distd.domain.filters.tree import Word
from distd.domain.folding import fold
from distd.domain.versions import version_key
from distd.origin.computers import filter_sql
from distd.origin.computers.filter_facts import read_facts
from distd.origin.computers.filter_sql import SearchWay, condition, in_slice
from tests.fixtures import filters
from tests.fixtures.filters import GROUPS, NOW_S, PACKAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.domain.filters.tree import Node
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def catalogue(origin: TestOrigin) -> Any:
    """With packages and groups; examples leave nothing behind."""
    origin.write(_insert_packages_and_groups)
    return origin.catalogue


def _insert_packages_and_groups(conn: Connection) -> None:
    for key, name in PACKAGES.items():
        row: dict[str, Any] = {"id": key, "name": name, "os": "OTHER", "action": "STORE", "priority": 5, "target": "/x"}
        row |= {"fragments": 3, "size_bytes": 1, "md5": "", "created_at_us": 0}
        conn.execute(insert(schema.packages).values(**row))
    for number, name in enumerate(GROUPS, 1):
        conn.execute(insert(groups_schema.groups).values(id=number, name=name, name_key=fold(name)))


class Undone(Exception):
    """What an example has written is rolled back."""


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    computers=st.lists(filters.computer_rows(), min_size=1, max_size=4),
    trees=st.lists(st.one_of(filters.trees, filters.comparisons()), min_size=4, max_size=16),
    max_named=st.sampled_from((0, 1, 1000)),
    max_set=st.sampled_from((0, 1000)),
    way=st.sampled_from(SearchWay),
)
def test_sql_and_memory_agree(
    catalogue: Any,
    computers: Sequence[dict[str, Any]],
    trees: Sequence[Node],
    max_named: int,
    max_set: int,
    way: SearchWay,
) -> None:
    with pytest.MonkeyPatch.context() as patch, suppress(Undone), catalogue.write() as conn:
        patch.setattr(filter_sql, "MAX_NAMED", max_named)
        patch.setattr(filter_sql, "MAX_SET", max_set)
        ids = [_insert(conn, number, rows) for number, rows in enumerate(computers, 1)]
        facts = read_facts(conn, ids)
        for tree in trees:
            judged = compile_filter(tree).matches
            expected = [key for key in ids if judged(facts[key], NOW_S)]
            assert _found(conn, tree, way) == expected, render(tree)
        raise Undone


@pytest.mark.parametrize("way", SearchWay)
@pytest.mark.parametrize(("text", "is_read"), [("eleve.17", False), ("windows", False), ("*.17", True)])
def test_addresses_are_read_for_words_that_can_be_of_one(
    catalogue: Any, text: str, is_read: bool, way: SearchWay
) -> None:
    with catalogue.read() as conn:
        statement = str(condition(conn, Word(text), NOW_S, way))
    assert "os_name_key" in statement
    assert ("interfaces" in statement) is is_read


def _found(conn: Connection, tree: Node, way: SearchWay) -> list[int]:
    """In two slices, where it is done so."""
    key = schema.computers.c.id
    query = select(key).where(condition(conn, tree, NOW_S, way)).order_by(key)
    if way is not SearchWay.SLICES:
        return list(conn.scalars(query))
    slices = ({"above_id": 0, "up_to_id": 2}, {"above_id": 2, "up_to_id": 9})
    return [found for each in slices for found in conn.scalars(query.where(in_slice(key)), each)]


def _insert(conn: Connection, number: int, rows: dict[str, Any]) -> int:
    columns = rows["columns"] | {"id": number}
    columns["device_id"] = f"{columns['device_id']}{number}"
    columns["device_id_key"] = fold(columns["device_id"])
    conn.execute(insert(schema.computers).values(**columns))
    for position, each in enumerate(rows["interfaces"]):
        conn.execute(insert(schema.interfaces).values(computer_id=number, position=position, **each))
    accounts = {fold(key): (key, value) for key, value in rows["accounts"].items()}
    for folded, (key, value) in accounts.items():
        row = {"key": key, "key_key": folded, "value": value, "value_key": fold(value)}
        conn.execute(insert(schema.computer_accounts).values(computer_id=number, **row))
    for text in sorted(rows["software"]):
        conn.execute(insert(schema.installed).values(computer_id=number, software_id=_software(conn, *text)))
    for at, (package_id, code) in enumerate(rows["assigned"]):
        _assign(conn, number, package_id, code, at)
    for name in rows["groups"]:
        conn.execute(insert(groups_schema.group_members).values(computer_id=number, group_id=GROUPS.index(name) + 1))
    return number


def _software(conn: Connection, name: str, version: str, publisher: str) -> int:
    digest = repr((name, version, publisher)).encode()
    query = select(schema.software.c.id).where(schema.software.c.digest == digest)
    row: dict[str, Any] = {
        "name": name,
        "version": version,
        "publisher": publisher,
        "digest": digest,
        "name_key": fold(name),
    }
    row |= {"version_key": version_key(version), "publisher_key": fold(publisher)}
    if conn.scalar(query) is None:
        conn.execute(insert(schema.software).values(**row))
    found: int = conn.scalars(query).one()
    return found


def _assign(conn: Connection, computer_id: int, package_id: str, code: str | None, at: int) -> None:
    """`code`: of the result; None: the agent does not know of it. Every second one that was notified has a fragment."""
    row: dict[str, Any] = {
        "computer_id": computer_id,
        "package_id": package_id,
        "force": False,
        "schedule": "",
        "postcmd": "",
    }
    row |= {"assigned_at_us": at, "notified_at_us": None if code is None else at}
    row["result"] = None if code in (None, "NOTIFIED") else code
    open_one = (schema.assignments.c.computer_id == computer_id, schema.assignments.c.package_id == package_id)
    conn.execute(delete(schema.assignments).where(*open_one, schema.assignments.c.result.is_(None)))
    conn.execute(insert(schema.assignments).values(**row))
    if at % 2:
        got = {"fragments": 1, "ranges": "1", "sent_bytes": 5, "first_at_us": 0, "last_at_us": 0}
        which = {"computer_id": computer_id, "package_id": package_id}
        conn.execute(delete(schema.progress).filter_by(**which))
        conn.execute(insert(schema.progress).values(**which, **got))


def test_the_longest_age_is_one_that_databases_have(origin: TestOrigin) -> None:
    longest = parse("last_contact < 53370000d")
    with pytest.raises(BadInput, match="it is over"):
        parse("last_contact < 53400000d")

    def find(conn: Connection) -> list[int]:
        return list(conn.scalars(select(schema.computers.c.id).where(condition(conn, longest, NOW_S))))

    assert origin.read(find) == []
