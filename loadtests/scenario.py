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
from agentsim.report import load_report
from agentsim.report.terminal import show
from loadtests import results
from loadtests.fleets import FILE_BYTES, Ground, spell, write_zip
from loadtests.machine import own_bytes
from loadtests.results import goal_row, goal_table
from loadtests.scenarios import TABLE
from tests.programs.mirror import join
from tests.programs.mirror import metric as metric_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from agentsim.report.page import Table
    from loadtests.fleets import Loaded
    from loadtests.scenarios import Scenario
    from tests.programs.mirror import Mirror
    from tests.programs.processes import Site

UPDATE_GOAL = 0.1
READY_S = 120.0
SENT = "redistrib_fragments_sent"
GROWTH_GOAL = 1.2  # the server's memory at the end to that in the first third
ELSEWHERE_GOAL = 0.01  # fragments that no mirror sent, where there are mirrors; a redirect is no fragment


@dataclass(frozen=True, slots=True)
class Outcome:
    """`rows` as `results.goal_row` makes them; `told` is the fleet's report."""

    rows: list[list[str]]
    told: dict[str, Any]

    @property
    def is_met(self) -> bool:
        return not results.missed(self.rows)


@dataclass(frozen=True, slots=True)
class Loss:
    """The first mirror was killed so long after the fleet was started, when the others had sent so many fragments."""

    at_s: float
    others_sent: int


@dataclass(frozen=True, slots=True)
class Course:
    """How a fleet fared. `grown`: the server's memory at the end to that in the first third. `loss`: None where no
    mirror was killed before the fleet's end."""

    loaded: Loaded
    grown: float
    loss: Loss | None


async def run(scenario: Scenario, folder: Path) -> Outcome:
    """From an empty `folder` to the end of the fleet."""
    ground = Ground(folder)
    settings = {"mirrors.wave_pause_s": 0, **scenario.settings}
    async with contextlib.AsyncExitStack() as stack:
        site = await stack.enter_async_context(ground.serve(settings, scenario.workers))
        mirrors = [await _mirror(stack, ground, number) for number in range(scenario.mirrors)]
        for parcel in scenario.parcels:
            await ground.publish(parcel)
        await _ready(ground, mirrors, len(scenario.parcels))
        known = await ground.enlist(scenario.agents, *_mix(scenario.options))
        assert known.figures["success"] == 1.0, known.told["errors"]
        rows: list[list[str]] = []
        if scenario.changed:
            rows += await _update(scenario, ground, mirrors)
        await ground.assign(*ground.packages)
        course = await _load(scenario, ground, site, mirrors)
        loaded, grown = course.loaded, course.grown
        rows = [*_threshold_rows(loaded), *rows, *await _counter_rows(ground, loaded)]
        sent = served(loaded.told, [mirror.http for mirror, _ in mirrors])
        if mirrors:
            rows += mirror_rows(loaded.told, sent)
        if scenario.lost_after_s:
            rows += loss_rows(course.loss, sent)
        if scenario.name == "soak":
            rows.append(goal_row("the server's memory, end to early", f"{grown:.2f}", "≤ 1.2", grown <= GROWTH_GOAL))
    return Outcome(rows, loaded.told)


async def _mirror(stack: contextlib.AsyncExitStack, ground: Ground, number: int) -> tuple[Mirror, Site]:
    mirror = await trio.to_thread.run_sync(join, ground.data, ground.url, ground.folder, f"mirror{number}")
    return mirror, await stack.enter_async_context(mirror.serve())


async def _ready(ground: Ground, mirrors: Sequence[object], packages: int) -> None:
    with trio.fail_after(READY_S):
        while metric_of(ground.http, "distd_mirrors_ready") != len(mirrors) * packages:
            await trio.sleep(0.2)


def _mix(options: Sequence[str]) -> list[str]:
    """Those of the options that say whose computers they are."""
    pairs = itertools.pairwise(options)
    return [part for pair in pairs if pair[0] == "--dialect" for part in pair]


