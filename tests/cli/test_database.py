"""`distd db …`: a catalogue is copied both ways, migrated and checked, and what cannot be is one line."""

from __future__ import annotations

import sqlite3
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.dialect.sqlite import SqliteFile
from distd.catalogue.engine import SCHEMA, open_as_it_is, open_catalogue, set_schema
from distd.catalogue.tables import metadata
from tests.catalogue.old_schema import make_old

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs.postgresql import Cluster

# The data directory begins with a file; where a test needs another database it makes one.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def on_postgresql(test: Any) -> Any:
    """A test that starts one."""
    return pytest.mark.programs(pytest.mark.needs("pg_ctlcluster")(test))


@pytest.fixture
def other(site: Any, tmp_path: Path) -> Path:
    """A data directory whose catalogue is gone, so that one can be made there."""
    assert site("init", "--data", tmp_path / "other", "--host", "localhost", data=False).status == 0
    (tmp_path / "other" / "catalogue.db").unlink()
    return tmp_path / "other"


def _copy(site: Any, source: object, target: object, *options: str) -> Any:
    return site("db", "copy", "--from", source, "--to", target, *options, data=False)


def _url(root: Path) -> str:
    found: str = tomllib.loads((root / "distd.toml").read_text())["catalogue"].get("url", "")
    return found


def test_a_copy_is_told(site: Any, other: Path) -> None:
    site.computer()
    before = site.snapshot()
    done = _copy(site, site.data, other)
    assert (done.status, done.err) == (0, "")
    line = next(line for line in done.out.splitlines() if line.startswith("computers "))
    assert line.split()[1:] == ["1", line.split()[2]]
    assert f"Copied to        {other / 'catalogue.db'}" in done.out
    assert site.snapshot() == before
    assert (other / "catalogue.db").stat().st_mode & 0o777 == 0o640
    (row,) = site("computer", "list", "--json", "--data", other, data=False).json["items"]
    assert row["device_id"] == "pc-2026-01-01-00-00-00"


def test_a_copy_for_scripts(site: Any, other: Path) -> None:
    report = _copy(site, site.data, other, "--json").json
    assert report.keys() == {"tables", "resumed", "begun_anew", "switched"}
    assert [table["name"] for table in report["tables"]] == [table.name for table in metadata.sorted_tables]
    tables = {table["name"]: table for table in report["tables"]}
    checked = site("db", "check", "--json", "--data", other, data=False).json
    assert {table["name"]: table for table in checked["tables"]} == tables


@on_postgresql
def test_to_postgresql_and_back(site: Any, postgresql_cluster: Cluster) -> None:
    """With what was written in between."""
    url = postgresql_cluster.url(postgresql_cluster.create_database())
    site.computer("before")
    there = _copy(site, site.data, url, "--switch", "--json").json
    assert (there["switched"], _url(site.data)) == (str(site.data), url)
    assert [row["device_id"] for row in site("computer", "list", "--json").json["items"]] == ["before"]
    assert site("computer", "delete", "before").status == 0
    (site.data / "catalogue.db").rename(site.data / "catalogue.old")
    back = _copy(site, site.data, site.data, "--switch", "--json").json
    assert (back["switched"], _url(site.data)) == (str(site.data), "")
    assert site("db", "check").status == 0
    assert site("computer", "list", "--json").json["items"] == []
    assert site("events", "--json").json["items"][-1]["kind"] == "COMPUTER_DELETED"


