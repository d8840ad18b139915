"""`agentsim simulate`: a deployment in virtual time, reported as a table, as JSON, as a page."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from agentsim.parallel_simulation import run
from agentsim.report.simulation_report import tables
from agentsim.report.terminal import dialects_option, show
from distd.domain import settings
from distd.domain.errors import BadInput
from distd.domain.schedule import gets_no_turn
from distd.domain.units import parse_duration, parse_weekday_time
from distd.simulation.summary import as_json, summarise
from distd.simulation.world import MAX_PER_S, Line, World, check
from distd.simulation.world_text import read_dialects, read_packages, read_sites, with_mirrors
from distd.terminal.options import set_option
from distd.terminal.program import command, option
from distd.terminal.written_file import check_file, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from distd.simulation.records import Summary
    from distd.simulation.simulate import SimulationResult

EXAMPLE = """\
\b
Examples:
  agentsim simulate --agents 2000 --package 53MB@5
  agentsim simulate --package editor=53MB@5 --package fonts=2MB@1/256KiB \\
      --site paris=1200 --site lyon=300:4Mbit/s --mirror lyon --mirror-down lyon=2-6 \\
      --set download.frag_latency_s=30 --html forecast.html"""


@command(epilog=EXAMPLE)
@option(
    "--agents",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="How many agents, where no --site is given.",
)
@option(
    "--package",
    "packages",
    multiple=True,
    required=True,
    metavar="[NAME=]SIZE[@PRIORITY][/FRAGMENT]",
    help="What each agent fetches; repeatable.  [default: priority 5, fragments of 1MiB]",
)
@option("--site", "sites", multiple=True, metavar="NAME=AGENTS[:LINE]", help="Agents behind one line; repeatable.")
@option(
    "--line",
    default="",
    metavar="RULES",
    help="The line of a site that names none, such as '4Mbit/s; 1Mbit/s mon-fri 8-18'.  [default: no limit]",
)
@option("--shared", is_flag=True, help="Lines are shared by all transfers; else they carry one after the other.")
@option("--origin-line", default="", metavar="RULES", help="The rate at which the origin sends at most.")
@option(
    "--contacts-per-s",
    type=click.IntRange(0, MAX_PER_S),
    default=0,
    metavar="N",
    help="First contacts that the origin can answer; more wait.  [default: 0, any number]",
)
@option(
    "--requests-per-s",
    type=click.IntRange(0, MAX_PER_S),
    default=0,
    metavar="N",
    help="Fragments that the origin, and each mirror, can answer for; more wait.  [default: 0, any number]",
)
@option(
    "--round-trip",
    type=click.FloatRange(0, 3600),
    default=0.005,
    show_default=True,
    metavar="SECONDS",
    help="From an agent to its server.",
)
@option("--mirror", "mirrors", multiple=True, metavar="SITE[=LINE]", help="A mirror in that site; repeatable.")
@option(
    "--mirror-down",
    "failures",
    field="mirror_down",
    multiple=True,
    metavar="SITE=FROM-TO",
    help="Its mirror is down between these hours after the beginning; repeatable.",
)
@dialects_option
@option("--window", metavar="TIME", help="First contacts come evenly over it.  [default: agents.prolog_freq_h]")
@option("--start", default="mon 0:00", show_default=True, help="Day and hour of the first contact.")
@set_option
@option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same result.")
@option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Share the sites out over so many processes.",
)
@option("--json", "as_text", is_flag=True, help="Print JSON, for scripts.")
@option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write a page with plots.")
def simulate(  # noqa: PLR0913 - a parameter for each option
    agents: int,
    packages: tuple[str, ...],
    sites: tuple[str, ...],
    line: str,
    shared: bool,
    origin_line: str,
    contacts_per_s: int,
    requests_per_s: int,
    round_trip: float,
    mirrors: tuple[str, ...],
    failures: tuple[str, ...],
    dialects: tuple[str, ...],
    window: str | None,
    start: str,
    overrides: Mapping[str, str],
    seed: int,
    processes: int,
    as_text: bool,
    html: Path | None,
) -> None:
    """Predict a deployment in virtual time: when all agents are through, and what lines and mirrors carry.

    Each agent takes exactly the turns that its dialect's scheduler gives it under the latencies; lines, mirrors and
    the origin are queues. A million agents with 20 fragments take some ten seconds.
    """
    values = settings.load({}, os.environ, overrides)
    world = World(
        packages=read_packages(packages),
        sites=with_mirrors(read_sites(sites, agents, line), mirrors, failures),
        config=values.download,
        prolog_freq_h=values.agents.prolog_freq_h,
        dialects=read_dialects(dialects),
        contact_s=None if window is None else parse_duration(window, "--window"),
        origin=Line.read(origin_line, "--origin-line"),
        contacts_per_s=contacts_per_s,
        requests_per_s=requests_per_s,
        round_trip_s=round_trip,
        shared=shared,
        begins_min=parse_weekday_time(start, "--start"),
    )
    check(world)
    _check_priorities(world)
    if html is not None:
        check_file(html, "--html")
    begun_s = time.perf_counter()
    with _progress() as progress:
        outcome = trio.run(run, world, seed, processes, progress)
    took_s = time.perf_counter() - begun_s
    summary = summarise(world, outcome)
    written = html is None or write(html, _page(world, outcome, summary), "--html")
    if as_text:
        click.echo(json.dumps(as_json(summary) | {"seed": seed, "took_s": round(took_s, 3), "hash": outcome.digest()}))
    else:
        show(tables(summary))
        click.echo(f"Simulated in {took_s:.1f} s.")
    sys.exit(0 if written else 1)


def _page(world: World, outcome: SimulationResult, summary: Summary) -> str:
    # Only here: without --html nothing shall wait for what makes pages.
    from agentsim.report.simulation_page import page

    return page(world, outcome, summary)


def _check_priorities(world: World) -> None:
    """Raises `BadInput` for a package that would never be fetched."""
    for package in world.packages:
        if gets_no_turn(package.priority, world.config):
            expected = f"priorities up to {world.config.period_length}, download.period_length: others get no turn"
            raise BadInput("--package", expected, f"{package.id}@{package.priority}")


@contextmanager
def _progress() -> Iterator[Callable[[float], None] | None]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("Simulating"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share: bar.update(task, completed=share)
