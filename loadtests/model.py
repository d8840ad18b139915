"""`make bench-model`: the model beside what it models.

A fleet of emulated agents on real sockets beside its simulation, and the schedulers beside the log of the stock Unix
agent, with its real pauses.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from distd.domain.records import Dialect
from distd.domain.schedule import start_s
from distd.domain.settings import DownloadConfig
from distd.report.page import Curve, Lines, Shape
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import Package, Site, World
from loadtests import results
from loadtests.results import goal_row, goal_table
from tests.programs.origin_server import OriginServer, PackageSource
from tests.programs.stock_agent import StockAgent
from tests.programs.stock_agent_log import differences, logged_steps

if TYPE_CHECKING:
    from distd.report.page import Table
    from distd.simulation.records import Summary
    from tests.programs.origin_server import FleetResult

GOAL = 0.05
SHARES = (50, 90, 99)
TIME_SCALE = 200.0
WINDOW_H = 4
DIALECTS = {Dialect.WINDOWS: 5.0, Dialect.UNIX: 4.0, Dialect.NATIVE: 1.0}
PACKAGES = (PackageSource("office", 2_000_000, 5), PackageSource("fonts", 500_000, 2))
PAUSES = DownloadConfig(frag_latency_s=1, cycle_latency_s=2, period_latency_s=3, period_length=4)
# Priority and fragments of each package.
STOCK_CASES = {"one package": ((2, 5),), "absolute": ((0, 6),), "two priorities": ((1, 4), (2, 3))}


@dataclass(frozen=True, slots=True)
class FleetComparison:
    """A fleet on real sockets, and its simulation with other contacts, as made before the run."""

    measured: FleetResult
    simulated: Summary


async def run_fleet(folder: Path, agents: int) -> FleetComparison:
    """Run the fleet, and simulate it with contacts of its own, as an operator would before the run."""
    origin = OriginServer(folder)
    mix = [part for dialect, share in DIALECTS.items() for part in ("--dialect", f"{dialect}={share:g}")]
    async with origin.serve({"agents.inventory_freq_days": -1}):
        for package in PACKAGES:
            await origin.publish(package)
        await origin.register(agents, *mix)
        await origin.assign(*origin.packages)
        options = (*mix, "--arrival", f"window={WINDOW_H}h", "--time-scale", TIME_SCALE)
        measured = await origin.load(agents, *options)
    late_s = measured.report["latency"]["fragment"]["p50_s"]
    packages = tuple(
        Package.from_sizes(name, package["priority"], package["bytes"] // package["listed"], 65_536)
        for name, package in measured.report["packages"].items()
    )
    world = World(
        packages=packages,
        sites=(Site("all", agents),),
        dialects=DIALECTS,
        contact_s=WINDOW_H * 3600.0,
        round_trip_s=late_s * TIME_SCALE,
    )
    return FleetComparison(measured, summarise(world, simulate(world, 1)))


def fleet_rows(fleet: FleetComparison) -> list[list[str]]:
    """The simulation of the same contacts; and, without a goal, the one of other contacts made before the run."""
    report, figures = fleet.measured.report, fleet.measured.figures
    success = figures["success"]
    rows = [goal_row("agents with both packages", f"{success:.2%}", "100 %", success == 1.0)]
    for share in SHARES:
        measured_s = figures[f"finish_p{share}"]
        same_s = report["forecast_finish_s"][str(share)]
        off = same_s / measured_s - 1
        figure = f"{measured_s:.2f} s, simulated {same_s:.2f} s ({off:+.1%})"
        rows.append(goal_row(f"{share} % have finished after", figure, "within 5 %", abs(off) <= GOAL))
        before = fleet.simulated.all.after_s[share]
        assert before is not None
        figure = f"{before / TIME_SCALE:.2f} s ({before / TIME_SCALE / measured_s - 1:+.1%})"
        rows.append(goal_row(f"{share} %, simulated before the run, with other contacts", figure))
    return rows


async def run_stock(folder: Path) -> list[list[str]]:
    """Each case: the turns of each dialect's scheduler against the log, and the formula against the clock. Rows."""
    rows = []
    settings = {f"download.{name}": getattr(PAUSES, name) for name in NAMES} | {"agents.inventory_freq_days": -1}
    for number, (name, shapes) in enumerate(STOCK_CASES.items()):
        origin = OriginServer(folder / str(number))
        origin.folder.mkdir()
        async with origin.serve(settings):
            packages = {}
            for index, (priority, fragments) in enumerate(shapes):
                cut = ("--fragments", str(fragments))
                package_id = await origin.publish(PackageSource(f"p{index}", 50_000, priority, cut))
                packages[package_id] = (priority, fragments)
            agent = StockAgent(f"{origin.url}/ocsinventory", origin.data / "cacert.pem", origin.folder / "stock")
            await agent.run()
            await origin.assign(*packages)
            begun_s = time.monotonic()
            report = await agent.run(timeout_s=600)
            took_s = time.monotonic() - begun_s
        for dialect in Dialect if all(priority for priority, _ in shapes) else (Dialect.UNIX,):
            different = differences(report.log, dialect, PAUSES, packages)
            figure = different[0] if different else f"{len(logged_steps(report.log))} steps are the same"
            rows.append(
                goal_row(f"stock agent, {name}: the {dialect} scheduler", figure, "no difference", not different)
            )
        if len(shapes) == 1:
            ((priority, fragments),) = shapes
            needed_s = float(start_s(Dialect.UNIX, PAUSES, priority, fragments + 1, 0))
            figure = f"{took_s:.1f} s, by the formula its last turn after {needed_s:.0f} s"
            rows.append(goal_row(f"stock agent, {name}: from its contact to its end", figure))
    return rows


NAMES = ("frag_latency_s", "cycle_latency_s", "period_latency_s", "period_length")


async def bench(agents: int) -> tuple[FleetComparison, list[list[str]]]:
    """Both parts; the rows of the second."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="distd-bench-") as made:
        (Path(made) / "fleet").mkdir()
        (Path(made) / "stock").mkdir()
        return await run_fleet(Path(made) / "fleet", agents), await run_stock(Path(made) / "stock")


@click.command()
@click.option("--agents", default=2000, show_default=True, help="Of the emulated fleet.")
def main(agents: int) -> None:
    """Compare the model with what it models."""
    fleet, stock = trio.run(bench, agents)
    report = fleet.measured.report
    before = [(at_s / TIME_SCALE, share * 100) for at_s, share in fleet.simulated.curve]
    curves = [
        Curve("measured", [(at_s, share * 100) for at_s, share in report["completion"]], Shape.STEPS),
        Curve("simulated", [(at_s, share * 100) for at_s, share in report["forecast"]], Shape.STEPS, dashed=True),
        Curve("simulated before, with other contacts", before, Shape.STEPS, dashed=True),
    ]
    title = f"{agents:,} agents with two packages, {WINDOW_H} h of contacts, {TIME_SCALE:g} times as fast"
    tables: list[Table] = [goal_table(title, fleet_rows(fleet)), goal_table("The stock Unix agent's log", stock)]
    x_title = f"Time since the beginning, s; latencies pass {TIME_SCALE:g} times as fast"
    plots = [Lines("Agents that have all their packages", x_title, "Share of the agents, %", curves)]
    results.publish("model", "The model beside what it models", "make bench-model", tables, plots, {"report": report})
    results.finish(tables)


if __name__ == "__main__":
    main()
