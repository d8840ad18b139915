"""`make bench-simulate`: how long simulations and plans take, and how much memory."""

from __future__ import annotations

import json
import subprocess
import time

import click

from distd.domain.units import format_duration, format_rate, format_volume
from distd.report.page import Table
from distd.simulation.goals import solve
from distd.simulation.records import Goal
from distd.simulation.world import Line, Package, Site, World
from loadtests import results
from loadtests.results import goal_row, goal_table, verdict
from tests.programs.processes import AGENTSIM

DAY_S = 86_400.0
MB = 1_000_000
# Agents of a site, bytes, the time, the limit, the site's line.
PROBLEMS = (
    (2_000, 53 * MB, 4 * DAY_S, 5 * MB, ""),
    (300, 53 * MB, 3 * DAY_S, 200_000, ""),
    (300, 53 * MB, 3 * DAY_S, 500_000, "4Mbit/s; 1Mbit/s mon-fri 8-18"),
    (50_000, 252_000, 2 * DAY_S, MB, ""),
    (20_000, 2000 * MB, 14 * DAY_S, 60 * MB, ""),
    (2_000, 53 * MB, DAY_S, 100_000, ""),  # too much for the limit
    (2_000, 53 * MB, 3 * DAY_S, MB, "2Mbit/s"),  # too much for the line
    (30, 252_000, 0.2 * DAY_S, 100_000, ""),  # before most have made their contact
)


def measured(*options: object) -> tuple[float, float, str]:
    """A simulation as a process of its own: its seconds, MiB of its largest process, the hash of its result."""
    command = [AGENTSIM, "simulate", *map(str, options), "--json"]
    begun_s = time.perf_counter()
    timed = ["/usr/bin/env", "python3", "-c", _TIMED, *command]
    done = subprocess.run(timed, check=True, capture_output=True, text=True)
    took_s = time.perf_counter() - begun_s
    printed, kib = done.stdout.rsplit("\n", 2)[:2]
    return took_s, float(kib) / 1024, json.loads(printed)["hash"]


# Runs a command and prints the peak memory of it or one of its children, in KiB.
_TIMED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def simulations(quick: bool) -> list[list[str]]:
    """Rows of goals; `quick`: with a tenth of the agents."""
    rows = []
    million = 100_000 if quick else 1_000_000
    fifty = [part for number in range(50) for part in ("--site", f"s{number}={million // 50}:100Mbit/s")]
    mirrors = [part for number in range(5) for part in ("--mirror", f"s{number}=1Gbit/s")]
    down = ("--mirror-down", "s0=6-7")
    cases = (
        ("one package of 20 fragments", ("--agents", million, "--package", "20MiB/1MiB"), 15.0, 300.0),
        ("… 50 sites, 5 mirrors, one down for an hour", (*fifty, *mirrors, *down, "--package", "20MiB/1MiB"), 15, 300),
        ("… three packages of priorities 1, 5, 10", (*fifty, "--package", "a=5MiB@1", "--package", "b=10MiB@5",
                                                     "--package", "c=5MiB@10"), None, None),
    )  # fmt: skip
    for what, options, max_s, max_mib in cases:
        took_s, mib, _ = measured(*options)
        met = None if max_s is None else took_s <= max_s and mib <= (max_mib or 0)
        goal = "" if max_s is None else f"≤ {max_s:g} s, ≤ {max_mib:g} MiB"
        rows.append(goal_row(f"{million:,} agents, {what}, one core", f"{took_s:.1f} s, {mib:.0f} MiB", goal, met))
    ten = [part for number in range(50) for part in ("--site", f"s{number}={million // 5}:100Mbit/s")]
    took_s, mib, _ = measured(*ten, "--package", "20MiB/1MiB", "--processes", "2")
    figure = f"{took_s:.1f} s, {mib:.0f} MiB each"
    rows.append(goal_row(f"{10 * million:,} agents, 50 sites, two cores", figure, "≤ 120 s", took_s <= 120))
    return rows


def plans() -> Table:
    """What `distd plan` finds for each of `PROBLEMS`, and how long it takes."""
    rows = []
    for agents, size_bytes, within_s, max_bytes_per_s, line in PROBLEMS:
        sites = (Site("s", agents, Line.read(line)),)
        world = World((Package.from_sizes("p", 5, size_bytes, 1 << 20),), sites)
        begun_s = time.perf_counter()
        answer = solve(world, size_bytes, 5, Goal(0.95, within_s, max_bytes_per_s))
        config = (
            f"{answer.config.frag_latency_s} s, priority {answer.priority}, "
            f"{answer.fragments} × {answer.fragment_bytes // 1024} KiB"
        )
        judgement = "can be met" if answer.is_met else "none found"
        contacts, finish = format_duration(answer.contact_s), format_duration(answer.finish_s)
        figures = f"{contacts}, {finish}, {format_rate(answer.peak_bytes_per_s)}"
        took_s = time.perf_counter() - begun_s
        goal = (
            f"{agents:,} × {format_volume(size_bytes)} in {format_duration(within_s)}, ≤ {format_rate(max_bytes_per_s)}"
            + f"; {line}" * bool(line)
        )
        rows.append([goal, judgement, config, figures, f"{took_s:.2f} s", verdict(took_s <= 3)])
    head = (
        "95 % of the agents, of a line",
        "",
        "latencies, priority, fragments",
        "contacts, through, peak",
        "took",
        "≤ 3 s",
    )
    return Table("What to set", head, rows)


@click.command()
@click.option("--quick", is_flag=True, help="A tenth of the agents: to try it.")
def main(quick: bool) -> None:
    """How long simulations take."""
    tables = [goal_table("agentsim simulate, whole processes", simulations(quick)), plans()]
    results.publish("simulate", "Simulations and plans", "make bench-simulate", tables)
    results.finish(tables)


if __name__ == "__main__":
    main()
