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

from agentsim.report.page import Lines
from distd.domain.records import Dialect, DownloadConfig
from distd.domain.schedule import start_s
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import Package, Site, World
from loadtests import results
from loadtests.fleets import Ground, Parcel
from loadtests.results import goal_row, goal_table
from tests.programs.stock_agent import StockAgent
from tests.programs.stock_agent_log import differences, of_log

if TYPE_CHECKING:
    from agentsim.report.page import Table
    from distd.simulation.summary import Summary
    from loadtests.fleets import Loaded

GOAL = 0.05
SHARES = (50, 90, 99)
TIME_SCALE = 200.0
WINDOW_H = 4
DIALECTS = {Dialect.WINDOWS: 5.0, Dialect.UNIX: 4.0, Dialect.NATIVE: 1.0}
PARCELS = (Parcel("office", 2_000_000, 5), Parcel("fonts", 500_000, 2))
PAUSES = DownloadConfig(frag_latency_s=1, cycle_latency_s=2, period_latency_s=3, period_length=4)
# Priority and fragments of each package.
STOCK_CASES = {"one package": ((2, 5),), "absolute": ((0, 6),), "two priorities": ((1, 4), (2, 3))}


@dataclass(frozen=True, slots=True)
class Fleet:
    loaded: Loaded
    foreseen: Summary


async def run_fleet(folder: Path, agents: int) -> Fleet:
    """The fleet, and its simulation with contacts of its own, as one would have made it before."""
    ground = Ground(folder)
    mix = [part for dialect, share in DIALECTS.items() for part in ("--dialect", f"{dialect}={share:g}")]
    async with ground.serve({"agents.inventory_freq_days": -1}):
        for parcel in PARCELS:
            await ground.publish(parcel)
        await ground.enlist(agents, *mix)
        await ground.assign(*ground.packages)
        options = (*mix, "--arrival", f"window={WINDOW_H}h", "--time-scale", TIME_SCALE)
        loaded = await ground.load(agents, *options)
    late_s = loaded.told["latency"]["fragment"]["p50_s"]
    packages = tuple(
        Package.cut(name, one["priority"], one["bytes"] // one["listed"], 65_536)
        for name, one in loaded.told["packages"].items()
    )
    world = World(
        packages=packages,
        sites=(Site("all", agents),),
        dialects=DIALECTS,
        contact_s=WINDOW_H * 3600.0,
        round_trip_s=late_s * TIME_SCALE,
    )
    return Fleet(loaded, summarise(world, simulate(world, 1)))


def fleet_rows(fleet: Fleet) -> list[list[str]]:
    """Of the same contacts; and, as a note, of others: what one would have foreseen before the run."""
    told, figures = fleet.loaded.told, fleet.loaded.figures
    success = figures["success"]
    rows = [goal_row("agents with both packages", f"{success:.2%}", "100 %", success == 1.0)]
    for share in SHARES:
        measured_s = figures[f"finish_p{share}"]
        same_s = told["forecast_finish_s"][str(share)]
        off = same_s / measured_s - 1
        figure = f"{measured_s:.2f} s, simulated {same_s:.2f} s ({off:+.1%})"
        rows.append(goal_row(f"{share} % through after", figure, "within 5 %", abs(off) <= GOAL))
        before = fleet.foreseen.all.after_s[share]
        assert before is not None
        figure = f"{before / TIME_SCALE:.2f} s ({before / TIME_SCALE / measured_s - 1:+.1%})"
        rows.append(goal_row(f"{share} %, simulated before the run, with other contacts", figure))
    return rows


async def run_stock(folder: Path) -> list[list[str]]:
    """Each case: the turns of each dialect's scheduler against the log, and the closed form against the clock."""
    rows = []
    settings = {f"download.{name}": getattr(PAUSES, name) for name in NAMES} | {"agents.inventory_freq_days": -1}
    for number, (name, shapes) in enumerate(STOCK_CASES.items()):
        ground = Ground(folder / str(number))
        ground.folder.mkdir()
        async with ground.serve(settings):
            packages = {}
            for place, (priority, fragments) in enumerate(shapes):
                cut = ("--fragments", str(fragments))
                package_id = await ground.publish(Parcel(f"p{place}", 50_000, priority, cut))
                packages[package_id] = (priority, fragments)
            agent = StockAgent(f"{ground.url}/ocsinventory", ground.data / "cacert.pem", ground.folder / "stock")
            await agent.run()
            await ground.assign(*packages)
            begun_s = time.monotonic()
            report = await agent.run(timeout_s=600)
            took_s = time.monotonic() - begun_s
        for dialect in Dialect if all(priority for priority, _ in shapes) else (Dialect.UNIX,):
            found = differences(report.log, dialect, PAUSES, packages)
            figure = found[0] if found else f"{len(of_log(report.log))} steps are the same"
            rows.append(goal_row(f"stock agent, {name}: the {dialect} scheduler", figure, "no difference", not found))
        if len(shapes) == 1:
            ((priority, fragments),) = shapes
            needed_s = float(start_s(Dialect.UNIX, PAUSES, priority, fragments + 1, 0))
            figure = f"{took_s:.1f} s, by the closed form its last turn after {needed_s:.0f} s"
            rows.append(goal_row(f"stock agent, {name}: from its contact to its end", figure))
    return rows


NAMES = ("frag_latency_s", "cycle_latency_s", "period_latency_s", "period_length")


async def bench(agents: int) -> tuple[Fleet, list[list[str]]]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="distd-bench-") as made:
        (Path(made) / "fleet").mkdir()
        (Path(made) / "stock").mkdir()
        return await run_fleet(Path(made) / "fleet", agents), await run_stock(Path(made) / "stock")


@click.command()
@click.option("--agents", default=2000, show_default=True)
def main(agents: int) -> None:
    """The model beside what it models."""
    fleet, stock = trio.run(bench, agents)
    told = fleet.loaded.told
    curves = {
        "measured": [(at_s, share * 100) for at_s, share in told["completion"]],
        "simulated": [(at_s, share * 100) for at_s, share in told["forecast"]],
        "simulated before, with other contacts": [
            (at_s / TIME_SCALE, share * 100) for at_s, share in fleet.foreseen.curve
        ],
    }
    title = f"{agents:,} agents with two packages, {WINDOW_H} h of contacts, {TIME_SCALE:g} times as fast"
    tables: list[Table] = [goal_table(title, fleet_rows(fleet)), goal_table("The stock Unix agent's log", stock)]
    plots = [Lines("Agents that have all their packages", "seconds", "%", curves)]
    results.publish("model", "The model beside what it models", "make bench-model", tables, plots, {"told": told})
    results.finish(tables)


if __name__ == "__main__":
    main()
