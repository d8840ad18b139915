"""A large site for `make bench-console`: computers with software, packages, a roll-out to half of the computers."""

from __future__ import annotations

import json
import random
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from distd.catalogue import schema
from distd.domain.results import Outcome
from distd.domain.rollout import MAX_STEP
from distd.domain.settings import DownloadConfig
from distd.origin.deployments import rollout_advance
from distd.origin.installation import open_installation
from distd.origin.packages import counters
from loadtests.searched_site import DAY_S, NOW_S, fill
from tests.programs import commands

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


PACKAGES: Final = 500
ACTIVE: Final = 60
ALSO_DEPLOYED: Final = 10  # packages that all computers of the roll-out have had before
AT_ONCE: Final = 10_000
SOURCE_BYTES: Final = 1_000_000
FRAGMENTS: Final = 16  # of 64 kB
# Percent of the computers of a deployment; the others wait.
STATES: Final = {
    (Outcome.SUCCESS, "SUCCESS"): 55,
    (Outcome.DOWNLOADING, None): 15,
    (Outcome.NOTIFIED, "NOTIFIED"): 10,
    (Outcome.FAILED, "ERR_EXECUTE"): 2,
    (Outcome.FAILED, "EXIT_CODE_1603"): 1,
}


@dataclass(frozen=True, slots=True)
class LargeSite:
    """`package`: the one that is rolled out; `known`: what stands for {…} in addresses of pages."""

    data: Path
    computers: int
    package: str
    password: str
    rolled_out: int
    known: dict[str, str]


def large_site(folder: Path, computers: int) -> LargeSite:
    """Its data directory, in `folder`, made unless it is there; half of the computers are in the roll-out."""
    notes = folder / "site.json"
    if notes.exists():
        return LargeSite(**{**json.loads(notes.read_text()), "data": folder / "site"})
    folder.mkdir(exist_ok=True)
    made = _make(folder, computers)
    notes.write_text(json.dumps({**asdict(made), "data": ""}))
    return made


def _make(folder: Path, computers: int) -> LargeSite:
    data = folder / "site"
    password = commands.distd(data, "init", "--host", "localhost")["password"]
    with open_installation(data) as installation:
        fill(installation.catalogue.write, computers)
        with installation.catalogue.write() as conn:
            _bring_up_to_date(conn)
    package = _build(data, folder)
    commands.distd(data, "mirror", "add", "lyon", "--url", "http://mirror.example.org:8080")
    commands.distd(data, "group", "create", "Class A", "--filter", 'tag = "site 7"')
    half = computers // 2
    waves = ("--wave", str(half), "--wave", "rest")
    commands.distd(data, "rollout", "create", "by waves", package, "--filter", "windows", *waves)
    commands.distd(data, "rollout", "start", "by waves")
    with open_installation(data) as installation:
        for _ in range(half // MAX_STEP + 1):
            with installation.catalogue.read() as conn:
                (rollout_id,) = rollout_advance.list_active(conn)
                due = rollout_advance.find_due(conn, rollout_id, time.time(), DownloadConfig())
            with installation.catalogue.write() as conn:
                if due is not None:
                    rollout_advance.advance_due(conn, due, time.time(), DownloadConfig())
        with installation.catalogue.write() as conn:
            rolled_out = _spread(conn, package)
            device_id = str(conn.scalar(select(schema.computers.c.device_id).where(schema.computers.c.id == 7)))
    known = {"package": package, "computer": device_id, "group": "Class%20A"}
    return LargeSite(data, computers, package, password, rolled_out, known)


def _bring_up_to_date(conn: Connection) -> None:
    """The site was made as of another day."""
    shift_us = (int(time.time()) - NOW_S - DAY_S) * 1_000_000
    names = ("first_seen_at_us", "last_seen_at_us", "last_inventory_at_us")
    columns = [schema.computers.c[name] for name in names]
    conn.execute(update(schema.computers).values({column: column + shift_us for column in columns}))


def _build(data: Path, folder: Path) -> str:
    """All packages, and the id of the one that is rolled out."""
    source = folder / "setup.exe"
    source.write_bytes(random.Random(1).randbytes(SOURCE_BYTES))
    options = ("--os", "WINDOWS", "--action", "EXECUTE", "--command")
    for number in range(PACKAGES - 1):
        name = f"Package {number:03}"
        built = commands.distd(data, "package", "build", *options, f"setup {number} /S", "--name", name)
        if number < ACTIVE:
            commands.distd(data, "package", "activate", built["id"])
    cut = ("--fragments", FRAGMENTS, "--priority", 1)
    package = commands.distd(data, "package", "build", source, *options, "setup.exe /S", "--name", "Putty", *cut)["id"]
    commands.distd(data, "package", "activate", package)
    return str(package)


def _spread(conn: Connection, package_id: str) -> int:
    """The computers of the roll-out over the states, in the last hours; others have deployed packages before. How many
    computers it has."""
    draw, now_us = random.Random(1), int(time.time() * 1_000_000)
    mine = schema.assignments.c.package_id == package_id
    ids = list(conn.scalars(select(schema.assignments.c.id).where(mine)))
    draw.shuffle(ids)
    count, start = len(ids), 0
    for (state, code), percent in STATES.items():
        some = ids[start : start + count * percent // 100]
        start += len(some)
        for place in range(0, len(some), AT_ONCE // 20):
            at_us = now_us - draw.randrange(6 * 3600) * 1_000_000
            ended_us = at_us if state in (Outcome.SUCCESS, Outcome.FAILED) else None
            values = {"state": state, "result": code, "notified_at_us": at_us - 600_000_000, "result_at_us": ended_us}
            of_these = schema.assignments.c.id.in_(some[place : place + AT_ONCE // 20])
            conn.execute(update(schema.assignments).where(of_these).values(**values))
    kept = ("computer_id", "force", "schedule", "postcmd", "assigned_at_us", "state", "result", "notified_at_us")
    columns = [schema.assignments.c[name] for name in (*kept, "result_at_us")]
    rows = [row._asdict() for row in conn.execute(select(*columns).where(mine))]
    others = schema.packages.c.id != package_id
    for other in conn.scalars(select(schema.packages.c.id).where(others).limit(ALSO_DEPLOYED)).all():
        more: list[dict[str, Any]] = [row | {"package_id": other} for row in rows]
        conn.execute(insert(schema.assignments), more)
    counters.recount_all(conn)
    return count
