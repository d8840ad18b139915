"""`make bench-catalogue`: contacts, inventories, results, lists and searches on SQLite and on PostgreSQL, in one run.

Each round measures every case on every database, one after the other, so that what else the machine does meets all of
them alike; medians of the rounds are shown. PostgreSQL syncs to the disk, as in earnest, and both databases lie on the
same disk (`TMPDIR`). The searches are those of `make bench-search`, on a site of their own with software.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import trio

from agentsim.report.terminal import show
from distd.report.page import Table
from loadtests import machine, results, search
from loadtests.catalogue_batch import medians_ms, run_batch, watched_statements
from loadtests.catalogue_cases import LISTS, POSTS
from loadtests.catalogue_site import COMMAND_S, USER_AGENT, make_site, open_kinds, opened, reset
from loadtests.results import goal_row, goal_table
from tests.programs import wrk
from tests.programs.processes import run, serve_command, started_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.catalogue.engine import Catalogue
    from loadtests.catalogue_cases import PostCase
    from loadtests.catalogue_site import Kind, Site
    from tests.programs.processes import RunningServer

BATCH: Final = 64
CONNECTIONS: Final = 64
BATCHES: Final = 20  # of each round
PROGRAMS: Final = ("wrk", "MariaDB")
LOCAL: Final = "127.0.0.1:0"
NO_SLOWER: Final = 0.95  # to the version before: measured in turn, the ratio of two equal servers is within 5 %
SCRIPT: Final = """\
local file = io.open("{path}", "rb")
local data = file:read("*a")
file:close()
local bodies, at = {{}}, 1
while at <= #data do
  local high, middle, low = data:byte(at, at + 2)
  local size = high * 65536 + middle * 256 + low
  bodies[#bodies + 1] = data:sub(at + 3, at + 2 + size)
  at = at + 3 + size
end
local headers = {{["Content-Type"] = "application/x-compress", ["User-Agent"] = "{user_agent}"}}
local last = 0
request = function()
  last = last % #bodies + 1
  return wrk.format("POST", "/ocsinventory", headers, bodies[last])
end
"""


class Bench:
    """The sites, and what was measured so far: figures by the names of case and kind, a round after the other."""

    def __init__(self, folder: Path, sites: Sequence[Site], seconds: int) -> None:
        self.folder = folder
        self.sites = sites
        self.seconds = seconds
        self.loads: defaultdict[tuple[str, str], list[wrk.Load]] = defaultdict(list)
        self.cpu_us: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        self.batches: defaultdict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
        self.lists_s: defaultdict[tuple[str, str], list[float]] = defaultdict(list)

    async def load(self, case: PostCase, site: Site, server: RunningServer) -> None:
        """A slice of `seconds` through a server."""
        await trio.to_thread.run_sync(self.prepare, case, site)
        script = self.script(case, site)
        before_s = _cpu_s(server, site.kind)
        load = await wrk.load(f"http://{server.http}/", CONNECTIONS, self.seconds, self.folder, script)
        if load.errors:
            raise SystemExit(f"{case.name}, {site.kind.name}: {load.errors}")
        used_s = [after - before for before, after in zip(before_s, _cpu_s(server, site.kind), strict=True)]
        self.loads[case.name, site.kind.name].append(load)
        server_us, database_us = (used * 1e6 / load.requests for used in used_s)
        self.cpu_us[case.name, site.kind.name].append((server_us, database_us))

    def script(self, case: PostCase, site: Site) -> str:
        """The Lua of wrk that posts the case's bodies, one after the other."""
        path = self.folder / "bodies"
        path.write_bytes(b"".join(len(body).to_bytes(3) + body for body in case.bodies(site)))
        return SCRIPT.format(path=path, user_agent=USER_AGENT)

    def batch(self, case: PostCase, site: Site, catalogue: Catalogue) -> None:
        """Some batches within this process."""
        self.prepare(case, site)
        bodies = case.bodies(site)[: BATCHES * BATCH]
        with watched_statements() as statements:
            for start in range(0, len(bodies), BATCH):
                found = run_batch(catalogue, bodies[start : start + BATCH], statements)
                self.batches[case.name, site.kind.name].append(found)

    def prepare(self, case: PostCase, site: Site) -> None:
        """No computer knows of its assignment yet, or, where the case wants it, each does."""
        reset(site, notified=case.notified)

    def ask(self, site: Site, catalogue: Catalogue) -> None:
        """Each list once."""
        for case in LISTS:
            begun_s = time.perf_counter()
            with catalogue.read() as conn:
                case.ask(conn, site)
            self.lists_s[case.name, site.kind.name].append(time.perf_counter() - begun_s)


def _cpu_s(server: RunningServer, kind: Kind) -> tuple[float, float]:
    """CPU time so far of the server and of its database."""
    return machine.cpu_s(server.process.pid), 0.0 if kind.pid is None else machine.cpu_s(kind.pid)


async def through_servers(bench: Bench, rounds: int) -> None:
    """All servers run; one is under load."""
    async with AsyncExitStack() as stack:
        servers = []
        for number, site in enumerate(bench.sites):
            command = [site.kind.program, *serve_command(site.data, {}, LOCAL, LOCAL)[1:]]
            opened_server = started_server(command, bench.folder / f"serve{number}.log")
            servers.append(await stack.enter_async_context(opened_server))
        for _ in range(rounds):
            for case in POSTS:
                for site, server in zip(bench.sites, servers, strict=True):
                    await bench.load(case, site, server)


def within_this_process(bench: Bench, rounds: int) -> None:
    """Batches and lists, of this tree's code."""
    sites = [site for site in bench.sites if site.kind.is_this_tree]
    with ExitStack() as stack:
        catalogues = [stack.enter_context(opened(site)) for site in sites]
        for _ in range(rounds):
            for case in POSTS:
                for site, catalogue in zip(sites, catalogues, strict=True):
                    bench.batch(case, site, catalogue)
            for site, catalogue in zip(sites, catalogues, strict=True):
                bench.ask(site, catalogue)


def load_table(bench: Bench) -> Table:
    """Posts through a server, with the goals."""
    names = [site.kind.name for site in bench.sites]
    rows = []
    for case in POSTS:
        per_s = {name: _median_per_s(bench, case, name) for name in names}
        for name in names:
            loads = bench.loads[case.name, name]
            p99_ms = statistics.median(load.p99_us for load in loads) / 1e3
            cpu_us = [statistics.median(column) for column in zip(*bench.cpu_us[case.name, name], strict=True)]
            figure = f"{per_s[name]:,.0f} a second, p99 {p99_ms:.1f} ms"
            figure += f", CPU {cpu_us[0]:.0f} µs" + (f" + {cpu_us[1]:.0f} µs of the database" if cpu_us[1] else "")
            goal, met = _goal(case, name, per_s[name], p99_ms)
            rows.append(goal_row(f"{case.name}, {name}", figure, goal, met))
        rows += _ratio_rows(bench, case)
    return goal_table(f"Through the server, {CONNECTIONS} connections", rows)


def _median_per_s(bench: Bench, case: PostCase, name: str) -> float:
    return statistics.median(load.requests / load.duration_s for load in bench.loads[case.name, name])


def _goal(case: PostCase, name: str, per_s: float, p99_ms: float) -> tuple[str, bool | None]:
    if name != "PostgreSQL" or case.goal_per_s is None or case.goal_p99_ms is None:
        return "", None
    goal = f"≥ {case.goal_per_s:,.0f}, p99 ≤ {case.goal_p99_ms:g} ms"
    return goal, per_s >= case.goal_per_s and p99_ms <= case.goal_p99_ms


def _ratio_rows(bench: Bench, case: PostCase) -> list[list[str]]:
    """SQLite to that of the version before, in the same rounds."""
    rows = []
    for before in [site.kind.name for site in bench.sites if not site.kind.is_this_tree]:
        pairs = zip(bench.loads[case.name, "SQLite"], bench.loads[case.name, before], strict=True)
        ratios = [ours.requests / ours.duration_s / (other.requests / other.duration_s) for ours, other in pairs]
        ratio = statistics.median(ratios)
        figure = f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        rows.append(goal_row(f"… SQLite, to {before}", figure, f"≥ {NO_SLOWER}", ratio >= NO_SLOWER))
    return rows


def batch_tables(bench: Bench) -> list[Table]:
    """What a batch costs, a table a case: a row a part, a column a database."""
    names = [site.kind.name for site in bench.sites if site.kind.is_this_tree]
    tables = []
    for case in POSTS:
        found = {name: medians_ms(bench.batches[case.name, name]) for name in names}
        parts = list(dict.fromkeys(part for name in names for part in found[name]))
        last = [part for part in parts if part in list(found[names[0]])[-3:]]
        parts = [part for part in parts if part not in last] + last
        rows = [[part, *(f"{found[name].get(part, 0.0):.2f}" for name in names)] for part in parts]
        tables.append(Table(f"A batch of {BATCH}: {case.name}, ms", ("part", *names), rows))
    return tables


def list_table(bench: Bench) -> Table:
    """Lists, a column a database."""
    names = [site.kind.name for site in bench.sites if site.kind.is_this_tree]
    rows = [
        [case.name, *(f"{1000 * statistics.median(bench.lists_s[case.name, name]):.2f}" for name in names)]
        for case in LISTS
    ]
    return Table("Lists, ms", ("list", *names), rows)


async def copy_table(site: Site, url: str) -> Table:
    """What `distd db copy` of a site takes, from its start to its end."""
    begun_s = time.perf_counter()
    command = [site.kind.program, "db", "copy", "--from", str(site.data), "--to", url, "--json"]
    printed = await run(command, timeout_s=COMMAND_S)
    took_s = time.perf_counter() - begun_s
    count = sum(table["rows"] for table in json.loads(printed)["tables"])
    rows = [[f"{count:,} rows", f"{took_s:.1f}", f"{count / took_s:,.0f}"]]
    return Table("Copied from SQLite to PostgreSQL, and compared, once", ("what", "s", "rows a second"), rows)


async def measure(
    folder: Path, kinds: Sequence[Kind], empty_url: str, computers: int, rounds: int, seconds: int
) -> list[Table]:
    """All tables."""
    sites = [await make_site(kind, folder / f"site{number}", computers) for number, kind in enumerate(kinds)]
    copied = await copy_table(next(site for site in sites if site.kind.name == "SQLite"), empty_url)
    bench = Bench(folder, sites, seconds)
    await trio.to_thread.run_sync(within_this_process, bench, rounds)
    await through_servers(bench, rounds)
    return [load_table(bench), *batch_tables(bench), list_table(bench), copied]


def _place(folder: Path) -> str:
    """What a folder lies on: the device of its file system."""
    device = os.stat(folder).st_dev
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found = [line for line in mounts if line[2] == f"{os.major(device)}:{os.minor(device)}"]
    return " ".join(found[0][found[0].index("-") + 1 :][:2]) if found else "?"


@click.command()
@click.option("--computers", default=50_000, show_default=True, type=click.IntRange(1000))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=3, show_default=True, type=click.IntRange(1), help="Of a slice through a server.")
@click.option("--before", type=click.Path(exists=True, path_type=Path), help="Another checkout, to be measured beside.")
@click.option("--searched", default=100_000, show_default=True, help="Computers of the searches; 0: leave them out.")
@click.option("--quick", is_flag=True, help="Few of everything, and nothing is written: to try it.")
def main(computers: int, rounds: int, seconds: int, before: Path | None, searched: int, quick: bool) -> None:
    """What agents' posts, lists and searches cost on SQLite and on PostgreSQL."""
    if quick:
        computers, rounds, seconds, searched = 5000, 1, 1, min(searched, 1000)
    with open_kinds(before) as (kinds, empty_url), tempfile.TemporaryDirectory(prefix="distd-bench-") as made:
        tables = trio.run(measure, Path(made), kinds, empty_url, computers, rounds, seconds)
        where = f"Both on {_place(Path(made))}, synced at each commit; {computers:,} computers, {rounds} rounds."
    tables[0] = Table(tables[0].title, tables[0].columns, tables[0].rows, where)
    if searched:
        tables += search.tables(tuple(search.KINDS), searched, rounds)
    if quick:
        show(tables)
    else:
        command = "make bench-catalogue" + (f' ARGS="--before ../{before.name}"' if before else "")
        results.publish("catalogue", "The catalogue on SQLite and on PostgreSQL", command, tables, programs=PROGRAMS)
    results.finish(tables)


if __name__ == "__main__":
    main()
