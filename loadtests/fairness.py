"""`make bench-fairness`: what very many, and very slow, connections cost the server and those beside them.

Two servers of the same folder run side by side: one without, one with the many connections. A steady prober sends
requests to both in turn; the ratio of their 99th percentiles is the median of the rounds. The servers share one core
and the prober has another: on the same core it would slow a server down by more than what is measured.
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
from loadtests.machine import anonymous_bytes
from loadtests.results import finish, goal_row, goal_table, publish
from loadtests.servers import make_data
from tests.programs.processes import child, distd_serve, run
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.programs.processes import RunningProgram, RunningServer

HEAD_TIMEOUT_S = 3
IDLE_TIMEOUT_S = 5
SETTINGS = {"limits.head_timeout_s": HEAD_TIMEOUT_S, "limits.idle_timeout_s": IDLE_TIMEOUT_S}
SIZES = {"4KiB": 4096, "16MiB": 16_777_216}


@contextlib.asynccontextmanager
async def serve(folder: Path, settings: Mapping[str, object]) -> AsyncIterator[RunningServer]:
    """A server on the last core of the machine."""
    within = ("taskset", "--cpu-list", str((os.cpu_count() or 1) - 1))
    async with distd_serve(folder, settings, within=within) as server:
        yield server


class ManyConnections:
    """The process that keeps them; `facts`: what it printed when all were connected."""

    def __init__(self, process: RunningProgram) -> None:
        self.process = process
        self.facts: dict[str, float] = {}
        self._read = b""

    async def line(self) -> dict[str, float]:
        """The next line that it prints."""
        assert self.process.stdout is not None
        while b"\n" not in self._read:
            data = await self.process.stdout.receive_some(4096)
            if not data:
                raise SystemExit(f"the process with many connections ended with {await self.process.wait()}")
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        found: dict[str, float] = json.loads(line)
        return found


@contextlib.asynccontextmanager
async def many_connections(address: str, mode: str, path: str, count: int, log: Path) -> AsyncIterator[ManyConnections]:
    """So many to "host:port", of one of the modes of `loadtests.many_connections`, for as long as the block lasts."""
    host, port = address.rsplit(":", 1)
    command = [sys.executable, "-m", "loadtests.many_connections", mode, host, port, path, "--count", str(count)]
    async with child(command, log, stdout=subprocess.PIPE) as process:
        connections = ManyConnections(process)
        connections.facts = await connections.line()
        yield connections


async def p99_us(path: str, seconds: float, *servers: RunningServer) -> list[float]:
    """The 99th percentile of each server's latencies, µs."""
    command = [sys.executable, "-m", "loadtests.prober", path, *(server.http for server in servers)]
    found: list[float] = json.loads(await run([*command, "--seconds", str(seconds)], timeout_s=seconds + 30))
    return found


async def compare(
    alone: RunningServer, busy: RunningServer, path: str, rounds: int, seconds: float
) -> tuple[float, float, float]:
    """Medians over the rounds: the 99th percentile of the server alone, of the busy one, and their ratio."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            alone_us, busy_us = await p99_us(path, seconds, alone, busy)
        else:
            busy_us, alone_us = await p99_us(path, seconds, busy, alone)
        pairs.append((alone_us, busy_us))
    return (
        statistics.median(alone_us for alone_us, _ in pairs),
        statistics.median(busy_us for _, busy_us in pairs),
        statistics.median(busy_us / alone_us for alone_us, busy_us in pairs),
    )


async def connections_of(server: RunningServer) -> int:
    """The open connections, by the server's own metric."""
    text = await run(["curl", "-s", f"http://{server.http}/metrics"])
    return int(float(next(line for line in text.splitlines() if line.startswith("distd_connections ")).split()[1]))


Row = tuple[str, str, str, bool | None]


def row(what: str, figure: float, unit: str, goal: float | None) -> Row:
    """Arguments of `goal_row`; `goal`: the most that `figure` should be."""
    shown = f"{figure:,.2f} {unit}".strip()
    return (what, shown, "", None) if goal is None else (what, shown, f"≤ {goal:g} {unit}".strip(), figure <= goal)


