"""A copy has every row as it was, goes on after an interruption, and is no catalogue before it is whole."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, func, insert, inspect, select, text, update

from distd.catalogue import copying
from distd.catalogue.checking import check_catalogue
from distd.catalogue.copying import copy_catalogue
from distd.catalogue.dialect import upkeep
from distd.catalogue.dialect.sqlite import SqliteFile
from distd.catalogue.engine import SCHEMA, open_as_it_is, open_catalogue, set_schema
from distd.catalogue.mirrors_schema import mirrors
from distd.catalogue.row_digest import select_all
from distd.catalogue.schema import computers, events, operators, package_ids, packages
from distd.catalogue.tables import metadata
from distd.domain.errors import BadInput, Conflict, Corrupt
from tests.catalogue.rows import fill
from tests.fixtures.databases import POSTGRESQL, PostgresqlTestDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Table

    from distd.catalogue.dialect.database import Database
    from distd.catalogue.engine import Catalogue


ANY_PAIR = [
    "sqlite sqlite",
    pytest.param("sqlite postgresql", marks=POSTGRESQL.marks),
    pytest.param("postgresql sqlite", marks=POSTGRESQL.marks),
]
ONE_PAIR = pytest.mark.parametrize("pair", ["sqlite sqlite"], indirect=True)


@pytest.fixture(params=ANY_PAIR)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Database]]:
    """An empty catalogue of each of two kinds."""
    made: list[Database] = []
    closing = ExitStack()
    for kind in request.param.split():
        if kind == "sqlite":
            path = tmp_path / f"{len(made)}.db"
            shutil.copy(request.getfixturevalue("empty_sqlite"), path)
            made.append(SqliteFile(path))
        else:
            databases = PostgresqlTestDatabase(request.getfixturevalue("postgresql_cluster"))
            closing.callback(databases.close)
            made.append(databases.make())
    with closing:
        yield made


@pytest.fixture
def source(pair: list[Database]) -> Iterator[Catalogue]:
    with open_catalogue(pair[0]) as catalogue:
        with catalogue.write() as conn:
            fill(conn, metadata)
            for table in TABLES:
                if upkeep.counted_id(conn, table) is not None:
                    upkeep.set_counted_id(conn, table, 9)
        yield catalogue


@pytest.fixture
def target(pair: list[Database]) -> Iterator[Catalogue]:
    with open_catalogue(pair[1]) as catalogue:
        yield catalogue


def _copy(source: Catalogue, target: Catalogue, tell: copying.Tell = lambda *_: None) -> copying.CopyReport:
    with source.read() as conn:
        return copy_catalogue(conn, target, tell)


def _contents(catalogue: Catalogue) -> dict[str, list[Any]]:
    """All rows. SQL's NULL and JSON's null differ."""
    with catalogue.read() as conn:
        return {
            table.name: sorted(repr(dict(row)) for row in conn.execute(select_all(table)).mappings())
            for table in TABLES
        }


TABLES = metadata.sorted_tables


def _interrupted(source: Catalogue, target: Catalogue, name: str, rows: int = 0) -> None:
    """A copy that ends when so many rows of a table are there."""

    def tell(table: str, done: int, _total: int) -> None:
        if (table, done) == (name, rows):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _copy(source, target, tell)


def _values(table: Table, catalogue: Catalogue) -> str:
    """The rows without the names of columns: a digest is of values."""
    with catalogue.read() as conn:
        return repr(sorted(repr(tuple(row)) for row in conn.execute(select_all(table))))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BATCH_ROWS", 2)
    monkeypatch.setattr(copying, "LARGE_BATCH_ROWS", 2)


@pytest.mark.usefixtures("small_batches")
def test_a_copy_has_all_rows_as_they_were(source: Catalogue, target: Catalogue) -> None:
    before = _contents(source)
    report = _copy(source, target)
    assert _contents(target) == before == _contents(source)
    assert [(table.name, table.rows) for table in report.tables] == [(table.name, 5) for table in TABLES]
    assert len({table.digest for table in report.tables}) == len({_values(table, source) for table in TABLES})
    assert not report.resumed


def test_nothing_is_left_of_the_copy_itself(source: Catalogue, target: Catalogue, pair: list[Database]) -> None:
    _copy(source, target)
    with open_catalogue(pair[1]) as opened, opened.read() as conn, source.read() as other:
        assert set(inspect(conn).get_table_names()) == set(inspect(other).get_table_names())
        assert check_catalogue(conn).faults == ()


def test_an_id_that_was_given_once_does_not_come_again(source: Catalogue, target: Catalogue) -> None:
    seq = _next_event(source)
    with source.write() as conn:
        conn.execute(delete(events))
    _copy(source, target)
    assert _next_event(target) == seq + 1
    with target.write() as conn:
        conn.execute(insert(computers), {"device_id": "new", "first_seen_at_us": 0, "last_seen_at_us": 0})
        assert conn.scalar(select(func.max(computers.c.id))) == 10


def _next_event(catalogue: Catalogue) -> int:
    with catalogue.write() as conn:
        conn.execute(insert(events), {"at_us": 0, "kind": "INVENTORY", "detail": {}})
        return conn.scalar(select(func.max(events.c.seq))) or 0


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(("table", "rows"), [("package_ids", 0), ("computers", 0), ("computers", 4), ("events", 5)])
def test_an_interrupted_copy_goes_on(source: Catalogue, target: Catalogue, table: str, rows: int) -> None:
    _interrupted(source, target, table, rows)
    told: list[tuple[str, int, int]] = []
    report = _copy(source, target, lambda *done: told.append(done))
    assert (report.resumed, report.begun_anew) == (True, False)
    assert _contents(target) == _contents(source)
    assert (table, rows, 5) in told, "what was copied is not copied again"
    assert all(done >= rows for name, done, _ in told if name == table)


@ONE_PAIR
def test_no_server_starts_on_a_part(source: Catalogue, target: Catalogue, pair: list[Database]) -> None:
    _interrupted(source, target, "events")
    expected = "copy was not finished; the same `distd db copy` goes on with it"
    with pytest.raises(BadInput, match=expected), open_catalogue(pair[1]):
        pass


def test_earlier_versions_take_a_part_for_one_of_a_newer_distd() -> None:
    assert copying.UNFINISHED > "9999"


CHANGES = {
    "a value that is copied": update(mirrors).values(location="Paris"),
    "a row before the place": insert(packages).from_select(
        ["id", *(column.name for column in packages.columns if column.name != "id")],
        select(text("'0'"), *(column for column in packages.columns if column.name != "id")).limit(1),
    ),
    "another row of a table that was whole": insert(package_ids).values(id=1000),
    "a row that is gone": delete(operators).where(operators.c.name == "9"),
}


@ONE_PAIR
@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_begins_anew_when_the_source_has_changed(source: Catalogue, target: Catalogue, change: Any) -> None:
    _interrupted(source, target, TABLES[-1].name, 2)
    with source.write() as conn:
        conn.execute(change)
    report = _copy(source, target)
    assert (report.resumed, report.begun_anew) == (False, True)
    assert _contents(target) == _contents(source)


@ONE_PAIR
def test_a_copy_that_is_not_what_was_read_is_refused(source: Catalogue, target: Catalogue) -> None:
    """And stays unfinished."""

    def tell(table: str, done: int, _total: int) -> None:
        if (table, done) == ("operators", 5):
            with target.write() as conn:
                conn.execute(update(operators).where(operators.c.name == "1").values(password_hash="another"))

    with pytest.raises(Corrupt, match=r"table operators: expected 5 rows of digest \w{64}, got 5 rows of digest"):
        _copy(source, target, tell)
    with target.read() as conn:
        assert conn.scalar(text("SELECT version_num FROM alembic_version")) == copying.UNFINISHED


def test_a_row_that_the_target_does_not_take_is_named(source: Catalogue, target: Catalogue) -> None:
    """And the copy goes on when it is seen to."""
    with target.write() as conn:
        conn.execute(text("CREATE UNIQUE INDEX more ON operators (substr(password_hash, 1, 0))"))
    with pytest.raises(Corrupt, match=r"table operators: .*keys \['1'\] to \['9'\]: .*(UNIQUE|unique)"):
        _copy(source, target)
    with target.write() as conn:
        conn.execute(text("DROP INDEX more"))
    assert _copy(source, target).resumed


def test_a_nul_in_a_text_is_no_difference(source: Catalogue, target: Catalogue) -> None:
    """PostgreSQL cannot have it."""
    with source.write() as conn:
        conn.execute(update(operators).where(operators.c.name == "1").values(password_hash="a\0b"))
    _copy(source, target)
    with target.read() as conn:
        found = conn.scalar(select(operators.c.password_hash).where(operators.c.name == "1"))
    assert found in ("a\0b", "a\ufffdb")


@ONE_PAIR
def test_only_an_empty_database_is_copied_into(source: Catalogue, target: Catalogue) -> None:
    with target.write() as conn:
        conn.execute(insert(package_ids).values(id=1))
        conn.execute(insert(operators).values(name="admin", password_hash=""))
    before = _contents(target)
    with pytest.raises(BadInput, match=r"to: expected an empty database, got one with rows in .*package_ids"):
        _copy(source, target)
    assert _contents(target) == before


@ONE_PAIR
@pytest.mark.parametrize(
    ("schema", "hint"),
    [
        ("0001", "`distd db migrate`"),
        ("9999", "upgrade distd"),
        (copying.UNFINISHED, "a copy into it was not finished"),
    ],
)
def test_only_a_database_of_this_schema_is_copied(source: Catalogue, target: Catalogue, schema: str, hint: str) -> None:
    with source.write() as conn:
        set_schema(conn, schema)
    with pytest.raises(Conflict, match=f"from: expected a database of schema .*, got schema {schema}; {hint}"):
        _copy(source, target)
    with target.write() as conn:
        set_schema(conn, "0001")
    with source.write() as conn:
        set_schema(conn, SCHEMA)
    with pytest.raises(BadInput, match="to: expected an empty database of schema"):
        _copy(source, target)


def test_no_table_refers_to_itself_or_in_a_circle() -> None:
    """Tables are copied in an order that foreign keys allow, and rows of one in the order of the key."""
    seen: set[str] = set()
    for table in TABLES:
        assert {key.column.table.name for key in table.foreign_keys} <= seen
        seen.add(table.name)


@ONE_PAIR
def test_an_unfinished_copy_is_opened_only_as_it_is(target: Catalogue, pair: list[Database]) -> None:
    with target.write() as conn:
        set_schema(conn, copying.UNFINISHED)
    with open_as_it_is(pair[1]) as catalogue, catalogue.read() as conn:
        assert conn.scalar(select(func.count()).select_from(computers)) == 0


def test_a_nul_in_json_is_no_difference(source: Catalogue, target: Catalogue) -> None:
    with source.write() as conn:
        conn.execute(update(events).where(events.c.seq == 1).values(detail={"a": ["\0", "\\u0000"]}))
    _copy(source, target)
    with target.read() as conn:
        found = conn.scalar(select(events.c.detail).where(events.c.seq == 1))
    assert found in ({"a": ["\0", "\\u0000"]}, {"a": ["\ufffd", "\\u0000"]})
