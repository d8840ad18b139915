"""The catalogue's file: what opens, what does not, and who may write when."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from distd.catalogue import engine as module
from distd.catalogue.dialect import database as database_module
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.catalogue.schema import activations, package_ids
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


def test_a_write_is_committed_or_rolled_back_as_a_whole(catalogue: Any) -> None:
    _add(catalogue, 1)
    with pytest.raises(IntegrityError):
        _add(catalogue, 2, 3, 1)
    assert _numbers(catalogue) == [1]


def test_a_reader_sees_one_state_while_another_writes(catalogue: Any) -> None:
    with catalogue.read() as reader:
        assert list(reader.scalars(select(package_ids.c.id))) == []
        _add(catalogue, 1)
        assert list(reader.scalars(select(package_ids.c.id))) == []
    assert _numbers(catalogue) == [1]


def test_foreign_keys_hold(catalogue: Any) -> None:
    with pytest.raises(IntegrityError), catalogue.write() as conn:
        conn.execute(insert(activations).values(package_id="17", activated_at_us=0))


def test_a_bug_of_ours_is_not_called_unavailable(catalogue: Any) -> None:
    with pytest.raises(OperationalError), catalogue.read() as conn:
        conn.execute(text("SELECT * FROM nothing"))


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


def test_a_catalogue_is_not_made_over_another(path: Any) -> None:
    with pytest.raises(BadInput, match="no catalogue there yet"):
        create_catalogue(path)


def _set_schema(path: Any, version: Any) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_a_newer_schema_is_refused_and_left_alone(path: Any) -> None:
    _set_schema(path, "0999")
    before = path.read_bytes()
    with pytest.raises(BadInput) as caught, open_catalogue(path):
        pass
    assert str(caught.value) == (
        f"data: expected a data directory of schema up to {module.SCHEMA}, got schema 0999; "
        "it was written by a newer distd: upgrade distd"
    )
    assert path.read_bytes() == before


def test_an_older_schema_is_migrated_in_one_transaction(
    path: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a migration that exists only here; one that fails leaves the old schema."""
    scripts = tmp_path / "migrations"
    shutil.copytree(module._MIGRATIONS, scripts)
    old, new = module.SCHEMA, "9999"
    newest = scripts / "versions" / f"{new}_newest.py"
    revisions = f"revision, down_revision = '{new}', '{old}'"
    head = f"from alembic import op\nimport sqlalchemy as sa\n{revisions}\ndef upgrade():\n"
    add = (
        "    with op.batch_alter_table('operators') as batch:\n        batch.add_column(sa.Column('mail', sa.String))\n"
    )
    monkeypatch.setattr(module, "_MIGRATIONS", scripts)
    monkeypatch.setattr(module, "SCHEMA", new)

    newest.write_text(head + add + "    raise RuntimeError('midway')\n")
    with pytest.raises(RuntimeError, match="midway"), open_catalogue(path):
        pass
    assert _columns(path) == (["name", "password_hash"], old)
    newest.write_text(head + add)
    with open_catalogue(path):
        assert _columns(path) == (["name", "password_hash", "mail"], new)


def _columns(path: Any) -> Any:
    connection = sqlite3.connect(path)
    names = [row[1] for row in connection.execute("PRAGMA table_info(operators)")]
    (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    return names, version


# Reads and then writes in one transaction: with a deferred BEGIN most of them would end by "database is locked".
COUNTER = """
import sys
from pathlib import Path
from sqlalchemy import func, insert, select
from distd.catalogue.engine import open_catalogue
from distd.catalogue.schema import package_ids
with open_catalogue(Path(sys.argv[1])) as catalogue:
    for _ in range(100):
        with catalogue.write() as conn:
            newest = conn.scalar(select(func.max(package_ids.c.id))) or 0
            conn.execute(insert(package_ids).values(id=newest + 1))
"""


def test_two_processes_write_at_once(path: Any) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", COUNTER, path]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    with open_catalogue(path) as catalogue:
        assert _numbers(catalogue) == list(range(1, 201))


def test_threads_write_at_once(catalogue: Any) -> None:
    def add(numbers: Any) -> None:
        for number in numbers:
            _add(catalogue, number)

    threads = [threading.Thread(target=add, args=(range(start, 200, 4),)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _numbers(catalogue) == list(range(200))
