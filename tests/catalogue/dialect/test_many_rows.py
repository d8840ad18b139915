"""Statements of many rows do on each database what a statement a row would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from distd.catalogue.dialect.many_rows import insert_rows, is_one_of, update_rows
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.catalogue.schema import computers, events, history, operators
from distd.catalogue.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distd.catalogue.engine import Catalogue


@pytest.fixture
def catalogue(database: Any) -> Iterator[Catalogue]:
    with open_catalogue(database.place) as opened:
        yield opened


def _event(number: int, **more: Any) -> dict[str, Any]:
    return {"at_us": number, "kind": "INVENTORY", "package_id": None, "computer_id": None, "detail": {}, **more}


TEXTS = ["", "é\u2028\U0001f600'\"\\%_:x", "\\u0000", "null", "{}", "a\tb\nc"]


def test_rows_come_in_with_their_values_and_in_their_order(catalogue: Catalogue) -> None:
    rows = [
        _event(2**53 + number, detail={"text": text, "of": [1.5, None, True]}, package_id=text, computer_id=2**40)
        for number, text in enumerate(TEXTS)
    ]
    with catalogue.write() as conn:
        insert_rows(conn, events, rows)
        found = conn.execute(select(events).order_by(events.c.seq)).all()
    assert [(row.at_us, row.detail, row.package_id, row.computer_id) for row in found] == [
        (row["at_us"], row["detail"], row["package_id"], row["computer_id"]) for row in rows
    ]
    assert [row.seq for row in found] == list(range(found[0].seq, found[0].seq + len(rows)))


def test_nothing_is_nothing_and_one_is_one(catalogue: Catalogue) -> None:
    with catalogue.write() as conn:
        insert_rows(conn, events, [])
        update_rows(conn, computers, {})
        insert_rows(conn, events, [_event(1)])
        assert conn.scalar(select(func.count()).select_from(events)) == 1


def test_a_nul_does_not_stop_the_others(catalogue: Catalogue) -> None:
    with catalogue.write() as conn:
        insert_rows(conn, operators, [{"name": "a\0b", "password_hash": "x"}, {"name": "c", "password_hash": "\0"}])
        insert_rows(conn, events, [_event(1, detail={"k\0": ["\0", {"d": "\\u0000"}]})])
        assert conn.scalar(select(func.count()).select_from(operators)) == 2
        (detail,) = conn.scalars(select(events.c.detail))
    assert detail.popitem()[1][1] == {"d": "\\u0000"}


def _computers(catalogue: Catalogue) -> list[int]:
    same = {"first_seen_at_us": 1, "last_seen_at_us": 1}
    with catalogue.write() as conn:
        insert_rows(conn, computers, [{"device_id": name, "waiting": name == "b", **same} for name in "abc"])
        return list(conn.scalars(select(computers.c.id).order_by(computers.c.device_id)))


def test_those_that_are_missing_come_in(catalogue: Catalogue) -> None:
    ids = _computers(catalogue)
    rows = [{"computer_id": each, "package_id": "1", "trusted": False} for each in ids]
    with catalogue.write() as conn:
        conn.execute(insert(history).values(computer_id=ids[1], package_id="1", trusted=True))
        insert_rows(conn, history, rows, missing_only=True)
        found = conn.execute(select(history).order_by(history.c.computer_id)).all()
    assert [tuple(row) for row in found] == [(ids[0], "1", False), (ids[1], "1", True), (ids[2], "1", False)]


def test_each_row_gets_its_own_values(catalogue: Catalogue) -> None:
    first, second, third = _computers(catalogue)
    new: dict[int, dict[str, Any]] = {
        first: {"last_seen_at_us": 2**60, "name": None, "tag": TEXTS[1], "waiting": True},
        third: {"last_seen_at_us": 0, "name": "", "tag": "{a,b}", "waiting": False},
        10**6: {"last_seen_at_us": 0, "name": "nobody", "tag": None, "waiting": False},
    }
    with catalogue.write() as conn:
        update_rows(conn, computers, new)
        update_rows(conn, computers, {first: {"serial": None}})
        query = select(*(computers.c[name] for name in ("id", *new[first])))
        found = {row["id"]: dict(row) for row in conn.execute(query).mappings()}
    assert found.keys() == {first, second, third}
    assert found[first] == {"id": first, **new[first]}
    assert found[third] == {"id": third, **new[third]}
    assert found[second]["last_seen_at_us"] == 1


@pytest.mark.parametrize("wanted", [set(), {"a"}, {"a", "c", "d"}])
def test_one_of_many(catalogue: Catalogue, wanted: set[str]) -> None:
    _computers(catalogue)
    with catalogue.read() as conn:
        found = conn.scalars(
            select(computers.c.device_id).where(is_one_of(computers.c.device_id, "names")), {"names": list(wanted)}
        )
        assert set(found) == wanted - {"d"}


def test_columns_may_be_named_as_they_like(catalogue: Catalogue) -> None:
    names = ("place", "key", "number")
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True), *(Column(name, Integer) for name in names))
    with catalogue.write() as conn:
        table.create(conn)
        insert_rows(conn, table, [{"id": 1, "place": 2, "key": 3, "number": 4}])
        update_rows(conn, table, {1: {"place": 5, "key": 6, "number": 7}})
        found = [tuple(row) for row in conn.execute(select(table))]
        table.drop(conn)
    assert found == [(1, 5, 6, 7)]
    assert not any(column.name.startswith("_") for each in metadata.tables.values() for column in each.columns)


def test_an_index_finds_those_that_are_one_of_some(tmp_path: Path) -> None:
    place = tmp_path / "catalogue.db"
    create_catalogue(place)
    query = select(computers).where(is_one_of(computers.c.device_id, "names")).params(names=["a", "b"])
    with open_catalogue(place) as opened, opened.read() as conn:
        of_two = query.compile(conn, compile_kwargs={"render_postcompile": True})
        plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {of_two}", ("a", "b"))
        assert [row.detail.partition(" USING ")[0] for row in plan] == ["SEARCH computers"]
