"""`make bench-fairness`: what very many, and very slow, connections cost the server and those beside them.

Two servers of the same folder run side by side: one is left in peace, the other bears the crowd. A steady prober asks
both, request by request, and the ratio of their 99th percentiles is the median of the rounds. The servers share one
core, and who asks has another: who of them had the prober beside it would be slower by more than what is looked for.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from agentsim.report.terminal import show
from loadtests.machine import own_bytes
from loadtests.results import finish, goal_row, goal_table, publish
from loadtests.servers import make_site
from tests.programs.processes import child, distd_serve, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.programs.processes import Site

HEAD_TIMEOUT_S = 3
IDLE_TIMEOUT_S = 5
SETTINGS = {"limits.head_timeout_s": HEAD_TIMEOUT_S, "limits.idle_timeout_s": IDLE_TIMEOUT_S}
SIZES = {"4KiB": 4096, "16MiB": 16_777_216}


@contextlib.asynccontextmanager
async def serve(folder: Path, settings: Mapping[str, object]) -> AsyncIterator[Site]:
    """A server on the machine's last core."""
    within = ("taskset", "--cpu-list", str((os.cpu_count() or 1) - 1))
    async with distd_serve(folder, settings, within=within) as site:
        yield site


class Crowd:
    """A crowd process; `facts` is what it said when it stood."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.facts: dict[str, float] = {}
        self._read = b""

    async def line(self) -> dict[str, float]:
        assert self.process.stdout is not None
        while b"\n" not in self._read:
            data = await self.process.stdout.receive_some(4096)
            if not data:
                raise SystemExit(f"a crowd ended with {await self.process.wait()}")
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        found: dict[str, float] = json.loads(line)
        return found


@contextlib.asynccontextmanager
async def crowd(address: str, mode: str, path: str, count: int, log: Path) -> AsyncIterator[Crowd]:
    host, port = address.rsplit(":", 1)
    command = [sys.executable, "-m", "loadtests.crowd", mode, host, port, path, "--count", str(count)]
    async with child(command, log, stdout=subprocess.PIPE) as process:
        one = Crowd(process)
        one.facts = await one.line()
        yield one


async def p99_us(path: str, seconds: float, *sites: Site) -> list[float]:
    """Of each of them, asked in turn."""
    command = [sys.executable, "-m", "loadtests.prober", path, *(site.http for site in sites)]
    found: list[float] = json.loads(await run([*command, "--seconds", str(seconds)], timeout_s=seconds + 30))
    return found


async def compare(calm: Site, crowded: Site, path: str, rounds: int, seconds: float) -> tuple[float, float, float]:
    """Medians of the calm one's and the crowded one's 99th percentile, and of their ratios."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            ours, theirs = await p99_us(path, seconds, calm, crowded)
        else:
            theirs, ours = await p99_us(path, seconds, crowded, calm)
        pairs.append((ours, theirs))
    return (
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(other / one for one, other in pairs),
    )


async def connections_of(site: Site) -> int:
    """Those in the lane, by its own count."""
    text = await run(["curl", "-s", f"http://{site.http}/metrics"])
    return int(float(next(line for line in text.splitlines() if line.startswith("distd_connections ")).split()[1]))


Row = tuple[str, str, str, bool | None]


def row(what: str, figure: float, unit: str, goal: float | None) -> Row:
    shown = f"{figure:,.2f} {unit}".strip()
    return (what, shown, "", None) if goal is None else (what, shown, f"≤ {goal:g} {unit}".strip(), figure <= goal)


async def idle(site_folder: Path, paths: dict[str, str], count: int, rounds: int, seconds: float) -> list[Row]:
    """Very many that ask nothing."""
    settings = {"limits.idle_timeout_s": 600, "limits.connections": count + 100}
    async with serve(site_folder, settings) as calm, serve(site_folder, settings) as crowded:
        await p99_us(paths["4KiB"], 1, crowded)
        before = own_bytes(crowded.process.pid)
        log = site_folder.with_name("crowd.log")
        async with crowd(crowded.http, "idle", paths["4KiB"], count, log):
            kib = (own_bytes(crowded.process.pid) - before) / count / 1024
            ours, theirs, ratio = await compare(calm, crowded, paths["4KiB"], rounds, seconds)
    return [
        row(f"memory of each of {count:,} idle connections", kib, "KiB", 0.6),
        row("p99 of a steady 4 KiB request, alone", ours, "µs", None),
        row(f"… beside {count:,} idle connections", theirs, "µs", None),
        row("… ratio", ratio, "", 1.2),
    ]


