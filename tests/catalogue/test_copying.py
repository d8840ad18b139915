"""A copy has every row as it was, goes on after an interruption, and is no catalogue before it is whole."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, func, insert, select, text, update

from distd.catalogue import copying
from distd.catalogue.copying import copy_catalogue
from distd.catalogue.engine import create_catalogue, open_as_it_is, open_catalogue, set_schema
from distd.catalogue.schema import computers, events, mirrors, operators, package_ids, packages
from distd.domain.errors import BadInput, Conflict, Corrupt
from tests.catalogue.rows import fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distd.catalogue.engine import Catalogue


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue, made once."""
    path = tmp_path_factory.mktemp("empty") / "catalogue.db"
    create_catalogue(path)
    return path


@pytest.fixture
def source(tmp_path: Path, empty: Path) -> Iterator[Catalogue]:
    shutil.copy(empty, tmp_path / "source.db")
    with open_catalogue(tmp_path / "source.db") as catalogue:
        with catalogue.write() as conn:
            fill(conn, copying.metadata)
        yield catalogue


@pytest.fixture
def target(tmp_path: Path, empty: Path) -> Iterator[Catalogue]:
    shutil.copy(empty, tmp_path / "target.db")
    with open_catalogue(tmp_path / "target.db") as catalogue:
        yield catalogue


def _copy(source: Catalogue, target: Catalogue, tell: copying.Tell = lambda *_: None) -> copying.CopyReport:
    with source.read() as conn:
        return copy_catalogue(conn, target, tell)


def _contents(catalogue: Catalogue) -> dict[str, list[Any]]:
    """All rows as the database has them: SQL's NULL and JSON's null differ."""
    with catalogue.read() as conn:
        return {table.name: sorted(map(repr, conn.execute(text(f'SELECT * FROM "{table.name}"')))) for table in TABLES}


TABLES = copying.metadata.sorted_tables


def _interrupted(source: Catalogue, target: Catalogue, name: str, rows: int = 0) -> None:
    """A copy that ends when so many rows of a table are there."""

    def tell(table: str, done: int, _total: int) -> None:
        if (table, done) == (name, rows):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _copy(source, target, tell)


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
    assert len({table.digest for table in report.tables}) == len(TABLES)
    assert not report.resumed


def test_nothing_is_left_of_the_copy_itself(source: Catalogue, target: Catalogue, tmp_path: Path) -> None:
    _copy(source, target)
    with open_catalogue(tmp_path / "target.db") as opened, opened.read() as conn, source.read() as other:
        names = "SELECT name FROM sqlite_master ORDER BY name"
        assert list(conn.scalars(text(names))) == list(other.scalars(text(names)))


def test_an_id_that_was_given_once_does_not_come_again(source: Catalogue, target: Catalogue) -> None:
    with source.write() as conn:
        (seq,) = conn.execute(insert(events), {"at_us": 0, "kind": "INVENTORY", "detail": {}}).inserted_primary_key
        conn.execute(delete(events))
    _copy(source, target)
    with target.write() as conn:
        (again,) = conn.execute(insert(events), {"at_us": 0, "kind": "INVENTORY", "detail": {}}).inserted_primary_key
        values = {"device_id": "new", "first_seen_at_us": 0, "last_seen_at_us": 0}
        (computer,) = conn.execute(insert(computers), values).inserted_primary_key
    assert (again, computer) == (seq + 1, 10)


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


def test_no_server_starts_on_a_part(source: Catalogue, target: Catalogue, tmp_path: Path) -> None:
    _interrupted(source, target, "events")
    expected = "copy was not finished; the same `distd db copy` goes on with it"
    with pytest.raises(BadInput, match=expected), open_catalogue(tmp_path / "target.db"):
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


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_begins_anew_when_the_source_has_changed(source: Catalogue, target: Catalogue, change: Any) -> None:
    _interrupted(source, target, TABLES[-1].name, 2)
    with source.write() as conn:
        conn.execute(change)
    report = _copy(source, target)
    assert (report.resumed, report.begun_anew) == (False, True)
    assert _contents(target) == _contents(source)


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
    with target.write() as conn:
        conn.execute(text("CREATE UNIQUE INDEX more ON operators (substr(password_hash, 1, 0))"))
    with pytest.raises(Corrupt, match=r"table operators: .*keys \['1'\] to \['9'\]: UNIQUE"):
        _copy(source, target)


def test_only_an_empty_database_is_copied_into(source: Catalogue, target: Catalogue) -> None:
    with target.write() as conn:
        conn.execute(insert(package_ids).values(id=1))
        conn.execute(insert(operators).values(name="admin", password_hash=""))
    before = _contents(target)
    with pytest.raises(BadInput, match=r"to: expected an empty database, got one with rows in .*package_ids"):
        _copy(source, target)
    assert _contents(target) == before


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
        set_schema(conn, copying.SCHEMA)
    with pytest.raises(BadInput, match="to: expected an empty database of schema"):
        _copy(source, target)


def test_no_table_refers_to_itself_or_in_a_circle() -> None:
    """Tables are copied in an order that foreign keys allow, and rows of one in the order of the key."""
    seen: set[str] = set()
    for table in TABLES:
        assert {key.column.table.name for key in table.foreign_keys} <= seen
        seen.add(table.name)


def test_an_unfinished_copy_is_opened_only_as_it_is(target: Catalogue, tmp_path: Path) -> None:
    with target.write() as conn:
        set_schema(conn, copying.UNFINISHED)
    with open_as_it_is(tmp_path / "target.db") as catalogue, catalogue.read() as conn:
        assert conn.scalar(select(func.count()).select_from(computers)) == 0
