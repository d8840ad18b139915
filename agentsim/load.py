"""`agentsim load`: very many emulated agents against a real server."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import trio

from agentsim.fleet import thresholds
from agentsim.fleet.cluster import check_address, run_cluster
from agentsim.fleet.live import shown
from agentsim.fleet.options import Order, read_arrival, read_shares
from agentsim.fleet.processes import run_here, run_processes
from agentsim.fleet.shard import check
from agentsim.fleet.totals import Picture
from agentsim.report import load_report
from agentsim.report.terminal import check_file, dialects_option, show, write
from distd import __version__
from distd.domain.errors import BadInput, DistdError
from distd.domain.units import parse_duration, parse_share
from distd.simulation.world_text import read_dialects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsim.fleet.thresholds import Threshold

EXAMPLE = """\
\b
Examples:
  agentsim load --server https://distd.example:8443/ocsinventory --ca cacert.pem --agents 2000
  agentsim load --server https://localhost:8443/ocsinventory --ca site/cacert.pem --agents 5000 \\
      --dialect unix=1 --dialect windows=4 --arrival window=10min --time-scale 60 \\
      --threshold 'fragment_p99<200ms' --threshold 'success>=99.9%' --html run.html"""
DESCRIPTORS_APART: Final = 200  # for what is no connection
MOST_INVENTORIES: Final = 100_000


@click.command(epilog=EXAMPLE)
@click.option("--server", required=True, metavar="URL", help="Where to send PROLOG, inventory and results.")
@click.option("--ca", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The site's CA, cacert.pem.")
@click.option("--agents", required=True, type=click.IntRange(1, 10_000_000), help="How many.")
@dialects_option
@click.option(
    "--arrival",
    default="at-once",
    show_default=True,
    help="First contacts: at-once, window=10min, poisson=50/s, office (mornings by site), closed=100 (at a time).",
)
@click.option(
    "--time-scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.001, 1e6),
    help="Latencies, contacts, windows and sleep so many times as fast; the network never.",
)
@click.option("--duration", metavar="TIME", help="Agents come again, until then.  [default: until all are through]")
@click.option(
    "--behaviour",
    "behaviours",
    multiple=True,
    metavar="NAME=SHARE",
    help="vanish=1%, sleep=5%:2h, slow=10%:64kB/s, corrupt=0.1%, stale=2%; again for more.",
)
@click.option("--verify", default="1%", show_default=True, help="Share of the agents that check digests; 100%: all.")
@click.option(
    "--inventories",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Say these inventories (XML, or as sent), under their DEVICEIDs.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Whose computers they are.")
@click.option("--first", default=0, show_default=True, type=click.IntRange(0), help="Number of the first agent.")
@click.option(
    "--processes", default=1, show_default=True, type=click.IntRange(1, 64), help="The agents are shared out."
)
@click.option("--cluster", metavar="ADDRESS", help="Share them out over a Dask cluster, such as tcp://head:8786.")
@click.option(
    "--threshold", "limits", multiple=True, metavar="RULE", help="Such as 'fragment_p99<200ms'; again for more."
)
@click.option(
    "--report", "json_file", metavar="FILE", type=click.Path(path_type=Path), help="All that was measured, JSON."
)
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="The same as a page with plots.")
@click.option("--json", "as_text", is_flag=True, help="Print JSON instead of tables.")
def load(
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

    Each agent makes its contact, tells its inventory, and downloads what it is given by its dialect's scheduler, under
    the latencies that the server says; it keeps nothing. SIGTERM and Ctrl-C end the run in good order, a second one at
    once. Exit status 1 says that it was interrupted, or that a threshold was not met (without thresholds: that an agent
    failed or was lost).
    """
    order = Order(
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
    if cluster is not None:
        check_address(cluster)
        if processes != 1:
            raise BadInput("--processes", "nothing beside --cluster: each worker is a process", processes)
    goals = [thresholds.read(text) for text in limits]
    for file, option in ((json_file, "--report"), (html, "--html")):
        if file is not None:
            check_file(file, option)
    check(order)
    facts = {
        "began": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "machine": _machine(),
        "version": __version__,
    }
    picture = Picture(agents)
    trio.run(run, order, picture, processes, cluster, as_text)
    told = load_report.as_json(order, picture, goals, facts)
    written = [
        file is None or write(file, make(told), option)
        for file, make, option in ((json_file, json.dumps, "--report"), (html, load_report.page, "--html"))
    ]
    if as_text:
        click.echo(json.dumps(told))
    else:
        show(load_report.tables(told))
        click.echo(load_report.summary_line(told))
    sys.exit(0 if all(written) and is_good(picture, goals) else 1)


async def run(order: Order, picture: Picture, processes: int, cluster: str | None, quiet: bool) -> None:
    """Until all are through, or a signal ends it: then what was measured so far is told. Raises `DistdError`."""
    stop = trio.Event()
    try:
        async with shown(picture, quiet=quiet), trio.open_nursery() as nursery:
            nursery.start_soon(_end_on_signal, picture, stop, nursery.cancel_scope)
            if cluster is not None:
                await run_cluster(order, picture, cluster, stop)
            elif processes == 1:
                await run_here(order, picture, stop)
            else:
                await run_processes(order, picture, processes, stop)
            nursery.cancel_scope.cancel()
    except ExceptionGroup as group:
        known = group.subgroup(DistdError)
        while known is not None:
            first = known.exceptions[0]
            if isinstance(first, DistdError):
                raise first from None
            known = first
        raise


async def _end_on_signal(picture: Picture, stop: trio.Event, scope: trio.CancelScope) -> None:
    """At the first one all shards are told to end and say their last; at the second nobody is waited for."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            picture.interrupted = True
            if stop.is_set():
                scope.cancel()
            stop.set()


def is_good(picture: Picture, goals: Sequence[Threshold]) -> bool:
    if picture.interrupted:
        return False
    figures = picture.figures()
    if goals:
        return all(goal.holds(figures) for goal in goals)
    return figures["done"] + figures["vanished"] == figures["agents"]


def read_inventories(folder: Path) -> tuple[str, ...]:
    """The XML of each file, sorted by name; deflated ones are inflated. Raises `BadInput`."""
    if not folder.is_dir():
        raise BadInput("--inventories", "a folder", str(folder))
    files = sorted(file for file in folder.iterdir() if file.is_file())
    if not 1 <= len(files) <= MOST_INVENTORIES:
        raise BadInput("--inventories", f"1 to {MOST_INVENTORIES} files", f"{len(files)} in {folder}")
    return tuple(_inventory(file) for file in files)


def _inventory(file: Path) -> str:
    data = file.read_bytes()
    try:
        text = (data if data.lstrip()[:1] == b"<" else zlib.decompress(data)).decode("utf-8", "replace")
    except zlib.error:
        text = ""
    if "<REQUEST" not in text or "<CONTENT" not in text:
        raise BadInput("--inventories", "inventories: REQUEST/CONTENT in XML, or deflated as agents send it", str(file))
    return text


def _read_text(file: Path, option: str) -> str:
    try:
        return file.read_text("ascii")
    except OSError as error:
        raise BadInput(option, "a file that can be read", str(file), error.strerror or "") from None
    except UnicodeDecodeError:
        raise BadInput(option, "a certificate in PEM form", str(file)) from None


def _machine() -> str:
    return f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}"
