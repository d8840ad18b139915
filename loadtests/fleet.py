"""`make bench-load`: what emulating agents costs, and whether both sides count the same."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from agentsim.report.terminal import show
from loadtests import results
from loadtests.results import goal_row, goal_table
from tests.programs.origin_server import OriginServer, PackageSource, format_codes

if TYPE_CHECKING:
    from distd.report.page import Table

WITHOUT_PAUSES = {f"download.{name}_latency_s": 0 for name in ("frag", "cycle", "period")}
LONG_PAUSES = {f"download.{name}_latency_s": 600 for name in ("frag", "cycle", "period")}
NO_INVENTORIES = {"agents.inventory_freq_days": -1}
GOAL_PER_S = 40_000
GOAL_BYTES = 1_000_000_000
ROUNDS = 3


async def speed(folder: Path, quick: bool) -> list[list[str]]:
    """Fragments of 4 KiB without any pause: the emulator has one core, the server the other. Rows of goals."""
    origin = OriginServer(folder)
    rows = []
    async with origin.serve(WITHOUT_PAUSES | NO_INVENTORIES):
        size = 4_000_000 if quick else 40_000_000
        for number in range(ROUNDS):
            await origin.publish(PackageSource(f"p{number}", size, 1, ("--fragment-size", "4KiB")))
        await origin.register(64)
        rounds = []
        for package_id in origin.packages:
            await origin.assign(package_id)
            before_s = _cpu_s()
            loaded = await origin.load(64, "--verify", "0%")
            cpu_s = _cpu_s() - before_s
            figures = loaded.figures
            assert figures["success"] == 1.0, loaded.report["errors"]
            rounds.append((figures["fragments_per_s"], cpu_s / figures["requests"] * 1e6))
    per_s, cpu_us = (sorted(column)[ROUNDS // 2] for column in zip(*rounds, strict=True))
    spread = f"{min(rounds)[0]:,.0f} to {max(rounds)[0]:,.0f}"
    figure = f"{per_s:,.0f} (of {ROUNDS}: {spread})"
    rows.append(
        goal_row("fragment GETs a second of 64 agents, 4 KiB, one core", figure, "≥ 40,000", per_s >= GOAL_PER_S)
    )
    rows.append(goal_row("CPU of a request, the process's start included", f"{cpu_us:.1f} µs"))
    return rows


def _cpu_s() -> float:
    """CPU time of the programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def memory(folder: Path, agents: int) -> list[list[str]]:
    """All agents have made their contact and wait between two fragments. Rows of goals."""
    origin = OriginServer(folder)
    window_s = max(agents // 400, 5)
    async with origin.serve(LONG_PAUSES | NO_INVENTORIES):
        await origin.publish(PackageSource("p", 60_000, 1, ("--fragment-size", "4KiB")))
        await origin.register(agents)
        await origin.assign(*origin.packages)
        loaded = await origin.load(
            agents, "--arrival", f"window={window_s}s", "--duration", f"{window_s + 15}s", "--verify", "1%"
        )
    figures, packages = loaded.figures, loaded.report["packages"]
    listed = sum(package["listed"] for package in packages.values())
    gib = f"{figures['memory'] / 1e6:,.0f} MB, {figures['memory'] / agents / 1e3:.1f} kB each"
    return [
        goal_row(f"of {agents:,} agents in one process so many wait", f"{listed:,}", "all", listed == agents),
        goal_row("… its memory", gib, "≤ 1 GB", figures["memory"] <= GOAL_BYTES),
        goal_row("… errors", f"{sum(loaded.report['errors'].values())}"),
    ]


async def counters(folder: Path, agents: int) -> list[list[str]]:
    """A package for all agents, on the same two cores as the server: what both count. Rows of goals."""
    origin = OriginServer(folder)
    async with origin.serve(NO_INVENTORIES):
        await origin.publish(PackageSource("office", 1_000_000, 5))
        await origin.register(agents)
        await origin.assign(*origin.packages)
        loaded = await origin.load(
            agents, "--arrival", "window=1h", "--time-scale", "60", "--verify", "5%", "--threshold", "success>=100%"
        )
        (package_id,) = origin.packages
        mine = loaded.report["packages"][package_id]
        server = await origin.recorded(package_id, mine["fragments"])
    figures = loaded.figures
    same = (server["fragments"], server["bytes"]) == (mine["fragments"], mine["bytes"])
    sent = f"{server['fragments']:,} fragments, {server['bytes']:,} bytes"
    expected = f"{mine['fragments']:,}, {mine['bytes']:,}"
    all_well = server["codes"] == {"SUCCESS": agents}
    return [
        goal_row(
            f"{agents:,} agents beside the server: success",
            f"{figures['success']:.2%}",
            "100 %",
            figures["success"] == 1.0,
        ),
        goal_row("… packages verified, and bad", f"{figures['verified']:,.0f}, {figures['bad']:,.0f}", "0 bad",
                 figures["bad"] == 0 < figures["verified"]),
        goal_row("… by the server's own count", sent, expected, same),
        goal_row("… results by the server's own count", format_codes(server["codes"]), f"SUCCESS {agents:,}", all_well),
    ]  # fmt: skip


PARTS = {
    "speed": lambda folder, quick: speed(folder, quick),
    "counters": lambda folder, quick: counters(folder, 500 if quick else 5000),
    "memory": lambda folder, quick: memory(folder, 5000 if quick else 100_000),
}


async def bench(part: str, quick: bool) -> list[list[str]]:
    """The rows of a part, measured with a new data directory in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="distd-bench-") as made:
        return await PARTS[part](Path(made), quick)


@click.command()
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Only this part; repeatable.")
@click.option("--quick", is_flag=True, help="Few agents, and nothing is written: to try it.")
def main(parts: tuple[str, ...], quick: bool) -> None:
    """What emulating agents costs."""
    tables: list[Table] = []
    for part in parts or PARTS:
        table = goal_table(TITLES[part], trio.run(bench, part, quick))
        if quick:
            show([table])
        else:
            results.publish(f"load-{part}", TITLES[part], f"make bench-load ARGS='--part {part}'", [table])
        tables.append(table)
    results.finish(tables)


TITLES = {
    "speed": "Emulated agents: how many requests a second",
    "counters": "Emulated agents: both sides count the same",
    "memory": "Emulated agents: very many that wait",
}


if __name__ == "__main__":
    main()
