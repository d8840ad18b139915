"""What is asked of a database that is copied or checked: who else uses it, which ids it has given, what is damaged."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select, text

from distd.catalogue.dialect import upkeep
from distd.catalogue.dialect.sqlite import SqliteFile
from distd.catalogue.engine import open_catalogue
from distd.catalogue.schema import computers, operators, package_ids
from distd.catalogue.tables import metadata
from distd.domain.errors import Conflict

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.databases import PostgresqlTestDatabase

TABLES = metadata.sorted_tables
ON_POSTGRESQL = pytest.mark.parametrize(
    "database",
    [pytest.param("postgresql", marks=[pytest.mark.programs, pytest.mark.needs("pg_ctlcluster")])],
    indirect=True,
)


def test_while_a_database_is_held_nobody_writes(database: Any) -> None:
    """Who wants to waits until it is let go, and what is read stays as it is."""
    written = threading.Event()

    def write() -> None:
        with catalogue.write() as conn:
            conn.execute(insert(package_ids).values(id=1))
        written.set()

    with open_catalogue(database.make()) as catalogue:
        writer = threading.Thread(target=write)
        with catalogue.read() as conn:
            upkeep.hold(conn, TABLES)
            writer.start()
            assert not written.wait(0.3)
            assert list(conn.scalars(select(package_ids.c.id))) == []
        writer.join()
        assert written.is_set()


def test_ids_go_on_where_it_is_said(database: Any) -> None:
    with open_catalogue(database.place) as catalogue, catalogue.write() as conn:
        upkeep.set_counted_id(conn, computers, 0)
        assert upkeep.counted_id(conn, computers) == 0
        for last in (7, 2**40):
            upkeep.set_counted_id(conn, computers, last)
            assert upkeep.counted_id(conn, computers) == last
        conn.execute(insert(computers).values(device_id="a", first_seen_at_us=0, last_seen_at_us=0))
        assert list(conn.scalars(select(computers.c.id))) == [2**40 + 1]
        assert upkeep.counted_id(conn, computers) == 2**40 + 1
        assert upkeep.counted_id(conn, operators) is None


def test_a_whole_database_has_no_damage(database: Any) -> None:
    with open_catalogue(database.place) as catalogue:
        with catalogue.write() as conn:
            upkeep.gather_statistics(conn)
        with catalogue.read() as conn:
            assert upkeep.damage(conn) == []


@ON_POSTGRESQL
def test_what_postgresql_may_have_lost(database: PostgresqlTestDatabase) -> None:
    statements = (
        "ALTER TABLE operators ADD CONSTRAINT named CHECK (name <> '') NOT VALID",
        'ALTER TABLE operators ALTER password_hash TYPE text COLLATE "POSIX"',
    )
    with open_catalogue(database.make()) as catalogue:
        with catalogue.write() as conn:
            for statement in statements:
                conn.execute(text(statement))
        with catalogue.read() as conn:
            assert upkeep.damage(conn) == [
                "constraint named does not hold for all rows",
                'column operators.password_hash is ordered by the collation POSIX, not by "C"',
            ]


@ON_POSTGRESQL
def test_who_uses_a_database_is_seen(database: PostgresqlTestDatabase) -> None:
    place = database.make()
    with open_catalogue(place) as catalogue:
        with (
            open_catalogue(place),
            catalogue.read() as conn,
            pytest.raises(Conflict, match="from: a server or a command"),
        ):
            upkeep.hold(conn, TABLES)
        with catalogue.read() as conn:
            upkeep.hold(conn, TABLES)
            assert list(conn.scalars(select(package_ids.c.id))) == []


def test_who_uses_a_file_is_seen(tmp_path: Path, empty_sqlite: Path) -> None:
    path = tmp_path / "catalogue.db"
    path.write_bytes(empty_sqlite.read_bytes())
    with open_catalogue(path), pytest.raises(Conflict, match="from: a server or a command has it open; stop it first"):
        upkeep.require_alone(SqliteFile(path))
    upkeep.require_alone(SqliteFile(path))
    (tmp_path / "other").write_bytes(b"no database" * 1000)
    upkeep.require_alone(SqliteFile(tmp_path / "other"))
