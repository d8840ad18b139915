"""`make loadtest SCENARIO=…`: one of `loadtests.scenarios`, with real processes on this machine."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import trio

from agentsim.fleet.thresholds import in_unit
from agentsim.report import load_page, load_report
from agentsim.report.terminal import show
from distd.report.page import Table
from loadtests import results
from loadtests.machine import anonymous_bytes, cpu_s
from loadtests.results import goal_row, goal_table
from loadtests.scenarios import TABLE
from tests.programs.mirror import join
from tests.programs.mirror import metric as metric_of
from tests.programs.origin_server import FILE_BYTES, OriginServer, format_codes, write_zip
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from loadtests.scenarios import Scenario
    from tests.programs.mirror import Mirror
    from tests.programs.origin_server import FleetResult
    from tests.programs.processes import RunningServer

UPDATE_GOAL = 0.1
READY_LIMIT_S = 240.0
SENT = "redistrib_fragments_sent"
GROWTH_GOAL = 1.2  # the server's memory at the end to that in the first third
STORMS = (5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 35_000, 40_000, 50_000, 60_000)
STORM_SLOWEST_S = 10.0
STORM_GOAL = 40_000
ELSEWHERE_GOAL = 0.01  # fragments that no mirror sent, where there are mirrors; a redirect is no fragment


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """`rows` as `results.goal_row` makes them; `report`: the fleet's. `server_cpu_s`: what the server used during the
    run, `busy`: of how many processors."""

    rows: list[list[str]]
    report: dict[str, Any]
    server_cpu_s: float
    busy: float

    @property
    def is_met(self) -> bool:
        """Whether all goals are met."""
        return not results.missed(self.rows)


@dataclass(frozen=True, slots=True)
class MirrorLoss:
    """The first mirror was killed `at_s` after the fleet was started, when the others had sent so many fragments."""

    at_s: float
    others_sent: int


@dataclass(frozen=True, slots=True)
class FleetRun:
    """A fleet's run. `growth`: the server's memory at the end to that in the first third. `loss`: None where no mirror
    was killed before the fleet's end."""

    loaded: FleetResult
    growth: float
    loss: MirrorLoss | None


async def run(scenario: Scenario, folder: Path) -> ScenarioResult:
    """From an empty `folder` to the end of the fleet."""
    origin = OriginServer(folder)
    settings = {"mirrors.wave_pause_s": 0, **scenario.settings}
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(origin.serve(settings, scenario.workers))
        mirrors = [await _mirror(stack, origin, number) for number in range(scenario.mirrors)]
        for source in scenario.packages:
            await origin.publish(source)
        await _ready(origin, mirrors, len(scenario.packages))
        known = await origin.register(scenario.agents, *_mix(scenario.options))
        assert known.figures["success"] == 1.0, known.report["errors"]
        rows: list[list[str]] = []
        if scenario.changed:
            rows += await _update(scenario, origin, mirrors)
        await origin.assign(*origin.packages)
        begun_s, before_s = trio.current_time(), cpu_s(server.process.pid)
        fleet = await _load(scenario, origin, server, mirrors)
        used_s, took_s = cpu_s(server.process.pid) - before_s, trio.current_time() - begun_s
        loaded = fleet.loaded
        rows = [*_threshold_rows(loaded), *rows, *await _counter_rows(origin, loaded)]
        sent = served(loaded.report, [mirror.http for mirror, _ in mirrors])
        if mirrors:
            rows += mirror_rows(loaded.report, sent)
        if scenario.lost_after_s:
            rows += loss_rows(fleet.loss, sent)
        if scenario.name == "soak":
            figure = f"{fleet.growth:.2f}"
            rows.append(goal_row("the server's memory, end to early", figure, "≤ 1.2", fleet.growth <= GROWTH_GOAL))
    return ScenarioResult(rows, loaded.report, used_s, used_s / took_s)


async def _mirror(stack: contextlib.AsyncExitStack, origin: OriginServer, number: int) -> tuple[Mirror, RunningServer]:
    mirror = await trio.to_thread.run_sync(join, origin.data, origin.url, origin.folder, f"mirror{number}")
    return mirror, await stack.enter_async_context(mirror.serve())


async def _ready(origin: OriginServer, mirrors: Sequence[object], packages: int) -> None:
    def are_ready() -> bool:
        return metric_of(origin.http, "distd_mirrors_ready") == len(mirrors) * packages

    await await_until(are_ready, "all mirrors have all packages", READY_LIMIT_S)


def _mix(options: Sequence[str]) -> list[str]:
    """Those of the options that say how many computers have which dialect."""
    pairs = itertools.pairwise(options)
    return [part for pair in pairs if pair[0] == "--dialect" for part in pair]


