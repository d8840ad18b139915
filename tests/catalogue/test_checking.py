"""A catalogue that is whole has no faults; each kind of fault is a line that says where."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.checking import check_catalogue
from distd.catalogue.engine import SCHEMA, create_catalogue, open_as_it_is
from distd.catalogue.tables import metadata
from distd.domain.errors import BadInput
from tests.catalogue.rows import fill

if TYPE_CHECKING:
    from pathlib import Path

    from distd.catalogue.checking import CheckReport


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalogue with rows in every table."""
    create_catalogue(tmp_path / "catalogue.db")
    with open_as_it_is(tmp_path / "catalogue.db") as catalogue, catalogue.write() as conn:
        fill(conn, metadata)
    return tmp_path / "catalogue.db"


def _check(path: Path) -> CheckReport:
    with open_as_it_is(path) as catalogue, catalogue.read() as conn:
        return check_catalogue(conn)


def _damage(path: Path, *statements: str) -> None:
    """Without foreign keys, as a damaged disk or another program would do it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema = ON")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_whole_catalogue_has_no_faults(path: Path) -> None:
    report = _check(path)
    assert (report.schema, report.faults) == (SCHEMA, ())
    assert [(table.name, table.rows) for table in report.tables] == [
        (table.name, 5) for table in metadata.sorted_tables
    ]
    assert _check(path) == report


FAULTS: dict[str, tuple[list[str], str]] = {
    "a row that refers to none": (
        ["UPDATE inventories SET computer_id = 77 WHERE computer_id = 1"],
        "table inventories: 1 rows whose computer_id is not in computers: 77",
    ),
    "many of them": (
        ["DELETE FROM packages"],
        "table assignments: 5 rows whose package_id is not in packages: 1, 3, 5 …",
    ),
    "ids that would come again": (
        ["UPDATE sqlite_sequence SET seq = 4 WHERE name = 'computers'"],
        "table computers: the next id would be 5, and there is 9",
    ),
    "ids that are not counted": (
        ["DELETE FROM sqlite_sequence WHERE name = 'events'"],
        "table events: the next seq would be 1, and there is 9",
    ),
    "JSON that is none": (
        ["UPDATE events SET detail = '{' WHERE seq = 3"],
        "table events: a row cannot be read: Expecting property name",
    ),
    "an index that is gone": (["DROP INDEX ix_events_package"], "the schema differs: add_index ix_events_package"),
    "a column that is too much": (["ALTER TABLE operators ADD mail TEXT"], "the schema differs: remove_column"),
    "a table that is gone": (["DROP TABLE mirror_rules"], "the schema differs: add_table mirror_rules"),
    "another schema": (["UPDATE alembic_version SET version_num = '0003'"], "the schema is 0003, and this"),
    "a value that may not be": (
        ["UPDATE sqlite_master SET sql = replace(sql, 'os VARCHAR(16) NOT NULL', 'os VARCHAR(16)')"],
        "the schema differs: modify_nullable packages os",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_a_line(path: Path, statements: list[str], fault: str) -> None:
    _damage(path, *statements)
    found = [line for line in _check(path).faults if line.startswith(fault)]
    assert found, _check(path).faults
    assert not any("\n" in line for line in found)


def test_what_is_no_catalogue_is_not_checked(path: Path) -> None:
    _damage(path, "DROP TABLE alembic_version")
    with pytest.raises(BadInput, match="got another database"):
        _check(path)


def test_damage_that_the_database_finds(path: Path) -> None:
    """An index without the entry of a row."""
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_events_package'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size + 3 : (page - 1) * size + 5] = (2).to_bytes(2)  # the number of entries on it
    path.write_bytes(content)
    assert any("ix_events_package" in line for line in _check(path).faults)


def test_faults_are_limited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distd.catalogue.checking.MAX_FAULTS", 2)
    _damage(path, "DELETE FROM packages", "DELETE FROM computers")
    assert len(_check(path).faults) == 2


def test_nothing_is_changed(path: Path) -> None:
    _damage(path, "DELETE FROM packages")
    before = _dump(path)
    _check(path)
    assert _dump(path) == before


def _dump(path: Path) -> Any:
    connection = sqlite3.connect(path)
    rows = list(connection.iterdump())
    connection.close()
    return rows
