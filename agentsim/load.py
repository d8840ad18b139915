"""`agentsim load`: very many emulated agents against a real server."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from agentsim.fleet import thresholds
from agentsim.fleet.cluster import check_address
from agentsim.fleet.options import FleetOptions, read_arrival, read_shares
from agentsim.fleet.recorded_inventories import read_inventories
from agentsim.fleet.run import run_fleet
from agentsim.fleet.target import find_target
from agentsim.fleet.totals import FleetTotals
from agentsim.report import load_report
from agentsim.report.live import shown
from agentsim.report.terminal import dialects_option, show
from distd import __version__
from distd.domain.errors import BadInput
from distd.domain.units import parse_duration, parse_share
from distd.simulation.world_text import read_dialects
from distd.terminal.program import command, option
from distd.terminal.written_file import check_file, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

EXAMPLE = """\
\b
Examples:
  agentsim load --server https://distd.example:8443/ocsinventory --ca cacert.pem --agents 2000
  agentsim load --server https://localhost:8443/ocsinventory --ca site/cacert.pem --agents 5000 \\
      --dialect unix=1 --dialect windows=4 --arrival window=10min --time-scale 60 \\
      --threshold 'fragment_p99<200ms' --threshold 'success>=99.9%' --html run.html"""


@command(epilog=EXAMPLE)
@option("--server", required=True, metavar="URL", help="Where to send PROLOG, inventory and results.")
@option("--ca", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The site's CA, cacert.pem.")
@option("--agents", required=True, type=click.IntRange(1, 10_000_000), help="How many agents.")
@dialects_option
@option(
    "--arrival",
    default="at-once",
    show_default=True,
    help="First contacts: at-once, window=10min, poisson=50/s, office (mornings by site), closed=100 (at a time).",
)
@option(
    "--time-scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.001, 1e6),
    help="Latencies, contacts, windows and sleep pass so many times as fast; the network does not.",
)
@option(
    "--duration",
    metavar="TIME",
    help="Agents go on contacting the server until then.  [default: until all are through]",
)
@option(
    "--behaviour",
    "behaviours",
    multiple=True,
    metavar="NAME=SHARE",
    help="vanish=1%, sleep=5%:2h, slow=10%:64kB/s, corrupt=0.1%, stale=2%; repeatable.",
)
@option("--verify", default="1%", show_default=True, help="Share of the agents that check digests; 100%: all.")
@option(
    "--inventories",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Send these inventories (XML, or as sent by agents), with their DEVICEIDs.",
)
@option("--seed", default=0, show_default=True, type=click.IntRange(0), help="The same seed gives the same computers.")
@option("--first", default=0, show_default=True, type=click.IntRange(0), help="Number of the first agent.")
@option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Share the agents out over so many processes.",
)
@option(
    "--cluster", metavar="ADDRESS", help="Share them out over the workers of a Dask cluster, such as tcp://head:8786."
)
@option("--threshold", "limits", multiple=True, metavar="RULE", help="Such as 'fragment_p99<200ms'; repeatable.")
@option(
    "--report",
    "json_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write all that was measured as JSON.",
)
@option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write it as a page with plots.")
@option("--json", "as_text", is_flag=True, help="Print JSON instead of tables.")
def load(  # noqa: PLR0913 - a parameter for each option
    server: str,
    ca: Path,
    agents: int,
    dialects: tuple[str, ...],
    arrival: str,
    time_scale: float,
    duration: str | None,
    behaviours: tuple[str, ...],
    verify: str,
    inventories: Path | None,
    seed: int,
    first: int,
    processes: int,
    cluster: str | None,
    limits: tuple[str, ...],
    json_file: Path | None,
    html: Path | None,
    as_text: bool,
) -> None:
    """Emulate very many agents against a real server, and measure.

    Each agent makes its contact, sends its inventory, and downloads what it is given by its dialect's scheduler, under
    the latencies that the server sets; it keeps nothing. SIGTERM and Ctrl-C end the run in good order, a second one at
    once. Exit status 1 means that it was interrupted, or that a threshold was not met (without thresholds: that an
    agent failed or was lost).
    """
    options = FleetOptions(
        server=server,
        ca_pem=_read_text(ca, "--ca"),
        agents=agents,
        dialects=read_dialects(dialects),
        arrival=read_arrival(arrival),
        shares=read_shares(behaviours),
        time_scale=time_scale,
        duration_s=None if duration is None else parse_duration(duration, "--duration"),
        verify=parse_share(verify, "--verify"),
        seed=seed,
        first=first,
        replayed=() if inventories is None else read_inventories(inventories),
    )
    _check_places(cluster, processes, json_file, html)
    goals = [thresholds.read(text) for text in limits]
    find_target(options)
    facts = _facts()
    totals = FleetTotals(agents)
    trio.run(_run, options, totals, processes, cluster, as_text)
    report = load_report.as_json(options, totals, goals, facts)
    is_written = _write(report, json_file, html)
    _print(report, as_text=as_text)
    sys.exit(0 if is_written and thresholds.is_passed(totals, goals) else 1)


async def _run(options: FleetOptions, totals: FleetTotals, processes: int, cluster: str | None, quiet: bool) -> None:
    async with shown(totals, quiet=quiet):
        await run_fleet(options, totals, processes, cluster)


def _check_places(cluster: str | None, processes: int, json_file: Path | None, html: Path | None) -> None:
    """Where it is to run, and what it is to write. Raises `BadInput`."""
    if cluster is not None:
        check_address(cluster)
        if processes != 1:
            raise BadInput("--processes", "nothing beside --cluster: each worker is a process", processes)
    for file, name in ((json_file, "--report"), (html, "--html")):
        if file is not None:
            check_file(file, name)


def _write(report: Mapping[str, Any], json_file: Path | None, html: Path | None) -> bool:
    """Whether each file that was asked for could be written; what could not is said on stderr."""
    written = [
        file is None or write(file, make(report), option)
        for file, make, option in ((json_file, json.dumps, "--report"), (html, _page, "--html"))
    ]
    return all(written)


def _page(report: Mapping[str, Any]) -> str:
    # Only here: without --html nothing shall wait for what makes pages.
    from agentsim.report.load_page import page

    return page(report)


def _print(report: Mapping[str, Any], *, as_text: bool) -> None:
    if as_text:
        click.echo(json.dumps(report))
    else:
        show(load_report.tables(report))
        click.echo(load_report.summary_line(report))


def _read_text(file: Path, option: str) -> str:
    try:
        return file.read_text("ascii")
    except OSError as error:
        raise BadInput(option, "a file that can be read", str(file), error.strerror or "") from None
    except UnicodeDecodeError:
        raise BadInput(option, "a certificate in PEM form", str(file)) from None


def _facts() -> dict[str, str]:
    return {
        "began": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "machine": f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}",
        "version": __version__,
    }
