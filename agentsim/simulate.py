"""`agentsim simulate`: a deployment in virtual time, told as a table, as JSON, as a page."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from agentsim.parallel_simulation import run
from agentsim.report.page import Bars, Lines, Series, Table, write_page
from agentsim.report.terminal import check_file, dialects_option, show, write
from distd import __version__
from distd.domain import settings
from distd.domain.errors import BadInput
from distd.domain.schedule import never
from distd.domain.units import format_duration, format_rate, format_volume, parse_duration, parse_weekday_time
from distd.simulation.summary import SHARES, as_json, summarise
from distd.simulation.world import MOST_PER_S, Line, World, check
from distd.simulation.world_text import read_dialects, read_packages, read_sites, with_mirrors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distd.simulation.simulate import Outcome
    from distd.simulation.summary import Finish, Load, Summary

EXAMPLE = """\
\b
Examples:
  agentsim simulate --agents 2000 --package 53MB@5
  agentsim simulate --package editor=53MB@5 --package fonts=2MB@1/256KiB \\
      --site paris=1200 --site lyon=300:4Mbit/s --mirror lyon --mirror-down lyon=2-6 \\
      --set download.frag_latency_s=30 --html forecast.html"""
MOST_ROWS = 20
SECONDS_A_POINT = 400  # points of a curve on the page


@click.command(epilog=EXAMPLE)
@click.option(
    "--agents", type=click.IntRange(1), default=1000, show_default=True, help="How many, where no --site is given."
)
@click.option(
    "--package",
    "packages",
    multiple=True,
    required=True,
    metavar="[NAME=]SIZE[@PRIORITY][/FRAGMENT]",
    help="What each agent fetches; again for more.  [default: priority 5, fragments of 1MiB]",
)
@click.option("--site", "sites", multiple=True, metavar="NAME=AGENTS[:LINE]", help="Agents behind one line.")
@click.option(
    "--line",
    default="",
    metavar="RULES",
    help="The line of a site that names none, such as '4Mbit/s; 1Mbit/s mon-fri 8-18'.  [default: no limit]",
)
@click.option("--shared", is_flag=True, help="Lines serve all transfers at once; else one after the other.")
@click.option("--origin-line", default="", metavar="RULES", help="What the origin sends at most.")
@click.option(
    "--contacts-per-s",
    type=click.IntRange(0, MOST_PER_S),
    default=0,
    metavar="N",
    help="First contacts that the origin can answer; more wait.  [default: 0, any number]",
)
@click.option(
    "--requests-per-s",
    type=click.IntRange(0, MOST_PER_S),
    default=0,
    metavar="N",
    help="Fragments that the origin, and each mirror, can answer for; more wait.  [default: 0, any number]",
)
@click.option(
    "--round-trip",
    type=click.FloatRange(0, 3600),
    default=0.005,
    show_default=True,
    metavar="SECONDS",
    help="From an agent to its server.",
)
@click.option("--mirror", "mirrors", multiple=True, metavar="SITE[=LINE]", help="A mirror in that site.")
@click.option(
    "--mirror-down",
    "failures",
    multiple=True,
    metavar="SITE=FROM-TO",
    help="It is dead from so many hours after the beginning to so many.",
)
@dialects_option
@click.option("--window", metavar="TIME", help="First contacts come evenly over it.  [default: agents.prolog_freq_h]")
@click.option("--start", default="mon 0:00", show_default=True, help="Day and hour of the first contact.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.NAME=VALUE",
    help="What agents are told, such as download.frag_latency_s=30; again for more.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same course."
)
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Sites are shared out to so many."
)
@click.option("--json", "as_text", is_flag=True, help="Print JSON, for scripts.")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="A page with plots.")
def simulate(
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
    overrides: tuple[str, ...],
    seed: int,
    processes: int,
    as_text: bool,
    html: Path | None,
) -> None:
    """Predict a deployment in virtual time: when it is through, and what it does to the lines.

    Each agent takes exactly the turns that its dialect's scheduler gives it under the latencies; lines, mirrors and
    the origin are queues. A million agents with 20 fragments take some ten seconds.
    """
    told = settings.load({}, os.environ, dict(_pair(text) for text in overrides))
    world = World(
        packages=read_packages(packages),
        sites=with_mirrors(read_sites(sites, agents, line), mirrors, failures),
        config=told.download,
        prolog_freq_h=told["agents.prolog_freq_h"],
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
    for one in world.packages:
        if never(one.priority, world.config):
            expected = f"priorities up to {world.config.period_length}, download.period_length: others get no turn"
            raise BadInput("--package", expected, f"{one.id}@{one.priority}")
    if html is not None:
        check_file(html, "--html")
    begun_s = time.perf_counter()
    with _progress() as tell:
        outcome = run(world, seed, processes, tell)
    took_s = time.perf_counter() - begun_s
    summary = summarise(world, outcome)
    written = html is None or write(html, page(world, outcome, summary), "--html")
    if as_text:
        click.echo(json.dumps(as_json(summary) | {"seed": seed, "took_s": round(took_s, 3), "hash": outcome.digest()}))
    else:
        show(tables(summary))
        click.echo(f"Simulated in {took_s:.1f} s.")
    sys.exit(0 if written else 1)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise BadInput("--set", "SECTION.NAME=VALUE", text)
    return name.strip(), value.strip()


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


def tables(summary: Summary) -> Iterator[Table]:
    """When all is through, and what each line and mirror carries."""
    head = ("Package", "agents", *(f"{share} %" for share in SHARES), "never")
    rows = [_finish_row(name, one) for name, one in summary.packages.items()]
    if len(rows) > 1:
        rows.append(_finish_row("all", summary.all))
    yield Table("Through after", head, rows)
    if any(summary.contact_wait_s.values()):
        waits = [format_duration(summary.contact_wait_s[share]) for share in SHARES]
        yield Table("First contacts", ("", *head[2:-1]), [["answered within", *waits]])
    head = ("Line", "bytes", "peak", "after")
    yield Table("Most in a minute", head, [_load_row(summary.origin), *_largest("line of ", summary.lines)])
    if summary.mirrors:
        yield Table("Mirrors", head, _largest("mirror of ", summary.mirrors))


def _finish_row(name: str, finish: Finish) -> list[str]:
    times = [format_duration(finish.after_s[share]) for share in SHARES]
    return [name, f"{finish.done + finish.never:,}", *times, f"{finish.never:,}" if finish.never else ""]


def _largest(kind: str, loads: Sequence[Load]) -> list[list[str]]:
    chosen = sorted(loads, key=lambda one: -one.peak_bytes_per_s)
    rows = [_load_row(one, kind) for one in chosen[:MOST_ROWS]]
    if len(chosen) > MOST_ROWS:
        rows.append([f"and {len(chosen) - MOST_ROWS} with less", "", "", ""])
    return rows


def _load_row(load: Load, kind: str = "") -> list[str]:
    return [
        kind + load.name,
        format_volume(load.bytes),
        format_rate(load.peak_bytes_per_s),
        format_duration(load.peak_after_s),
    ]


def page(world: World, outcome: Outcome, summary: Summary) -> str:
    """The forecast as one HTML file."""
    config = world.config
    facts = {
        "made by": f"agentsim {__version__}",
        "agents": f"{summary.agents:,} in {len(world.sites)} site(s)",
        "packages": ", ".join(
            f"{one.id} (priority {one.priority}, {len(one.lengths)} fragments)" for one in world.packages
        ),
        "latencies": f"fragment {config.frag_latency_s} s, cycle {config.cycle_latency_s} s, "
        f"period {config.period_latency_s} s, {config.period_length} cycles a period",
        "called as": shlex.join(["agentsim", *sys.argv[1:]]),
    }
    curve = {"all": [(at_s / 3600, share * 100) for at_s, share in summary.curve]}
    peaks = sorted(summary.lines, key=lambda one: -one.peak_bytes_per_s)[:MOST_ROWS]
    bars = Series("peak", [one.peak_bytes_per_s / 1e6 for one in peaks])
    return write_page(
        "A deployment foreseen",
        facts,
        [
            *tables(summary),
            Lines("Agents that are through", "hours", "%", curve),
            Lines("Sent by the minute", "hours", "MB/s", dict(_flows(world, outcome))),
            Bars("Peak of each line", "MB/s", [one.name for one in peaks], [bars]),
        ],
    )


def _flows(world: World, outcome: Outcome) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    yield "origin", _thinned(outcome.origin_bytes)
    if any(site.mirror for site in world.sites):
        yield "mirrors", _thinned(outcome.mirror_bytes.sum(axis=0))


def _thinned(by_minute: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[tuple[float, float]]:
    """(hour, MB/s): of each stretch of minutes its largest, so that no peak is lost."""
    stretch = max(-(-len(by_minute) // SECONDS_A_POINT), 1)
    starts = np.arange(0, len(by_minute), stretch)
    if not len(starts):
        return [(0.0, 0.0)]
    peaks = np.maximum.reduceat(by_minute, starts)
    return [(float(at) / 60, float(most) / 60e6) for at, most in zip(starts, peaks, strict=True)]
