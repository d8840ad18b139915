"""`make bench-console`: how long the console's pages take the server, what they weigh, what 50 that stay open cost.

A site of 100,000 computers, 500 packages and a roll-out of 50,000. All by HTTPS, as a browser asks; the pages are those
of the table that the browser's tests have. Goals are for the CPU time of the server: what else the machine does delays
answers, but adds little to that.
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import ssl
import sys
import tempfile
import time
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_plus, urlencode

import click
import trio

from distd.report.page import Table
from loadtests.console_site import large_site
from loadtests.machine import cpu_s
from loadtests.results import finish, goal_row, goal_table, publish, verdict
from tests.browser.page_table import PAGES
from tests.programs.processes import distd_serve, run

if TYPE_CHECKING:
    from loadtests.console_site import LargeSite
    from tests.programs.processes import RunningServer

ROUNDS: Final = 15
MAX_MS: Final = 100.0
MEDIAN_MS: Final = 40.0
FIRST_BYTES: Final = 150_000
LATER_BYTES: Final = 30_000
LIVE_PAGES: Final = 50
LIVE_EVERY_S: Final = 5.0  # what the page itself says
LIVE_PERCENT: Final = 5.0
RISE_PERCENT: Final = 20.0
PROBES: Final = 5  # pairs of slices
PROBE_S: Final = 6.0
PROBES_PER_S: Final = 300
SKIPPED: Final = ("/jobs/<job_id>",)  # there is none
# Beside one of each kind: searches that cost more, and what pages ask for by themselves.
FILTERS: Final = (
    "windows",
    'package("Putty") = FAILED',
    'package("Putty") = SUCCESS',
    'software("7-Zip*") NOT software("*firefox*")',
    'group("Class A")',
)
# Beside one of each kind: searches that cost more, and what pages ask for by themselves.
MORE: Final = (
    "/computers",
    *(f"/computers?filter={quote(text)}" for text in FILTERS),
    "/packages?name=*1*",
    "/packages?sort=-failed",
    "/packages/{package}/deployment?state=FAILED",
    "/packages/{package}/deployment/live",
    "/packages/{package}/deployment/numbers",
    "/packages/{package}/deployment/causes",
    "/overview/now",
    "/search/completion?filter=tag+%3D+&at=6",
)


class Reader:
    """A browser's connection and cookie."""

    def __init__(self, address: str, ca: Path) -> None:
        self._connection = http.client.HTTPSConnection(address, context=ssl.create_default_context(cafile=str(ca)))
        self._fields = {"Accept-Encoding": "gzip", "Accept-Language": "fr", "Sec-Fetch-Site": "same-origin"}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def sign_in(self, password: str) -> None:
        """Keep the cookie of admin."""
        form = urlencode({"name": "admin", "password": password})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/login", form, self._fields | kind)
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 303, answer.status
        self._fields["Cookie"] = (answer.getheader("Set-Cookie") or "").partition(";")[0]

    def get(self, path: str) -> tuple[float, bytes, bytes]:
        """Seconds, what came over the wire, what it is. Raises `AssertionError` where there is no such page."""
        begun_s = time.perf_counter()
        self._connection.request("GET", path, headers=self._fields)
        answer = self._connection.getresponse()
        body = answer.read()
        took_s = time.perf_counter() - begun_s
        assert answer.status in (200, 204, 400), (path, answer.status)
        return took_s, body, gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body


@dataclass(frozen=True, slots=True)
class Measured:
    """A page. `cpu_s`: of the server, for an answer; `first_s`: the first answer, before anything is remembered;
    `times_s`: the others; `bytes`: of its HTML, compressed; `files`: addresses of what it loads."""

    path: str
    cpu_s: float
    first_s: float
    times_s: list[float]
    bytes: int
    files: set[str]


def measure_pages(reader: Reader, known: dict[str, str], pid: int) -> list[Measured]:
    """Each page of the table, and `MORE`."""
    paths = [each for rule, addresses in PAGES.items() if rule not in SKIPPED for each in addresses]
    found = []
    for pattern in (*paths, *MORE):
        path = pattern.format(**known)
        first_s, body, page = reader.get(path)
        files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.decode()))
        before_s = cpu_s(pid)
        times_s = [reader.get(path)[0] for _ in range(ROUNDS)]
        found.append(Measured(pattern, (cpu_s(pid) - before_s) / ROUNDS, first_s, times_s, len(body), files))
    return found


def page_table(pages: list[Measured]) -> Table:
    """A row for each page."""
    rows = []
    for each in pages:
        times_ms = [1000 * value for value in (each.cpu_s, min(each.times_s), median(each.times_s), each.first_s)]
        figures = [f"{value:.1f}" for value in times_ms]
        rows.append([unquote_plus(each.path), *figures, f"{each.bytes / 1000:.1f}", verdict(times_ms[0] <= MAX_MS)])
    columns = ("page", "CPU, ms", "quickest, ms", "median, ms", "first, ms", "HTML, kB", "CPU ≤ 100 ms")
    return Table(f"Pages: {ROUNDS} answers after the first", columns, rows)


