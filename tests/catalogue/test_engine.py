"""A catalogue: who may write when, what an older and a newer schema are. On each database."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from distd.catalogue import engine as module
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.catalogue.schema import activations, operators, package_ids
from distd.domain.errors import BadInput, Corrupt, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distd.catalogue.dialect.database import Database
    from distd.catalogue.engine import Catalogue


@pytest.fixture
def place(database: Any) -> Any:
    """Of a catalogue whose tables a test may change."""
    return database.make()


@pytest.fixture
def catalogue(database: Any) -> Iterator[Any]:
    with open_catalogue(database.place) as opened:
        yield opened


def _numbers(catalogue: Catalogue) -> list[int]:
    with catalogue.read() as conn:
        return list(conn.scalars(select(package_ids.c.id).order_by(package_ids.c.id)))


def _add(catalogue: Catalogue, *numbers: int) -> None:
    with catalogue.write() as conn:
        for number in numbers:
            conn.execute(insert(package_ids).values(id=number))


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
    with pytest.raises((DBAPIError, Corrupt)), catalogue.read() as conn:
        conn.execute(text("SELECT * FROM nothing"))


def test_a_catalogue_is_not_made_over_another(place: Database) -> None:
    with pytest.raises(BadInput, match=r"no catalogue there yet|a database without tables"):
        create_catalogue(place)


def test_an_empty_database_is_no_catalogue(database: Any) -> None:
    place = database.make(empty=True)
    with pytest.raises(BadInput, match="data: expected a data directory made by `distd init`"), open_catalogue(place):
        pass


def test_somebody_elses_database_is_no_catalogue(database: Any) -> None:
    place = database.make(empty=True)
    engine = place.make_engine()
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE something (x INTEGER)"))
    engine.dispose()
    with pytest.raises(BadInput, match="data: expected a data directory made by `distd init`"), open_catalogue(place):
        pass


def test_a_newer_schema_is_refused_and_left_alone(place: Database) -> None:
    with open_catalogue(place) as catalogue, catalogue.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(BadInput) as caught, open_catalogue(place):
        pass
    assert str(caught.value) == (
        f"data: expected a data directory of schema up to {module.SCHEMA}, got schema 0999; "
        "it was written by a newer distd: upgrade distd"
    )
    assert _columns(place)[1] == "0999"


def test_an_older_schema_is_migrated_in_one_transaction(
    place: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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
    with pytest.raises(RuntimeError, match="midway"), open_catalogue(place):
        pass
    assert _columns(place) == (COLUMNS, old)
    newest.write_text(head + add)
    with open_catalogue(place):
        assert _columns(place) == ([*COLUMNS, "mail"], new)


COLUMNS = [column.name for column in operators.columns]


def _columns(place: Database) -> tuple[list[str], str]:
    engine = place.make_engine()
    with engine.connect() as conn:
        names = [column["name"] for column in inspect(conn).get_columns("operators")]
        version = conn.scalar(text("SELECT version_num FROM alembic_version")) or ""
    engine.dispose()
    return names, version


def test_what_is_opened_later_is_looked_at_when_it_is_first_used(place: Database) -> None:
    """By all threads that use it, once; also where it fails."""
    with open_catalogue(place) as catalogue, catalogue.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    engine = place.make_engine()
    catalogue = module.Catalogue(place, engine)
    catalogue.settle_later()
    for transaction in (catalogue.read, catalogue.write):
        with pytest.raises(BadInput, match="upgrade distd"), transaction():
            pass
    with engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = :schema"), {"schema": module.SCHEMA})
    threads = [threading.Thread(target=_add, args=(catalogue, number)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _numbers(catalogue) == list(range(4))
    engine.dispose()


def test_in_an_outage_one_tries_and_the_others_are_refused_at_once(catalogue: Any) -> None:
    catalogue.outage.failed("the server is gone", reads=False)
    with pytest.raises(Unreachable, match="catalogue: the server is gone"), catalogue.read():
        pass
    with pytest.raises(Unreachable), catalogue.write():
        pass


# Reads and then writes in one transaction: with a deferred BEGIN most of them would end by "database is locked".
COUNTER = """
import sys
from sqlalchemy import func, insert, select
from pathlib import Path
from distd.catalogue.dialect import database_of
from distd.catalogue.engine import open_catalogue
from distd.catalogue.schema import package_ids
from distd.domain.settings import CatalogueSettings
with open_catalogue(database_of(CatalogueSettings(sys.argv[1]), Path(sys.argv[2]))) as catalogue:
    for _ in range(100):
        with catalogue.write() as conn:
            newest = conn.scalar(select(func.max(package_ids.c.id))) or 0
            conn.execute(insert(package_ids).values(id=newest + 1))
"""


def test_two_processes_write_at_once(database: Any, tmp_path: Path) -> None:
    place, file = database.place, tmp_path / "catalogue.db"
    writers = [subprocess.Popen([sys.executable, "-c", COUNTER, database.url, str(file)]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    with open_catalogue(place) as catalogue:
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
