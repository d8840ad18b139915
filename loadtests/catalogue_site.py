"""The data directories of `make bench-catalogue`: the same computers and a package on each kind of database."""

from __future__ import annotations

import contextlib
import json
import random
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import MetaData, Table, create_engine, insert, select

from distd.origin.installation import open_installation
from tests.programs.postgresql import running_cluster
from tests.programs.processes import DISTD, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue

USER_AGENT: Final = "OCS-NG_unified_unix_agent_v2.10.0"
ADDRESS: Final = "127.0.0.1"
KNOWN_SHARE: Final = 5  # one computer of so many has no assignment; all others have one of the package
COMMAND_S: Final = 900.0  # of a command, at most: a machine may be slow
ROWS: Final = 5000  # of one statement that fills a table
INVENTORY: Final = zlib.compress(json.dumps({"hardware": {"NAME": "x" * 200}}).encode())


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of database. `database`: what `distd init` gets as --database; empty: nothing. `program`: the `distd` that
    makes it and serves it, of this tree or of another. `pid`: of the database's own processes; None: it has none."""

    name: str
    database: str = ""
    program: str = DISTD
    pid: int | None = None

    @property
    def is_this_tree(self) -> bool:
        """Whether its code is this one, so that it can be called within this process."""
        return self.program == DISTD


@dataclass(frozen=True, slots=True)
class Site:
    """A data directory that is filled. Computers are named by their numbers, from 0 on: see `device_id`."""

    kind: Kind
    data: Path
    computers: int
    package_id: str

    @property
    def known(self) -> range:
        """The computers without an assignment."""
        return range(self.computers // KNOWN_SHARE)

    @property
    def assigned(self) -> range:
        """The computers with one."""
        return range(self.computers // KNOWN_SHARE, self.computers)


def device_id(number: int) -> str:
    """The DEVICEID of a computer."""
    return f"pc{number}-2026-01-01-00-00-00"


def shuffled(numbers: range) -> list[int]:
    """Always in the same order."""
    found = list(numbers)
    random.Random(1).shuffle(found)
    return found


@contextlib.contextmanager
def open_kinds(before: Path | None) -> Iterator[tuple[list[Kind], str]]:
    """SQLite, and a PostgreSQL that runs for as long as the block lasts and syncs what it commits to the disk; and the
    URL of another, empty database of it.

    `before`: another checkout with its virtual environment, which is measured too, on SQLite.
    """
    with running_cluster(durable=True) as cluster:
        url = cluster.url(cluster.create_database())
        pid = int((cluster.data / "postmaster.pid").read_text().split()[0])
        kinds = [Kind("SQLite"), Kind("PostgreSQL", url, pid=pid)]
        if before is not None:
            kinds.insert(0, Kind(f"SQLite, {before.name}", program=str(before / ".venv/bin/distd")))
        yield kinds, cluster.url(cluster.create_database())


async def make_site(kind: Kind, folder: Path, computers: int) -> Site:
    """A data directory in `folder` with so many computers, most of which have an assignment that waits for them."""
    folder.mkdir()
    data = folder / "site"
    more = ["--database", kind.database] if kind.database else []
    await run([kind.program, "init", "--data", str(data), "--host", "localhost", *more], timeout_s=COMMAND_S)
    (folder / "package").write_bytes(bytes(10_000))
    build = ["package", "build", str(folder / "package"), "--name", "Package", "--os", "LINUX", "--action", "STORE"]
    command = [kind.program, *build, "--path", "/tmp/x", "--data", str(data), "--json"]
    package_id = json.loads(await run(command, timeout_s=COMMAND_S))["id"]
    await run([kind.program, "package", "activate", package_id, "--data", str(data)], timeout_s=COMMAND_S)
    site = Site(kind, data, computers, package_id)
    if kind.is_this_tree:
        with open_installation(data) as installation, installation.catalogue.write() as conn:
            _fill(conn, site)
    else:  # of another version: only its file is known
        engine = create_engine(f"sqlite:///{data / 'catalogue.db'}")
        with engine.begin() as conn:
            _fill(conn, site)
        engine.dispose()
    return site


def _fill(conn: Connection, site: Site) -> None:
    now_us = int(time.time() * 1e6)
    times = {"first_seen_at_us": now_us, "last_seen_at_us": now_us, "last_inventory_at_us": now_us}
    same = {"user_agent": USER_AGENT, "address": ADDRESS, "os_name": "Debian GNU/Linux 12", "tag": "site 1", **times}
    rows = [
        {
            "device_id": device_id(number),
            "name": f"pc{number}",
            "ip": f"10.{number >> 16}.{number >> 8 & 255}.1",
            **same,
        }
        for number in range(site.computers)
    ]
    computers = _insert(conn, "computers", rows)
    ids = {row.device_id: row.id for row in conn.execute(select(computers.c.device_id, computers.c.id))}
    numbers = range(site.computers)
    _insert(conn, "inventories", [{"computer_id": ids[device_id(each)], "content": INVENTORY} for each in numbers])
    terms = {"package_id": site.package_id, "force": False, "schedule": "", "postcmd": "", "assigned_at_us": now_us}
    _insert(conn, "assignments", [{"computer_id": ids[device_id(each)], **terms} for each in site.assigned])


def _insert(conn: Connection, name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Fill the columns that the table of this version has; another version has no more and no other tables."""
    table = Table(name, MetaData(), autoload_with=conn)
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        conn.execute(insert(table), [{key: row[key] for key in row if key in table.c} for row in part])
    return table


@contextlib.contextmanager
def opened(site: Site) -> Iterator[Catalogue]:
    """Its catalogue, within this process."""
    with open_installation(site.data) as installation:
        yield installation.catalogue


def reset(site: Site, *, notified: bool) -> None:
    """No computer has a result, and each that has an assignment has been notified of it, or none has."""
    if site.kind.is_this_tree:
        with opened(site) as catalogue, catalogue.write() as conn:
            _reset(conn, notified=notified)
        return
    engine = create_engine(f"sqlite:///{site.data / 'catalogue.db'}")
    with engine.begin() as conn:
        _reset(conn, notified=notified)
    engine.dispose()


def _reset(conn: Connection, *, notified: bool) -> None:
    table = Table("assignments", MetaData(), autoload_with=conn)
    at_us = int(time.time() * 1e6) if notified else None
    values: dict[str, Any] = {"notified_at_us": at_us, "result": None, "result_at_us": None, "unproven_at_us": None}
    values |= {"state": "NOTIFIED" if notified else "WAITING", "unproven": False}
    known = {name: value for name, value in values.items() if name in table.c}
    changed = table.c.result.is_not(None) | (
        table.c.notified_at_us.is_(None) if notified else table.c.notified_at_us.is_not(None)
    )
    conn.execute(table.update().where(changed).values(known))
