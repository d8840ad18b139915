"""What only one database understands: what it does, and that nothing else in distd says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select

import distd
from distd.catalogue import dialect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

TABLE = Table(
    "things",
    MetaData(),
    Column("a", Integer, primary_key=True),
    Column("b", Integer, primary_key=True),
    Column("first", Integer),
    Column("last", Integer),
)
SOURCE = Path(distd.__file__).parent
DIALECT = SOURCE / "catalogue" / "dialect"
# The names of databases and of what only some of them have. What people read may speak of them.
FOREIGN_WORDS = re.compile(
    r"sqlite|postgres|pragma|psycopg|on_conflict|rowid|sqlalchemy\.dialects|dialect\.name|\bpg_\w|autoincrement"
    r"|tuple_\([^)]*\)\.in_|advisory|ifnull|strftime\('|json_extract|jsonb|exec_driver_sql|driver_connection",
    re.IGNORECASE,
)
FOR_PEOPLE = re.compile(r"SQLite(?!File)|PostgreSQL|postgresql://\S*|%2Frun%2Fpostgresql|\"\"\".*")


@pytest.fixture
def conn(database: Any) -> Iterator[Connection]:
    engine = database.make(empty=True).make_engine()
    TABLE.metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def rows(conn: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in conn.execute(select(TABLE).order_by(TABLE.c.a, TABLE.c.b))]


def _speaks_of_one(path: Path) -> list[str]:
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    return [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for number, line in lines
        if FOREIGN_WORDS.search(FOR_PEOPLE.sub("", line))
    ]


def test_nothing_but_the_dialect_knows_the_database() -> None:
    others = [path for path in sorted(SOURCE.rglob("*.py")) if DIALECT not in path.parents]
    assert [line for path in others for line in _speaks_of_one(path)] == []


def test_those_that_know_it_are_there_and_do() -> None:
    for name in ("__init__", "sqlite", "postgresql"):
        assert _speaks_of_one(DIALECT / f"{name}.py")


def test_upsert_inserts_and_updates_but_keeps_what_it_is_told_to(conn: Connection) -> None:
    dialect.upsert(conn, TABLE, [{"a": 1, "b": 1, "first": 10, "last": 10}], keep=("first",))
    changes = [{"a": 1, "b": 1, "first": 20, "last": 20}, {"a": 1, "b": 2, "first": 20, "last": 20}]
    dialect.upsert(conn, TABLE, changes, keep=("first",))
    assert rows(conn) == [(1, 1, 10, 20), (1, 2, 20, 20)]


def test_no_rows_are_no_statement(conn: Connection) -> None:
    dialect.upsert(conn, TABLE, [])
    assert rows(conn) == []


def test_chunks_keep_the_order_and_fit_into_a_statement(conn: Connection) -> None:
    items = list(range(2 * dialect.MAX_ITEMS + 5))
    parts = list(dialect.chunks(items))
    assert [item for part in parts for item in part] == items
    assert [len(part) for part in parts] == [dialect.MAX_ITEMS, dialect.MAX_ITEMS, 5]
    assert list(dialect.chunks([])) == []
    assert conn.execute(select(TABLE).where(TABLE.c.a.in_(parts[0]), TABLE.c.b.in_(parts[1]))).all() == []


def test_pairs_are_found(conn: Connection) -> None:
    conn.execute(insert(TABLE), [{"a": a, "b": b, "first": 0, "last": 0} for a in (1, 2, 3) for b in (1, 2)])
    found = select(TABLE.c.a, TABLE.c.b).where(dialect.are_pairs(TABLE.c.a, TABLE.c.b, [(1, 2), (3, 1), (4, 1)]))
    assert sorted(map(tuple, conn.execute(found))) == [(1, 2), (3, 1)]
    most = [(number, 1) for number in range(dialect.MAX_PAIRS)]
    assert len(conn.execute(select(TABLE).where(dialect.are_pairs(TABLE.c.a, TABLE.c.b, most))).all()) == 3
    assert conn.execute(select(TABLE).where(dialect.are_pairs(TABLE.c.a, TABLE.c.b, []))).all() == []


def test_pairs_are_found_by_an_index(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'things.db'}")
    TABLE.metadata.create_all(engine)
    query = select(TABLE).where(dialect.are_pairs(TABLE.c.a, TABLE.c.b, [(1, 2), (3, 1)]))
    with engine.connect() as connection:
        text = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    engine.dispose()
    assert steps[0].startswith("SEARCH things USING")


def test_an_error_that_is_not_the_databases_is_not_transient() -> None:
    assert not dialect.is_transient(OSError("database is locked"))
