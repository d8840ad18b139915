"""`make bench-events`: what it costs a server to tell operators' event streams what happens, and the order
of events."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

import click
import trio

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.domain.actor import AGENT, Actor, ActorKind
from distd.origin.installation import open_installation
from distd.origin.operators import operators
from loadtests import event_order
from loadtests.databases import DATABASES, new_site
from loadtests.machine import cpu_s
from loadtests.results import finish, goal_row, goal_table, publish
from tests.programs.processes import distd_serve
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from distd.catalogue.engine import Catalogue
    from distd.report.page import Table

OF_OPERATOR: Final = 8  # streams of one: so many may one have
PASSWORD: Final = "a long password"
SETTLE_S: Final = 3.0
ADMIN: Final = Actor(ActorKind.CLI, "bench")


@dataclass
class _Streams:
    """Streams that are open. `latencies_s`: from when an event was written to when a stream had it."""

    port: int
    received: int = 0
    latencies_s: list[float] = field(default_factory=list)
    written_s: dict[int, float] = field(default_factory=dict)

    async def follow(self, operator: str, *, task_status: trio.TaskStatus[None]) -> None:
        """One stream, for ever."""
        authorization = base64.b64encode(f"{operator}:{PASSWORD}".encode()).decode()
        head = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {authorization}\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            await stream.send_all(f"{head}Accept: text/event-stream\r\n\r\n".encode())
            text = b""
            while b": events" not in text:
                text += await self._receive(stream)
                assert text.startswith(b"HTTP/1.1 200 "), text
            task_status.started()
            rest = b""
            while True:
                *lines, rest = (rest + await self._receive(stream)).split(b"\n")
                for line in lines:
                    found = re.match(rb"id: (\d+)", line)
                    if found and int(found[1]) in self.written_s:  # others are of log-ins
                        self.received += 1
                        self.latencies_s.append(time.monotonic() - self.written_s[int(found[1])])

    async def _receive(self, stream: trio.SocketStream) -> bytes:
        data = await stream.receive_some(65_536)
        assert data, "the server has ended a stream"
        return bytes(data)


async def measure(data: Path, streams: int, rate: float, seconds: float, within: Sequence[str]) -> list[list[str]]:
    """Rows of goals. `within`: what runs the server, as `distd_serve` has it."""
    names = [f"operator{number}" for number in range(-(-streams // OF_OPERATOR))]
    with open_installation(data) as installation:
        with installation.catalogue.write() as conn:
            for name in names:
                operators.create(conn, ADMIN, name, PASSWORD, time.time())
        async with distd_serve(data, within=within) as server, trio.open_nursery() as nursery:
            rows = [await _cpu_row("no stream", server.process.pid, seconds)]
            found = _Streams(int(server.http.rpartition(":")[2]))
            for number in range(streams):
                await nursery.start(found.follow, names[number // OF_OPERATOR])  # passwords are checked one by one
            rows.append(await _cpu_row(f"{streams} streams, nothing happens", server.process.pid, seconds))
            async with trio.open_nursery() as writing:
                writing.start_soon(_write, installation.catalogue, found, rate, seconds)
                what = f"{streams} streams, {rate:g} events/s"
                rows.append(await _cpu_row(what, server.process.pid, seconds))
            expected = len(found.written_s) * streams
            with trio.move_on_after(SETTLE_S):
                await await_until(lambda: found.received >= expected, "all have all")
            figure, is_met = f"{found.received:,}", found.received == expected
            rows.append(goal_row("messages that were received", figure, f"{expected:,}", is_met))
            found.latencies_s.sort()
            rows.append(goal_row("… after the event, median", f"{1000 * median(found.latencies_s):.0f} ms"))
            p99_s = found.latencies_s[int(len(found.latencies_s) * 0.99)]
            rows.append(goal_row("… p99", f"{1000 * p99_s:.0f} ms", "< 1 s", p99_s < 1))
            nursery.cancel_scope.cancel()
    return rows


async def _cpu_row(what: str, pid: int, seconds: float) -> list[str]:
    await trio.sleep(SETTLE_S)
    before_s, begun_s = cpu_s(pid), time.monotonic()
    await trio.sleep(seconds)
    share = (cpu_s(pid) - before_s) / (time.monotonic() - begun_s)
    return goal_row(f"CPU of the server: {what}", f"{100 * share:.1f} % of a core")


async def _write(catalogue: Catalogue, streams: _Streams, rate: float, seconds: float) -> None:
    """One event a transaction, from another process than the server's."""
    due_s = trio.current_time()
    end_s = due_s + seconds + 2 * SETTLE_S
    while due_s < end_s:
        await trio.sleep_until(due_s)
        await trio.to_thread.run_sync(_append, catalogue, streams)
        due_s += 1 / rate


def _append(catalogue: Catalogue, streams: _Streams) -> None:
    with catalogue.write() as conn:
        event_log.append(conn, Kind.INVENTORY, AGENT, at_s=time.time())
        streams.written_s[event_log.newest(conn)] = time.monotonic()


def table_of(database: str, rows: list[list[str]]) -> Table:
    """Of one database."""
    return goal_table(f"Event streams, {database}", rows)


@click.command()
@click.option("--streams", default=50, show_default=True, type=click.IntRange(1, 64))
@click.option("--rate", default=20.0, show_default=True, help="Events a second.")
@click.option("--seconds", default=15.0, show_default=True, help="Of each measurement.")
@click.option("--database", "databases", multiple=True, type=click.Choice(DATABASES), help="[default: both]")
@click.option("--python", multiple=True, help="Of another installation, whose distd is measured.")
@click.option("--show", "is_shown", is_flag=True, help="Print only; write nothing.")
def main(
    streams: int, rate: float, seconds: float, databases: tuple[str, ...], python: tuple[str, ...], is_shown: bool
) -> None:
    """Measure event streams."""
    tables = []
    for database in databases or DATABASES:
        with new_site(database) as data:
            tables.append(table_of(database, trio.run(measure, data, streams, rate, seconds, python)))
    if "postgresql" in (databases or DATABASES):
        rows = event_order.measure((1, 4), seconds / 3)
        tables.append(goal_table(f"Order of events on PostgreSQL, {event_order.EVENTS} events a transaction", rows))
    if is_shown:
        for table in tables:
            for row in table.rows:
                click.echo("\t".join(row))
    else:
        publish("events", "Event streams of operators", "make bench-events", tables)
    finish(tables)


if __name__ == "__main__":
    main()