REFUSED: dict[str, tuple[list[str], str]] = {
    "no data directory": (["--from", "{tmp}", "--to", "{other}"], "--data: expected a data directory"),
    "nothing": (["--from", "", "--to", "{other}"], "--from: expected a data directory or a URL, got nothing"),
    "a URL with a password": (
        ["--from", "{site}", "--to", "postgresql://a:b@h/n"],
        "--to: expected postgresql://USER@HOST/NAME, got a URL with a password in it",
    ),
    "another URL": (["--from", "mysql://h/n", "--to", "{other}"], "--from: expected postgresql://USER@HOST/NAME"),
    "into itself": (["--from", "{site}", "--to", "{site}"], "--to: expected another database than that of --from"),
    "a switch of two": (["--from", "{site}", "--to", "{other}", "--switch"], "--switch: expected one data directory"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_copied(site: Any, other: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    named = {"tmp": tmp_path, "site": site.data, "other": other}
    done = site("db", "copy", *(argument.format(**named) for argument in arguments), data=False)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert message.removeprefix("--data: ") in done.err


def test_what_is_in_use_is_not_copied(site: Any, other: Path) -> None:
    with open_catalogue(site.data / "catalogue.db"):
        done = _copy(site, site.data, other)
        assert (done.status, done.err) == (1, "distd: --from: a server or a command has it open; stop it first\n")
    assert not (other / "catalogue.db").exists()
    assert _copy(site, site.data, other).status == 0


@on_postgresql
def test_what_is_in_use_in_postgresql_is_not_copied(site: Any, other: Path, postgresql_cluster: Cluster) -> None:
    name = postgresql_cluster.create_catalogue()
    with open_catalogue(postgresql_cluster.database(name)):
        done = _copy(site, postgresql_cluster.url(name), other)
        assert (done.status, done.err) == (1, "distd: --from: a server or a command has it open; stop it first\n")
    assert _copy(site, postgresql_cluster.url(name), other).status == 0


def test_nobody_writes_what_is_being_copied(site: Any, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def tell(_table: str, _done: int, _total: int) -> None:
        writer = sqlite3.connect(site.data / "catalogue.db", timeout=0, isolation_level=None)
        try:
            writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            tried.append(str(error))
        writer.close()

    monkeypatch.setattr("distd.cli.database._tell", tell)
    assert _copy(site, site.data, other).status == 0
    assert set(tried) == {"database is locked"}


def test_an_interrupted_copy_goes_on(site: Any, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(table: str, _done: int, _total: int) -> None:
        if table == "operators":
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("distd.cli.database._tell", tell)
        assert _copy(site, site.data, other, "--switch").status == 2, "two directories"
        assert _copy(site, site.data, other).status == 130
    done = site("computer", "list", "--data", other, data=False)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "copy was not finished; the same `distd db copy` goes on with it" in done.err
    assert _copy(site, site.data, other, "--json").json["resumed"]


def test_a_schema_is_brought_up_to_date(site: Any) -> None:
    assert site("db", "migrate").out == f"The schema is {SCHEMA} already.\n"
    (site.data / "catalogue.db").unlink()
    make_old(SqliteFile(site.data / "catalogue.db"), "0001")
    planned = site("db", "migrate", "--dry-run")
    assert planned.out.splitlines()[0] == "0002  Versions of packages: edited, superseded, withdrawn."
    assert planned.out.endswith("Nothing is changed.\n")
    assert site("db", "check").status == 1
    report = site("db", "migrate", "--json").json
    assert (report["from"], report["to"], report["done"]) == ("0001", SCHEMA, True)
    assert report["steps"][0]["revision"] == "0002"
    assert (site("db", "check").status, site("db", "migrate", "--json").json["steps"]) == (0, [])


@pytest.mark.parametrize("schema", ["9999", f"copying {SCHEMA}"])
def test_another_schema_is_refused(site: Any, other: Path, schema: str) -> None:
    with open_as_it_is(site.data / "catalogue.db") as catalogue, catalogue.write() as conn:
        set_schema(conn, schema)
    done = site("db", "migrate")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert f"got schema {schema}" in done.err
    done = _copy(site, site.data, other)
    assert (done.status, done.err.count("\n")) == (1, 1)


def test_faults_are_lines_and_a_status(site: Any) -> None:
    connection = sqlite3.connect(site.data / "catalogue.db")
    connection.execute("INSERT INTO inventories (computer_id, content) VALUES (7, '')")
    connection.commit()
    connection.close()
    done = site("db", "check")
    assert (done.status, done.err.splitlines()[0]) == (
        1,
        "distd: table inventories: 1 rows whose computer_id is not in computers: 7",
    )
    assert site("db", "check", "--json").json["faults"] == [
        line.removeprefix("distd: ") for line in done.err.splitlines()
    ]