async def _update(scenario: Scenario, ground: Ground, mirrors: Sequence[tuple[Mirror, Site]]) -> list[list[str]]:
    """The first package's second version in its place."""
    (old,) = ground.packages
    count = scenario.parcels[0].size_bytes // FILE_BYTES
    step = round(1 / scenario.changed)
    changed = range(step // 2, count, step)
    name = f"{scenario.parcels[0].name}2.zip"
    source = write_zip(ground.folder / name, scenario.parcels[0].size_bytes, 0, changed)
    before = sum(mirror.metric("redistrib_bytes_fetched") for mirror, _ in mirrors)
    new = await ground.distd("package", "supersede", old, source)
    ground.packages = [new["id"]]
    await ground.distd("package", "activate", new["id"])
    with trio.fail_after(READY_S):
        while not all((mirror.data / "download" / new["id"]).exists() for mirror, _ in mirrors):
            await trio.sleep(0.2)
    await _ready(ground, mirrors, 1)  # the old one has gone
    fetched = sum(mirror.metric("redistrib_bytes_fetched") for mirror, _ in mirrors) - before
    share = fetched / (new["size"] * len(mirrors))
    return [goal_row("version 2 to each mirror, of its bytes", f"{share:.1%}", "≤ 10 %", share <= UPDATE_GOAL)]


async def _load(scenario: Scenario, ground: Ground, site: Site, mirrors: Sequence[tuple[Mirror, Site]]) -> Course:
    """The fleet, and what happens meanwhile."""
    thresholds = [part for text in scenario.thresholds for part in ("--threshold", text)]
    memory: list[int] = []
    losses: list[Loss] = []

    async def watch() -> None:
        while True:
            memory.append(own_bytes(site.process.pid))
            await trio.sleep(1)

    async def lose() -> None:
        losses.append(await _lose(mirrors, scenario.lost_after_s))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        if scenario.lost_after_s:
            nursery.start_soon(lose)
        loaded = await ground.load(scenario.agents, *scenario.options, *thresholds)
        nursery.cancel_scope.cancel()
    early = max(memory[: max(len(memory) // 3, 1)])
    return Course(loaded, memory[-1] / early, losses[0] if losses else None)


async def _lose(mirrors: Sequence[tuple[Mirror, Site]], after_s: float) -> Loss:
    """From the fleet's start on. However long the machine takes to get it going, the first mirror has work by then."""
    begun_s = trio.current_time()
    (first, site), *others = mirrors
    had_sent = first.metric(SENT)
    while first.metric(SENT) == had_sent:
        await trio.sleep(0.1)
    await trio.sleep(after_s)
    await site.kill()
    return Loss(trio.current_time() - begun_s, sum(int(mirror.metric(SENT)) for mirror, _ in others))


def served(told: Mapping[str, Any], mirrors: Sequence[str]) -> list[int]:
    """Fragments that agents had from each of the mirrors ("host:port"), by the fleet's report."""
    return [told["places"].get(mirror, {"fragments": 0})["fragments"] for mirror in mirrors]


def mirror_rows(told: Mapping[str, Any], sent: Sequence[int]) -> list[list[str]]:
    """Whether the mirrors were of use. `sent`: as `served` counts."""
    total = sum(place["fragments"] for place in told["places"].values())
    elsewhere = total - sum(sent)
    few = elsewhere <= total * ELSEWHERE_GOAL
    figure = ", ".join(f"{count:,}" for count in sent)
    return [
        goal_row("fragments that agents had from each mirror", figure, "each > 0", all(sent)),
        goal_row("… from elsewhere, of all", f"{elsewhere:,} of {total:,}", "≤ 1 %", few),
    ]


def loss_rows(loss: Loss | None, sent: Sequence[int]) -> list[list[str]]:
    """Whether the first mirror was lost in the middle. `sent`: as `served` counts, so what the first one sent it sent
    before, and of the others that is after which goes beyond their own count at that time."""
    what, goal = "the first mirror was killed", "before the end"
    if loss is None:
        return [goal_row(what, "not in time", goal, False)]
    first, afterwards = sent[0], sum(sent[1:]) - loss.others_sent
    return [
        goal_row(what, f"{loss.at_s:.1f} s after the start", goal, True),
        goal_row("… fragments that agents had from it before", f"{first:,}", "> 0", first > 0),
        goal_row("… from the other mirrors afterwards", f"{afterwards:,}", "> 0", afterwards > 0),
    ]


def _threshold_rows(loaded: Loaded) -> list[list[str]]:
    rows = []
    for one in loaded.told["thresholds"]:
        name, goal = one["text"], one["text"].lstrip("abcdefghijklmnopqrstuvwxyz_0123456789.")
        rows.append(goal_row(name[: len(name) - len(goal)], in_unit(name, one["value"]), goal, one["holds"]))
    return rows


async def _counter_rows(ground: Ground, loaded: Loaded) -> list[list[str]]:
    """What both sides counted. Fragments that mirrors sent are in the origin's books later, so only results are
    compared where there are any."""
    rows = []
    told = loaded.told["packages"]
    results_told = loaded.told["results"]
    codes: dict[str, int] = {}
    for package_id in ground.packages:
        mine = told.get(package_id, {"fragments": 0, "bytes": 0})
        server = await ground.recorded(package_id, 0 if _has_mirrors(loaded, ground) else mine["fragments"])
        for code, count in server["codes"].items():
            codes[code] = codes.get(code, 0) + count
        if not _has_mirrors(loaded, ground):
            same = (server["fragments"], server["bytes"]) == (mine["fragments"], mine["bytes"])
            figure = f"{server['fragments']:,} fragments, {server['bytes']:,} bytes"
            expected = f"{mine['fragments']:,}, {mine['bytes']:,}"
            rows.append(goal_row(f"package {package_id}, by the server's books", figure, expected, same))
    rows.append(goal_row("results, by the server's books", spell(codes), spell(results_told), codes == results_told))
    return rows


def _has_mirrors(loaded: Loaded, ground: Ground) -> bool:
    return any(not name.endswith(ground.http.rpartition(":")[2]) for name in loaded.told["places"])


@contextlib.asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="distd-bench-") as made:
        yield Path(made)


async def _run_in_memory(scenario: Scenario) -> Outcome:
    async with _folder() as folder:
        return await run(scenario, folder)


def tables(scenario: Scenario, outcome: Outcome) -> list[Table]:
    return [goal_table(scenario.proves.rstrip("."), outcome.rows), *load_report.tables(outcome.told)]


@click.command()
@click.argument("name", type=click.Choice([*TABLE, "all"]))
@click.option("--small", is_flag=True, help="The form of `make test`: nothing is written down.")
def main(name: str, small: bool) -> None:
    """Run a scenario."""
    goals: list[Table] = []
    for scenario in TABLE.values() if name == "all" else [TABLE[name]]:
        if small:
            scenario = replace(scenario, **scenario.small)
        outcome = trio.run(_run_in_memory, scenario)
        made = tables(scenario, outcome)
        if small:
            show(made)
        else:
            command = f"make loadtest SCENARIO={scenario.name}"
            title = f"Scenario: {scenario.name}"
            results.publish(f"scenario-{scenario.name}", title, command, made, more={"told": outcome.told})
            (results.FOLDER / f"scenario-{scenario.name}.html").write_text(load_report.page(outcome.told), "utf-8")
        goals.append(made[0])
    results.finish(goals)


if __name__ == "__main__":
    main()