async def idle(data: Path, paths: dict[str, str], count: int, rounds: int, seconds: float) -> list[Row]:
    """Very many connections that request nothing."""
    settings = {"limits.idle_timeout_s": 600, "limits.connections": count + 100}
    async with serve(data, settings) as alone, serve(data, settings) as busy:
        await p99_us(paths["4KiB"], 1, busy)
        before = anonymous_bytes(busy.process.pid)
        log = data.with_name("connections.log")
        async with many_connections(busy.http, "idle", paths["4KiB"], count, log):
            kib = (anonymous_bytes(busy.process.pid) - before) / count / 1024
            alone_us, busy_us, ratio = await compare(alone, busy, paths["4KiB"], rounds, seconds)
    return [
        row(f"memory of each of {count:,} idle connections", kib, "KiB", 0.6),
        row("p99 of a steady 4 KiB request, alone", alone_us, "µs", None),
        row(f"… beside {count:,} idle connections", busy_us, "µs", None),
        row("… ratio", ratio, "", 1.2),
    ]


async def burst(data: Path, paths: dict[str, str], count: int, rounds: int) -> list[Row]:
    """Very many connections that are opened at once."""
    facts = []
    async with serve(data, {}) as server:
        for _ in range(rounds):
            log = data.with_name("connections.log")
            async with many_connections(server.http, "idle", paths["4KiB"], count, log) as connections:
                facts.append(connections.facts)
            await _all_closed(server)
    return [
        row(f"{count:,} connections at once, connected after", median(facts, "connected_s"), "s", 1.0),
        row("… each of them has its fragment after", median(facts, "answered_s"), "s", None),
    ]


async def _all_closed(server: RunningServer) -> None:
    async def none_open() -> bool:
        return await connections_of(server) == 0

    await await_until(none_open, "the server has closed all connections")


def median(facts: list[dict[str, float]], name: str) -> float:
    """The median of a value that every round has."""
    return statistics.median(values[name] for values in facts)


async def slow_peers(data: Path, paths: dict[str, str], silent: int, rounds: int, seconds: float) -> list[Row]:
    """Slow and silent connections, of every kind at once; then each kind alone, and when the server closes it."""
    without_limits = {"limits.head_timeout_s": 600, "limits.idle_timeout_s": 600}
    log = data.with_name("connections.log")
    kinds = (("silent", silent, "4KiB", False), ("head", 1, "4KiB", False), ("handshake", 20, "4KiB", True))
    async with contextlib.AsyncExitStack() as stack:
        alone, busy = [await stack.enter_async_context(serve(data, without_limits)) for _ in range(2)]
        for mode, count, size, tls in (*kinds, ("reader", 1, "16MiB", False)):
            address = busy.https if tls else busy.http
            await stack.enter_async_context(many_connections(address, mode, paths[size], count, log))
        alone_us, busy_us, ratio = await compare(alone, busy, paths["4KiB"], rounds, seconds)
    rows = [
        row("p99 of a steady 4 KiB request, alone", alone_us, "µs", None),
        row(f"… beside {silent:,} silent ones, 20 slow handshakes, a slow head, a slow reader", busy_us, "µs", None),
        row("… ratio", ratio, "", 1.2),
    ]
    async with serve(data, SETTINGS) as server:
        for mode, count, size, tls in kinds:
            address = server.https if tls else server.http
            async with many_connections(address, mode, paths[size], count, log) as connections:
                facts = await connections.line()
            assert facts["ended"] == count, facts
            rows.append(row(f"{count:,} × {mode}: the last is closed after", facts["last_s"], "s", HEAD_TIMEOUT_S + 2))
        async with many_connections(server.http, "reader", paths["16MiB"], 1, log):
            begun_s = trio.current_time()
            await _all_closed(server)
            after_s = trio.current_time() - begun_s
        rows.append(row("a reader of 1 byte/s is closed after", after_s, "s", 2 * IDLE_TIMEOUT_S + 2))
    return rows


async def bench(idle_count: int, burst_count: int, silent: int, rounds: int, seconds: float) -> list[Row]:
    """All of it, on a new data directory."""
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as name:
        site = await make_data(Path(name), SIZES)
        paths = {size: f"/download{path}" for size, path in site.paths.items()}
        return [
            *await idle(site.data, paths, idle_count, rounds, seconds),
            *await burst(site.data, paths, burst_count, min(rounds, 5)),
            *await slow_peers(site.data, paths, silent, rounds, seconds),
        ]


@click.command()
@click.option("--quick", is_flag=True, help="Few connections and rounds, and nothing is written: to try it.")
def main(quick: bool) -> None:
    """What very many, and very slow, connections cost."""
    os.sched_setaffinity(0, {0})  # processes that are started from here inherit it
    rows = trio.run(bench, *((500, 500, 100, 3, 1.0) if quick else (10_000, 5_000, 2_000, 15, 3.0)))
    table = goal_table("Many connections and slow peers", [goal_row(*values) for values in rows])
    if quick:
        show([table])
    else:
        publish("fairness", "Fairness and scale", "make bench-fairness", [table])
    finish([table])


if __name__ == "__main__":
    main()
