"""A data directory, made once and copied for each test, and the command line run in this process."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from distd.cli.main import run

if TYPE_CHECKING:
    from pathlib import Path


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
        with sqlite3.connect(self.data / "catalogue.db") as database:
            database.execute(
                "INSERT INTO computers (device_id, first_seen_at_us, last_seen_at_us) VALUES (?, 1, 1)", (device_id,)
            )
        database.close()
        return device_id

    def snapshot(self) -> Any:
        """Everything on the disk and in the catalogue."""
        skipped = ("catalogue.db", "catalogue.db-wal", "catalogue.db-shm")
        paths = (path for path in sorted(self.data.rglob("*")) if path.name not in skipped)
        tree = {str(path.relative_to(self.data)): path.read_bytes() if path.is_file() else None for path in paths}
        database = sqlite3.connect(self.data / "catalogue.db")
        rows = list(database.iterdump())
        database.close()
        return tree, rows


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Any:
    data = tmp_path_factory.mktemp("template") / "site"
    assert run(["init", "--data", str(data), "--host", "localhost"]) == 0
    return data


@pytest.fixture
def site(template: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    shutil.copytree(template, tmp_path / "site", symlinks=True)
    return Site(tmp_path, capsys)