async def burst(site_folder: Path, paths: dict[str, str], count: int, rounds: int) -> list[Row]:
    """Very many that come at once."""
    found = []
    async with serve(site_folder, {}) as site:
        for _ in range(rounds):
            async with crowd(site.http, "idle", paths["4KiB"], count, site_folder.with_name("crowd.log")) as one:
                found.append(one.facts)
            while await connections_of(site):
                await trio.sleep(0.1)
    return [
        row(f"{count:,} connections at once, connected after", median(found, "connected_s"), "s", 1.0),
        row("… each of them has its fragment after", median(found, "answered_s"), "s", None),
    ]


def median(found: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in found)


async def nuisances(site_folder: Path, paths: dict[str, str], silent: int, rounds: int, seconds: float) -> list[Row]:
    """Slow and silent ones, of every kind at once; then each kind by itself, for when it is ended."""
    patient = {"limits.head_timeout_s": 600, "limits.idle_timeout_s": 600}
    log = site_folder.with_name("crowd.log")
    kinds = (("silent", silent, "4KiB", False), ("head", 1, "4KiB", False), ("handshake", 20, "4KiB", True))
    async with contextlib.AsyncExitStack() as stack:
        calm, crowded = [await stack.enter_async_context(serve(site_folder, patient)) for _ in range(2)]
        for mode, count, size, tls in (*kinds, ("reader", 1, "16MiB", False)):
            address = crowded.https if tls else crowded.http
            await stack.enter_async_context(crowd(address, mode, paths[size], count, log))
        ours, theirs, ratio = await compare(calm, crowded, paths["4KiB"], rounds, seconds)
    rows = [
        row("p99 of a steady 4 KiB request, alone", ours, "µs", None),
        row(f"… beside {silent:,} silent ones, 20 slow handshakes, a slow head, a slow reader", theirs, "µs", None),
        row("… ratio", ratio, "", 1.2),
    ]
    async with serve(site_folder, SETTINGS) as site:
        for mode, count, size, tls in kinds:
            async with crowd(site.https if tls else site.http, mode, paths[size], count, log) as one:
                facts = await one.line()
            assert facts["ended"] == count, facts
            rows.append(row(f"{count:,} × {mode}: the last is ended after", facts["last_s"], "s", HEAD_TIMEOUT_S + 2))
        async with crowd(site.http, "reader", paths["16MiB"], 1, log):
            begun_s = trio.current_time()
            while await connections_of(site):
                await trio.sleep(0.1)
            after_s = trio.current_time() - begun_s
        rows.append(row("a reader of 1 byte/s is ended after", after_s, "s", 2 * IDLE_TIMEOUT_S + 2))
    return rows


async def bench(idle_count: int, burst_count: int, silent: int, rounds: int, seconds: float) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as name:
        made = await make_site(Path(name), SIZES)
        paths = {size: f"/download{path}" for size, path in made.paths.items()}
        return [
            *await idle(made.data, paths, idle_count, rounds, seconds),
            *await burst(made.data, paths, burst_count, min(rounds, 5)),
            *await nuisances(made.data, paths, silent, rounds, seconds),
        ]


@click.command()
@click.option("--quick", is_flag=True, help="Few connections and rounds: to try it out.")
def main(quick: bool) -> None:
    """What very many, and very slow, connections cost."""
    os.sched_setaffinity(0, {0})  # what is started from here inherits it
    rows = trio.run(bench, *((500, 500, 100, 3, 1.0) if quick else (10_000, 5_000, 2_000, 15, 3.0)))
    table = goal_table("Crowds and slow peers", [goal_row(*one) for one in rows])
    if quick:
        show([table])
    else:
        publish("fairness", "Fairness and scale", "make bench-fairness", [table])
    finish([table])


if __name__ == "__main__":
    main()
