"""A catalogue in SQLite's file: how it is set up, its log of changes, what is no catalogue."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select, text

from distd.catalogue.dialect import database as database_module
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.catalogue.schema import package_ids
from distd.domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distd.catalogue.engine import Catalogue


@pytest.fixture
def path(tmp_path: Path) -> Any:
    create_catalogue(tmp_path / "catalogue.db")
    return tmp_path / "catalogue.db"


@pytest.fixture
def catalogue(path: Any) -> Iterator[Any]:
    with open_catalogue(path) as opened:
        yield opened


def _numbers(catalogue: Catalogue) -> list[int]:
    with catalogue.read() as conn:
        return list(conn.scalars(select(package_ids.c.id).order_by(package_ids.c.id)))


def _add(catalogue: Catalogue, *numbers: int) -> None:
    with catalogue.write() as conn:
        for number in numbers:
            conn.execute(insert(package_ids).values(id=number))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", 30_000),
        ("journal_size_limit", 16_777_216),
    ],
)
def test_every_connection_is_set_up(catalogue: Any, pragma: Any, value: Any) -> None:
    with catalogue.read() as conn:
        assert conn.scalar(text(f"PRAGMA {pragma}")) == value


def test_a_lock_that_is_not_let_go_is_unavailable(path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_S", 0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with open_catalogue(path) as catalogue:
        with pytest.raises(Unavailable, match="catalogue: database is locked"), catalogue.write():
            pass
        other.execute("ROLLBACK")
        _add(catalogue, 1)
    other.close()


def test_a_full_disk_is_unavailable(catalogue: Any) -> None:
    with catalogue.write() as conn:
        conn.execute(text(f"PRAGMA max_page_count = {conn.scalar(text('PRAGMA page_count'))}"))
    with pytest.raises(Unavailable, match="full"):
        _add(catalogue, *range(10_000))
    assert _numbers(catalogue) == []


def _fill(catalogue: Catalogue, size: int) -> None:
    """So many rows at once, of some 10 bytes."""
    with catalogue.write() as conn:
        conn.execute(insert(package_ids), [{"id": number} for number in range(size)])


def _log_bytes(path: Path) -> int:
    return path.with_name("catalogue.db-wal").stat().st_size


def test_a_log_of_changes_that_has_grown_is_cut(path: Path, catalogue: Catalogue) -> None:
    _fill(catalogue, 20_000)
    grown_bytes = _log_bytes(path)
    assert grown_bytes > 100_000
    catalogue.limit_log(grown_bytes)
    assert _log_bytes(path) == grown_bytes, "it is not over its limit"
    catalogue.limit_log(grown_bytes - 1)
    assert _log_bytes(path) == 0
    assert len(_numbers(catalogue)) == 20_000
    catalogue.limit_log(0)


def test_a_log_of_changes_is_not_cut_under_those_who_need_it(path: Path, catalogue: Catalogue) -> None:
    """And nobody is waited for: neither a reader of an earlier state nor a writer."""
    with catalogue.read() as reader:
        assert list(reader.scalars(select(package_ids.c.id))) == []
        _fill(catalogue, 1000)
        catalogue.limit_log(0)
        assert _log_bytes(path) > 0
        assert list(reader.scalars(select(package_ids.c.id))) == []
    with catalogue.write() as conn:
        conn.execute(insert(package_ids).values(id=5000))
        catalogue.limit_log(0)
    catalogue.limit_log(0)
    assert _log_bytes(path) == 0
    with catalogue.read() as conn:
        assert conn.scalar(text("PRAGMA busy_timeout")) == 30_000, "as for all connections"


def test_a_catalogue_without_a_log_of_changes(path: Path, catalogue: Catalogue) -> None:
    path.with_name("catalogue.db-wal").unlink()
    catalogue.limit_log(0)


def test_deleted_rows_make_pages_that_are_used_again(catalogue: Catalogue) -> None:
    assert catalogue.reusable_bytes() == 0
    _fill(catalogue, 20_000)
    with catalogue.write() as conn:
        conn.execute(delete(package_ids))
    freed_bytes = catalogue.reusable_bytes() or 0
    assert freed_bytes > 100_000
    _fill(catalogue, 10_000)
    assert 0 < (catalogue.reusable_bytes() or 0) < freed_bytes


def _foreign(path: Any) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE something (x)")
    connection.close()


CREATES = {
    "nothing there": lambda path: None,
    "a directory": lambda path: path.mkdir(),
    "no database": lambda path: path.write_bytes(b"this is no database at all" * 100),
    "somebody else's database": _foreign,
    "an empty file": lambda path: path.touch(),
}


@pytest.mark.parametrize("create", CREATES.values(), ids=CREATES)
def test_what_is_no_catalogue_is_refused(tmp_path: Path, create: Any) -> None:
    path = tmp_path / "catalogue.db"
    create(path)
    with pytest.raises(BadInput, match="data: expected a data directory made by `distd init`"), open_catalogue(path):
        pass


def _age(path: Path) -> None:
    """Make the last write one of a second ago."""
    log = path.with_name("catalogue.db-wal")
    earlier_s = log.stat().st_mtime - 1
    os.utime(log, (earlier_s, earlier_s))


def test_a_write_of_another_is_another_last_write(path: Any, catalogue: Any) -> None:
    assert catalogue.last_write() is None  # nobody has opened it
    _add(catalogue, 1)
    assert catalogue.last_write() is None  # one within the same tick could not be told from it
    _age(path)
    before = catalogue.last_write()
    assert before is not None
    assert _numbers(catalogue) == [1]
    assert catalogue.last_write() == before
    with open_catalogue(path) as other:
        _add(other, 2)
        assert catalogue.last_write() is None
        _age(path)
        assert catalogue.last_write() not in (None, before)