async def _update(
    scenario: Scenario, origin: OriginServer, mirrors: Sequence[tuple[Mirror, RunningServer]]
) -> list[list[str]]:
    """Publish a second version of the first package in its place, and wait until all mirrors have it. Rows of goals."""
    (old,) = origin.packages
    count = scenario.packages[0].size_bytes // FILE_BYTES
    step = round(1 / scenario.changed)
    changed = range(step // 2, count, step)
    name = f"{scenario.packages[0].name}2.zip"
    source = write_zip(origin.folder / name, scenario.packages[0].size_bytes, 0, changed)
    before = sum(mirror.metric("redistrib_bytes_fetched") for mirror, _ in mirrors)
    new = origin.distd("package", "supersede", old, source)
    origin.packages = [new["id"]]
    origin.distd("package", "activate", new["id"])
    folders = [mirror.data / "download" / new["id"] for mirror, _ in mirrors]
    await await_until(lambda: all(folder.exists() for folder in folders), "all mirrors have version 2", READY_LIMIT_S)
    await await_until(lambda: origin.mirrors_with(new["id"]) == len(mirrors), "the origin knows it", READY_LIMIT_S)
    await _ready(origin, mirrors, 1)  # the old version is removed
    fetched = sum(mirror.metric("redistrib_bytes_fetched") for mirror, _ in mirrors) - before
    share = fetched / (new["size"] * len(mirrors))
    return [goal_row("version 2 to each mirror, of its bytes", f"{share:.1%}", "≤ 10 %", share <= UPDATE_GOAL)]


async def _load(
    scenario: Scenario, origin: OriginServer, server: RunningServer, mirrors: Sequence[tuple[Mirror, RunningServer]]
) -> FleetRun:
    """Run the fleet, watch the server's memory and kill a mirror, where the scenario says so."""
    thresholds = [part for text in scenario.thresholds for part in ("--threshold", text)]
    memory: list[int] = []
    losses: list[MirrorLoss] = []

    async def watch() -> None:
        while True:
            memory.append(anonymous_bytes(server.process.pid))
            await trio.sleep(1)

    async def lose() -> None:
        losses.append(await _lose(mirrors, scenario.lost_after_s))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        if scenario.lost_after_s:
            nursery.start_soon(lose)
        loaded = await origin.load(scenario.agents, *scenario.options, *thresholds)
        nursery.cancel_scope.cancel()
    early = max(memory[: max(len(memory) // 3, 1)])
    return FleetRun(loaded, memory[-1] / early, losses[0] if losses else None)


async def _lose(mirrors: Sequence[tuple[Mirror, RunningServer]], after_s: float) -> MirrorLoss:
    """Kill the first mirror `after_s` after its first fragment, however long the machine takes to start the fleet."""
    begun_s = trio.current_time()
    (first, server), *others = mirrors
    had_sent = first.metric(SENT)
    await await_until(lambda: first.metric(SENT) > had_sent, "the first mirror sends fragments", READY_LIMIT_S)
    await trio.sleep(after_s)
    await server.kill()
    return MirrorLoss(trio.current_time() - begun_s, sum(int(mirror.metric(SENT)) for mirror, _ in others))


def served(report: Mapping[str, Any], mirrors: Sequence[str]) -> list[int]:
    """Fragments that agents received from each of the mirrors ("host:port"), by the fleet's report."""
    return [report["places"].get(mirror, {"fragments": 0})["fragments"] for mirror in mirrors]


def mirror_rows(report: Mapping[str, Any], sent: Sequence[int]) -> list[list[str]]:
    """Goals: whether the mirrors were used. `sent`: as `served` counts."""
    total = sum(place["fragments"] for place in report["places"].values())
    elsewhere = total - sum(sent)
    few = elsewhere <= total * ELSEWHERE_GOAL
    figure = ", ".join(f"{count:,}" for count in sent)
    return [
        goal_row("fragments that agents had from each mirror", figure, "each > 0", all(sent)),
        goal_row("… from elsewhere, of all", f"{elsewhere:,} of {total:,}", "≤ 1 %", few),
    ]


def loss_rows(loss: MirrorLoss | None, sent: Sequence[int]) -> list[list[str]]:
    """Goals: whether the first mirror was lost in the middle. `sent`: as `served` counts.

    What the first mirror sent, it sent before; the others sent afterwards what is more than their count at that time.
    """
    what, goal = "the first mirror was killed", "before the end"
    if loss is None:
        return [goal_row(what, "not in time", goal, False)]
    first, afterwards = sent[0], sum(sent[1:]) - loss.others_sent
    return [
        goal_row(what, f"{loss.at_s:.1f} s after the start", goal, True),
        goal_row("… fragments that agents had from it before", f"{first:,}", "> 0", first > 0),
        goal_row("… from the other mirrors afterwards", f"{afterwards:,}", "> 0", afterwards > 0),
    ]


def _threshold_rows(loaded: FleetResult) -> list[list[str]]:
    rows = []
    for threshold in loaded.report["thresholds"]:
        name, goal = threshold["text"], threshold["text"].lstrip("abcdefghijklmnopqrstuvwxyz_0123456789.")
        rows.append(
            goal_row(name[: len(name) - len(goal)], in_unit(name, threshold["value"]), goal, threshold["holds"])
        )
    return rows


async def _counter_rows(origin: OriginServer, loaded: FleetResult) -> list[list[str]]:
    """Goals: whether both sides counted the same.

    Where there are mirrors only results: fragments that mirrors sent are recorded by the origin later.
    """
    rows = []
    packages, fleet_codes = loaded.report["packages"], loaded.report["results"]
    codes: dict[str, int] = {}
    for package_id in origin.packages:
        mine = packages.get(package_id, {"fragments": 0, "bytes": 0})
        server = await origin.recorded(package_id, 0 if _has_mirrors(loaded, origin) else mine["fragments"])
        for code, count in server["codes"].items():
            codes[code] = codes.get(code, 0) + count
        if not _has_mirrors(loaded, origin):
            same = (server["fragments"], server["bytes"]) == (mine["fragments"], mine["bytes"])
            figure = f"{server['fragments']:,} fragments, {server['bytes']:,} bytes"
            expected = f"{mine['fragments']:,}, {mine['bytes']:,}"
            rows.append(goal_row(f"package {package_id}, by the server's own count", figure, expected, same))
    rows.append(
        goal_row(
            "results, by the server's own count", format_codes(codes), format_codes(fleet_codes), codes == fleet_codes
        )
    )
    return rows


def _has_mirrors(loaded: FleetResult, origin: OriginServer) -> bool:
    return any(not name.endswith(origin.http.rpartition(":")[2]) for name in loaded.report["places"])


@contextlib.asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="distd-bench-") as made:
        yield Path(made)


async def _run_in_memory(scenario: Scenario) -> ScenarioResult:
    async with _folder() as folder:
        return await run(scenario, folder)


def tables(scenario: Scenario, result: ScenarioResult) -> list[Table]:
    """The goals, and the tables of the fleet's report."""
    return [goal_table(scenario.proves.rstrip("."), result.rows), *load_report.tables(result.report)]


def storm_of(agents: int) -> Scenario:
    """The storm of another number of agents, which has no thresholds: what happens is told, whatever it is."""
    return replace(TABLE["storm"], agents=agents, thresholds=())


def find_storm_limit() -> list[Table]:
    """Storms of more and more agents a minute, until the slowest PROLOG takes too long or an error comes; then one of
    twice as many as were held, to see what happens beyond. The tables."""
    rows, held = [], 0
    for agents in STORMS:
        row, is_held = _storm_row(agents)
        rows.append(row)
        if not is_held:
            break
        held = agents
    beyond = 2 * max(held, STORMS[0])
    rows.append(_storm_row(beyond)[0])
    columns = (
        "agents a minute",
        "slowest PROLOG, s",
        "p99, s",
        "errors",
        "through",
        "CPU of the server, s",
        "of each, ms",
        "CPUs busy",
    )
    goal = goal_row("agents a minute that are held", f"{held:,}", f"≥ {STORM_GOAL:,}", held >= STORM_GOAL)
    return [goal_table("Held: no error, and no PROLOG slower than 10 s", [goal]), Table("Storms", columns, rows)]


def _storm_row(agents: int) -> tuple[list[str], bool]:
    result = trio.run(_run_in_memory, storm_of(agents))
    report, figures = result.report, result.report["figures"]
    errors = sum(report["errors"].values())
    slowest_s = figures["prolog_p100"]
    row = [
        f"{agents:,}",
        f"{slowest_s:.2f}",
        f"{figures['prolog_p99']:.2f}",
        ", ".join(f"{kind} {count:,}" for kind, count in report["errors"].items()) or "0",
        f"{figures['success']:.2%}",
        f"{result.server_cpu_s:.0f}",
        f"{result.server_cpu_s / agents * 1000:.1f}",
        f"{result.busy:.2f}",
    ]
    print(", ".join(row), flush=True)
    return row, slowest_s <= STORM_SLOWEST_S and not errors and figures["success"] == 1.0


@click.command()
@click.argument("name", type=click.Choice([*TABLE, "storm-limit", "all"]))
@click.option("--small", is_flag=True, help="The form of `make test`, in which nothing is written.")
def main(name: str, small: bool) -> None:
    """Run a scenario."""
    if name == "storm-limit":
        found = find_storm_limit()
        results.publish("storm-limit", "How many contacts a minute", "make loadtest SCENARIO=storm-limit", found)
        results.finish(found[:1])
    goals: list[Table] = []
    for scenario in TABLE.values() if name == "all" else [TABLE[name]]:
        if small:
            scenario = replace(scenario, **scenario.small)
        result = trio.run(_run_in_memory, scenario)
        shown = tables(scenario, result)
        if small:
            show(shown)
        else:
            command = f"make loadtest SCENARIO={scenario.name}"
            title = f"Scenario: {scenario.name}"
            plots = [load_page.states(result.report), *load_page.plots(result.report)]
            results.publish(f"scenario-{scenario.name}", title, command, shown, plots, {"report": result.report})
        goals.append(shown[0])
    results.finish(goals)


if __name__ == "__main__":
    main()
