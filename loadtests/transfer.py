"""`make bench-transfer`: fragments of `distd serve` beside nginx and Apache: same folder, same machine, paired rounds.

In each cell (a size, a number of connections, HTTP or TLS, a number of workers) all servers are loaded in turn, round
after round, so that a machine whose speed changes slows them alike.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from agentsim.report.terminal import show
from loadtests import machine, report, results
from loadtests.measure import BY_BYTES, CELL_FORM, SIZES, Result, Slice, default_cells, failed, parse_cells
from loadtests.servers import NGINX, check, make_data, open_servers, recorded_bytes
from tests.programs import wrk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.measure import Cell
    from loadtests.servers import BenchData, Server

HERE = Path(__file__).parent
RESULTS = HERE / "results"
README = HERE.parent / "README.md"
QUICK_CONNECTIONS = (1, 256)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: cells, rounds, seconds of each slice."""

    cells: Sequence[Cell]
    rounds: int
    seconds: int


async def bench(plan: Plan, command: str) -> report.Run:
    """Measure all cells; `command` is what makes the figures again."""
    load = f"{os.getloadavg()[0]:.2f}"
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Apache's workers run as another user
        wanted = {cell.size for cell in plan.cells}
        data = await make_data(folder, {label: size for label, size in SIZES.items() if label in wanted})
        results: list[Result] = []
        cipher = ""
        for workers, cells in groupby(sorted(plan.cells, key=lambda cell: cell.workers), lambda cell: cell.workers):
            async with open_servers(data, folder / f"workers{workers}", workers) as servers:
                cipher = await check(servers, data)
                results += [await measure_cell(cell, servers, data, plan) for cell in cells]
        facts = {
            **machine.facts("nginx", "Apache", "wrk"),
            "load average before": load,
            "TLS": cipher,
            "command": command,
            "rounds": f"{plan.rounds} rounds of {plan.seconds} s",
            "recording": f"on: distd recorded {recorded_bytes(data) / 1e9:,.1f} GB of fragments as sent to a computer",
        }
        return report.Run(facts, results)


async def measure_cell(cell: Cell, servers: Sequence[Server], data: BenchData, plan: Plan) -> Result:
    """All rounds of a cell; prints its ratio."""
    slices: dict[str, list[Slice]] = {server.name: [] for server in servers}
    for _ in range(plan.rounds):
        for server in servers:
            slices[server.name].append(await measure(cell, server, data, plan.seconds))
    result = Result(cell, slices, list(NGINX))
    sys.stderr.write(f"{cell}: {result.ratio or 'failed'} of {result.best_nginx}\n")
    for line in result.failures():
        sys.stderr.write(f"  {line}\n")
    return result


async def measure(cell: Cell, server: Server, data: BenchData, duration_s: int) -> Slice:
    """Load a server for a slice, after a short load that is not measured. Errors make a slice that failed."""
    url = server.url(data.paths[cell.size], tls=cell.tls)
    folder = data.data.parent
    await wrk.warm(url, cell.connections, folder)
    before_s = machine.cpu_s(server.pid)
    memory: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_sample, server.pid, duration_s / 2, memory)
        try:
            found = await wrk.load(url, cell.connections, duration_s, folder)
        except wrk.LoadFailed as error:
            return failed(str(error))
    return slice_of(cell, found, machine.cpu_s(server.pid) - before_s, memory[0])


async def _sample(pid: int, after_s: float, memory: list[int]) -> None:
    await trio.sleep(after_s)
    memory.append(machine.pss_bytes(pid))


def slice_of(cell: Cell, found: wrk.Load, cpu_s: float, pss_bytes: int) -> Slice:
    """The slice of what wrk found, and what the server used meanwhile."""
    answers = found.received_bytes / cell.size_bytes if cell.size_bytes >= BY_BYTES else found.requests
    failure = found.failure(cell.size_bytes, cell.connections)
    if cpu_s <= 0 or pss_bytes == 0:
        failure = failure or "the server has ended"
    return Slice(
        requests=found.requests,
        answers=answers,
        received_bytes=found.received_bytes,
        duration_s=found.duration_s,
        p50_us=found.p50_us,
        p99_us=found.p99_us,
        p999_us=found.p999_us,
        cpu_s=cpu_s,
        load_cpu_s=found.load_cpu_s,
        pss_bytes=pss_bytes,
        failure=failure,
    )


def show_run(run: report.Run) -> None:
    """Print the tables and the failures."""
    show((report.speed(run), report.cost(run), report.judged(run)))
    for line in run.failures:
        click.echo(f"failed: {line}")


def command_of(arguments: Sequence[str]) -> str:
    """The command that makes these figures again."""
    given = shlex.join(argument for argument in arguments if argument != "--readme")
    return f'make bench-transfer ARGS="{given}"' if given else "make bench-transfer"


def _cells(_context: click.Context, _option: click.Parameter, text: str | None) -> list[Cell] | None:
    try:
        return parse_cells(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1), help="In each, every server is loaded once."
)
@click.option("--seconds", default=3, show_default=True, type=click.IntRange(1, 30), help="Of each slice of load.")
@click.option("--cells", metavar="CELL,…", callback=_cells, help=f"Only these: {CELL_FORM}.")
@click.option("--busy", is_flag=True, help="Beside a busy loop on every core.")
@click.option("--quick", is_flag=True, help="To try it: 2 rounds of 1 s, with 1 and 256 connections.")
@click.option("--readme", is_flag=True, help="Put the table into README.md too.")
def main(rounds: int, seconds: int, cells: list[Cell] | None, busy: bool, quick: bool, readme: bool) -> None:
    """Measure distd beside nginx in three configurations and Apache; writes loadtests/results/transfer.*."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    if quick:
        plan = Plan(cells or default_cells(QUICK_CONNECTIONS), 2, 1)
    else:
        plan = Plan(cells or default_cells(), rounds, seconds)
    with machine.busy_cores() if busy else nullcontext():
        run = trio.run(bench, plan, command_of(sys.argv[1:]))
    report.write(run, RESULTS)
    show_run(run)
    if not quick:
        name, more = ("transfer-busy", ", and a busy loop on every core") if busy else ("transfer", "")
        results.note(name, f"## Fragments beside nginx and Apache{more}\n\n{report.markdown(run)}")
    if readme:
        README.write_text(report.put_between_markers(README.read_text(), report.markdown(run)))
    results.finish([report.judged(run)])


if __name__ == "__main__":
    main()