def total_rows(pages: list[Measured], reader: Reader) -> list[list[str]]:
    """What pages take in the middle and at most, and what the heaviest weighs."""
    middle_ms = 1000 * median(each.cpu_s for each in pages)
    most = max(pages, key=lambda each: each.cpu_s)
    most_ms = 1000 * most.cpu_s
    files = {path: len(reader.get(path)[1]) for path in set().union(*(each.files for each in pages))}
    later = max(each.bytes for each in pages)
    first = max(each.bytes + sum(files[path] for path in each.files) for each in pages)
    return [
        goal_row("CPU of a page, median", f"{middle_ms:.1f} ms", f"≤ {MEDIAN_MS:.0f} ms", middle_ms <= MEDIAN_MS),
        goal_row(f"… at most: {unquote_plus(most.path)}", f"{most_ms:.1f} ms", "≤ 100 ms", most_ms <= MAX_MS),
        goal_row("the heaviest page at first", f"{first / 1000:.1f} kB", "≤ 150 kB", first <= FIRST_BYTES),
        goal_row("the heaviest page afterwards", f"{later / 1000:.1f} kB", "≤ 30 kB", later <= LATER_BYTES),
    ]


async def measure_live(site: LargeSite, server: RunningServer, reader: Reader) -> list[list[str]]:
    """Rows of what open pages cost: CPU of the server, and the p99 of fragments beside them."""
    costs: dict[bool, list[float]] = {True: [], False: []}
    latencies: dict[bool, list[float]] = {True: [], False: []}
    seen = re.search(r"seen=([\d-]+)", reader.get(f"/packages/{site.package}/deployment/live")[2].decode())
    assert seen is not None
    path = f"/packages/{site.package}/deployment/live?seen={seen[1]}"
    for _ in range(PROBES):
        for is_open in (False, True):
            async with AsyncExitStack() as stack:
                if is_open:
                    nursery = await stack.enter_async_context(trio.open_nursery())
                    nursery.start_soon(_look, site, server, reader, path)
                before_s, begun_s = cpu_s(server.process.pid), time.perf_counter()
                await trio.sleep(PROBE_S)
                costs[is_open].append((cpu_s(server.process.pid) - before_s) / (time.perf_counter() - begun_s))
                latencies[is_open].append(await _fragment_p99_us(site, server))
                if is_open:
                    nursery.cancel_scope.cancel()
    percent = 100 * (median(costs[True]) - median(costs[False]))
    before_us, beside_us = median(latencies[False]), median(latencies[True])
    rise = 100 * (beside_us / before_us - 1)
    return [
        goal_row(
            f"{LIVE_PAGES} open live pages, of a core", f"{percent:.1f} %", f"≤ {LIVE_PERCENT:.0f} %",
            percent <= LIVE_PERCENT,
        ),
        goal_row("p99 of fragments without them", f"{before_us:.0f} µs"),
        goal_row("… beside them", f"{beside_us:.0f} µs ({rise:+.0f} %)", "≤ +20 %", rise <= RISE_PERCENT),
    ]  # fmt: skip


async def _look(site: LargeSite, server: RunningServer, reader: Reader, path: str) -> None:
    """What the pages ask for: each every few seconds whether anything has changed."""
    limiter = trio.CapacityLimiter(2)
    due_s = trio.current_time()
    while True:
        due_s += LIVE_EVERY_S / LIVE_PAGES
        await trio.sleep_until(due_s)
        await trio.to_thread.run_sync(reader.get, path, limiter=limiter)


async def _fragment_p99_us(site: LargeSite, server: RunningServer) -> float:
    path = f"/download/{site.package}/{site.package}-1"
    command = [sys.executable, "-m", "loadtests.prober", path, server.http]
    pace = ("--per-second", str(PROBES_PER_S), "--seconds", str(PROBE_S))
    (found,) = json.loads(await run([*command, *pace]))
    return float(found)


async def measure(folder: Path, computers: int) -> tuple[LargeSite, list[Table]]:
    """The tables of a site with so many computers."""
    site = await trio.to_thread.run_sync(partial(large_site, folder, computers))
    async with distd_serve(site.data, {"server.host": "localhost"}) as server:
        address = f"localhost:{server.https.rpartition(':')[2]}"
        with closing(Reader(address, site.data / "cacert.pem")) as reader:
            reader.sign_in(site.password)
            pages = measure_pages(reader, site.known, server.process.pid)
            totals = [*total_rows(pages, reader), *await measure_live(site, server, reader)]
    return site, [goal_table("All pages", totals), page_table(pages)]


@click.command()
@click.option("--computers", default=100_000, show_default=True, type=click.IntRange(1000))
@click.option(
    "--site", type=click.Path(path_type=Path), help="Keep the site there; one that is there is measured again."
)
def main(computers: int, site: Path | None) -> None:
    """Measure the console of a large site."""
    with tempfile.TemporaryDirectory(prefix="distd-console-") as folder:
        large, tables = trio.run(measure, site or Path(folder), computers)
    what = f"{large.computers:,} computers, 500 packages, a roll-out of {large.rolled_out:,}"
    publish("console", f"The console: {what}", "make bench-console", tables)
    finish(tables)


if __name__ == "__main__":
    main()
