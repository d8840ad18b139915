"""A data directory, made once and copied for each test, and the command line run in this process."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select

from distd.catalogue.dialect import database_of
from distd.catalogue.schema import computers
from distd.catalogue.tables import metadata
from distd.cli.main import run
from distd.origin.installation import open_installation, read_settings
from distd.storage.data_dir import DataDir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine


@dataclass
class Outcome:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Site:
    """A data directory and the commands on it."""

    def __init__(self, folder: Any, capsys: Any) -> None:
        self.folder = folder
        self.data = folder / "site"
        self._capsys = capsys

    def __call__(self, *arguments: Any, data: Any = True) -> Any:
        """Run `distd ARGUMENTS`, with --data unless told otherwise."""
        self._capsys.readouterr()
        status = run([*map(str, arguments), *(["--data", str(self.data)] if data else [])])
        return Outcome(status, *self._capsys.readouterr())

    def build(self, *options: Any, source: Any = None) -> Any:
        """A package of a small file; gives its id."""
        if source is None:
            source = self.folder / "hello.txt"
            source.write_bytes(b"hello\n" * 1000)
        order = ("--name", "Hello", "--os", "LINUX", "--action", "STORE", "--path", "/tmp/hello")
        done = self("package", "build", source, *order, *options, "--json")
        assert done.status == 0, done.err
        return done.json["id"]

    def computer(self, device_id: Any = "pc-2026-01-01-00-00-00") -> Any:
        """A computer that has been in contact."""
        return self.computers_seen([device_id])[0]

    def computers_seen(self, device_ids: list[str]) -> list[str]:
        """Computers that have been in contact, in this order."""
        with self.write() as conn:
            rows = [{"device_id": each, "first_seen_at_us": 1, "last_seen_at_us": 1} for each in device_ids]
            conn.execute(insert(computers), rows)
        return device_ids

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Into the catalogue."""
        with open_installation(self.data) as installation, installation.catalogue.write() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Out of the catalogue."""
        with open_installation(self.data) as installation, installation.catalogue.read() as conn:
            yield conn

    def snapshot(self) -> Any:
        """Everything on the disk and in the catalogue."""
        skipped = ("catalogue.db", "catalogue.db-wal", "catalogue.db-shm")
        paths = (path for path in sorted(self.data.rglob("*")) if path.name not in skipped)
        tree = {str(path.relative_to(self.data)): path.read_bytes() if path.is_file() else None for path in paths}
        with open_engine(self.data) as engine, engine.connect() as conn:
            order = {table: [*table.primary_key] for table in metadata.sorted_tables}
            rows = {table.name: conn.execute(select(table).order_by(*keys)).all() for table, keys in order.items()}
        return tree, rows


@contextmanager
def open_engine(data: Path) -> Iterator[Engine]:
    """The database of a data directory, whatever its schema is."""
    found = DataDir(data)
    engine = database_of(read_settings(found, {}).catalogue, found.catalogue).make_engine()
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Any:
    data = tmp_path_factory.mktemp("template") / "site"
    assert run(["init", "--data", str(data), "--host", "localhost"]) == 0
    return data


@pytest.fixture
def site(template: Any, tmp_path: Path, database: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    shutil.copytree(template, tmp_path / "site", symlinks=True)
    database.take_over(DataDir(tmp_path / "site"))
    return Site(tmp_path, capsys)
