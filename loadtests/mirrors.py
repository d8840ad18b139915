"""`make bench-mirror`: what a package costs on its way to mirrors, and what mirrors cost the origin.

Real processes on loopback; all files are in memory (/dev/shm), so that no disk is measured.
"""

from __future__ import annotations

import os
import random
import shutil
import ssl
import subprocess
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import click
import trio
from blake3 import blake3

from distd.catalogue.engine import open_catalogue
from distd.domain.actor import SYSTEM
from distd.lane.client.http_client import open_client
from distd.origin.mirrors import identity
from distd.origin.mirrors import mirrors as mirror_records
from distd.origin.mirrors.mirrors import NewMirror
from distd.wire.mirror_events import Decoder, Heartbeat
from loadtests.build import MIB, stored_zip
from loadtests.results import finish, goal_row, goal_table, publish
from tests.programs.mirror import command, join
from tests.programs.processes import DISTD, distd_serve, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.programs.mirror import Mirror
    from tests.programs.processes import RunningServer

FOLLOWERS = 200
COLD_AGENTS = 500
IDLE_S = 20.0
CONNECT_INTERVAL_S = 0.02  # handshakes all at once would leave the memory fragmented


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of the table. `goal`: as text; `met`: None where there is no goal."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None


class Origin:
    """A data directory, and the addresses at which it is served."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "origin"
        self.http, self.https = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.url = f"https://localhost:{self.https.rpartition(':')[2]}"
        subprocess.run([DISTD, "init", "--data", self.data, "--host", "localhost"], check=True, capture_output=True)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[RunningServer]:
        """Run the server for as long as the block lasts."""
        async with distd_serve(self.data, {"mirrors.wave": 1000}, http=self.http, https=self.https) as server:
            yield server

    def build(self, source: Path, *options: str) -> str:
        """Build a package; its id."""
        fixed = ("--name", "x", "--os", "WINDOWS", "--action", "STORE", "--path", "C:\\x", "--data", self.data)
        package_id: str = command(DISTD, "package", "build", source, *fixed, *options)["id"]
        return package_id

    def delete(self, package_id: str) -> None:
        """Delete a package."""
        subprocess.run([DISTD, "package", "delete", package_id, "--data", self.data], check=True, capture_output=True)

    def sent_bytes(self) -> float:
        """Bytes of fragments that the server has sent so far."""
        text = subprocess.run(["curl", "-s", f"http://{self.http}/metrics"], capture_output=True, check=True).stdout
        line = next(line for line in text.splitlines() if line.startswith(b"distd_fragment_bytes_sent_total"))
        return float(line.split()[1])


async def ready(mirror: Mirror, package_id: str) -> float:
    """Wait until the mirror has the package; the time then, of `time.perf_counter()`."""
    folder = mirror.data / "download" / package_id
    while not folder.exists():
        await trio.sleep(0.005)
    return time.perf_counter()


def curl(origin: Origin, package_id: str, fragments: int, target: Path) -> tuple[float, float]:
    """Seconds that curl takes for all fragments on one connection, and seconds with BLAKE3 of each after that."""
    target.mkdir()
    base = f"http://{origin.http}/download/{package_id}/{package_id}-[1-{fragments}]"
    begun_s = time.perf_counter()
    subprocess.run(["curl", "-s", "-o", f"{target}/#1", base], check=True)
    fetched_s = time.perf_counter()
    for number in range(1, fragments + 1):
        blake3((target / str(number)).read_bytes()).digest()
    hashed_s = time.perf_counter()
    shutil.rmtree(target)
    return fetched_s - begun_s, hashed_s - begun_s


async def one_mirror(root: Path, size_mib: int, rounds: int) -> list[Figure]:
    """A package to one mirror against curl, round after round."""
    origin = Origin(root)
    source = root / "large.zip"
    stored_zip(source, size_mib * MIB - 1000)
    size_mb = source.stat().st_size / 1e6
    rounds_s = []
    async with origin.serve():
        mirror = join(origin.data, origin.url, root, "one")
        async with mirror.serve():
            await trio.sleep(1.5)
            for _ in range(rounds):
                package_id, begun_s = await _publish(origin, source, mirror)
                done_s = await ready(mirror, package_id)
                curl_s = await trio.to_thread.run_sync(curl, origin, package_id, size_mib, root / "curl")
                rounds_s.append((done_s - begun_s, *curl_s))
                origin.delete(package_id)
                while (mirror.data / "download" / package_id).exists():
                    await trio.sleep(0.05)
    mirror_s, fetched_s, hashed_s = (median(column) for column in zip(*rounds_s, strict=True))
    ratios = [hashed / mirrored for mirrored, _, hashed in rounds_s]
    ratio = median(ratios)
    alone = median(fetched / mirrored for mirrored, fetched, _ in rounds_s)
    spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
    speeds = (
        f"{size_mb / mirror_s:.0f} MB/s; curl {size_mb / fetched_s:.0f}, with BLAKE3 after it {size_mb / hashed_s:.0f}"
    )
    name = f"{size_mib} MiB to one mirror"
    return [
        Figure(f"{name}, against curl + BLAKE3", f"{ratio:.2f} ({spread}): {speeds}", "≥ 0.8", ratio >= 0.8),
        Figure(f"{name}, against curl alone", f"{alone:.2f}"),
    ]


async def _publish(origin: Origin, source: Path, mirror: Mirror) -> tuple[str, float]:
    """Build a package while the mirror follows; its id, and when the mirror began to fetch it (its first byte came)."""
    incoming = mirror.data / "incoming"
    built: list[str] = []

    async def build() -> None:
        built.append(await trio.to_thread.run_sync(origin.build, source))

    begun_s = 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(build)
        while not any(incoming.iterdir()):
            await trio.sleep(0.002)
        begun_s = time.perf_counter()
    return built[0], begun_s


async def several(root: Path, count: int, size_mib: int) -> list[Figure]:
    """A package to several mirrors: the bytes that the origin sends, and the time against as many curls with BLAKE3."""
    origin = Origin(root)
    source = root / "large.zip"
    stored_zip(source, size_mib * MIB - 1000)
    async with origin.serve(), AsyncExitStack() as stack:
        mirrors = [join(origin.data, origin.url, root, f"m{number}") for number in range(count)]
        for mirror in mirrors:
            await stack.enter_async_context(mirror.serve())
        await trio.sleep(1.5)
        before = origin.sent_bytes()
        package_id, begun_s = await _publish(origin, source, mirrors[0])
        ends = [await ready(mirror, package_id) for mirror in mirrors]
        took_s = max(ends) - begun_s
        await trio.sleep(1.5)
        sent = origin.sent_bytes() - before
        size = sum(path.stat().st_size for path in (origin.data / "download" / package_id).glob(f"{package_id}-*"))
        async with trio.open_nursery() as nursery:
            begun_s = time.perf_counter()
            for number in range(count):
                run = partial(curl, origin, package_id, size_mib, root / f"curl{number}")
                nursery.start_soon(partial(trio.to_thread.run_sync, run))
        curls_s = time.perf_counter() - begun_s
    ratio = took_s / curls_s
    times = f"{took_s:.2f} s; {count} curls with BLAKE3 {curls_s:.2f} s: {ratio:.2f}"
    once = f"{sent / size:.3f} × the package"
    return [
        Figure(f"{size_mib} MiB to {count} mirrors: bytes sent", once, f"= {count}", round(sent / size, 2) == count),
        Figure("… until the last has it", times, "≤ 1.3", ratio <= 1.3),
    ]


async def followers(root: Path) -> list[Figure]:
    """Many mirrors that follow the events and fetch nothing: memory, CPU and delay."""
    origin = Origin(root)
    small = root / "small.zip"
    stored_zip(small, 20_000)
    keys = _joined(origin, FOLLOWERS)
    context = ssl.create_default_context(cafile=str(origin.data / "cacert.pem"))
    event_times: list[float] = []
    async with origin.serve() as server, trio.open_nursery() as nursery:
        await trio.sleep(1)
        before_kib = _pss_kib(server.process.pid)
        for key in keys:
            nursery.start_soon(_follow, origin, context, key, event_times)
            await trio.sleep(CONNECT_INTERVAL_S)
        while len(event_times) < FOLLOWERS:
            await trio.sleep(0.05)
        await trio.sleep(3)
        after_kib, cpu_s = _pss_kib(server.process.pid), _cpu_s(server.process.pid)
        await trio.sleep(IDLE_S)
        cpu_share = (_cpu_s(server.process.pid) - cpu_s) / IDLE_S
        event_times.clear()
        published_s = await trio.to_thread.run_sync(_build_and_time, origin, small)
        while len(event_times) < FOLLOWERS:
            await trio.sleep(0.01)
        delay_s = max(event_times) - published_s
        nursery.cancel_scope.cancel()
    memory_mb = (after_kib - before_kib) * 1024 / 1e6
    return [
        Figure(
            f"{FOLLOWERS} mirrors on the event stream, by TLS: memory", f"{memory_mb:.1f} MB", "≤ 5 MB", memory_mb <= 5
        ),
        Figure("… CPU while nothing happens", f"{cpu_share:.2%} of a core", "none", cpu_share < 0.02),
        Figure("… the last of them hears of a package after", f"{delay_s:.2f} s", "≤ 1 s", delay_s <= 1),
    ]


def _build_and_time(origin: Origin, source: Path) -> float:
    """Build a package; when it was published, by `time.perf_counter()`."""
    package_id = origin.build(source)
    return (origin.data / "download" / package_id).stat().st_ctime - time.time() + time.perf_counter()


def _joined(origin: Origin, count: int) -> list[str]:
    now_s, keys = time.time(), []
    with open_catalogue(origin.data / "catalogue.db") as catalogue, catalogue.write() as conn:
        for number in range(count):
            secret = mirror_records.add(conn, SYSTEM, NewMirror(f"m{number}", f"http://127.0.0.1:{number + 1}"), now_s)
            keys.append(identity.join(conn, secret, now_s).key)
    return keys


async def _follow(origin: Origin, context: ssl.SSLContext, key: str, event_times: list[float]) -> None:
    """Follow as `redistrib` does; note the time of every event that is no heartbeat."""
    async with (
        open_client(context) as client,
        client.stream(
            "GET", f"{origin.url}/api/v1/mirror/events?after=0", [("Authorization", f"Bearer {key}")]
        ) as answer,
    ):
        decoder = Decoder()
        async for data in answer:
            if any(not isinstance(event, Heartbeat) for event in decoder.feed(data)):
                event_times.append(time.perf_counter())  # noqa: PERF401 - a line a message, as they come


def _pss_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def cold(root: Path) -> list[Figure]:
    """Agents that all request the same fragment of a mirror that is still fetching it: it must fetch once."""
    origin = Origin(root)
    source = root / "large.zip"
    stored_zip(source, 64 * MIB)
    async with origin.serve():
        mirror = join(origin.data, origin.url, root, "one")
        async with mirror.serve(redistrib__connections=1, redistrib__wait_s=60):
            await trio.sleep(1.5)
            before = mirror.metric("redistrib_fetch_requests")
            package_id, _ = await _publish(origin, source, mirror)
            url = f"http://{mirror.http}/download/{package_id}/{package_id}-64"
            complete = 0

            async def fetch() -> None:
                nonlocal complete
                async with open_client() as client:
                    answer = await client.request("GET", url)
                    complete += answer.status == 200 and len(answer.body) == MIB

            async with trio.open_nursery() as nursery:
                for _ in range(COLD_AGENTS):
                    nursery.start_soon(fetch)
            await ready(mirror, package_id)
            requests = mirror.metric("redistrib_fetch_requests") - before
    fragments = len(list((origin.data / "download" / package_id).glob(f"{package_id}-*")))
    fetches = requests - fragments + 1
    value, met = f"{fetches:.0f}; {complete} complete answers", fetches == 1 and complete == COLD_AGENTS
    return [
        Figure(f"{COLD_AGENTS} agents request one fragment that the mirror does not have: fetches", value, "= 1", met)
    ]


async def second_version(root: Path) -> list[Figure]:
    """A second version of a folder of 200 files of which 5 % change: what the mirror fetches of it."""
    origin = Origin(root)
    tree, noise = root / "tree", random.Random(3)
    tree.mkdir()
    for number in range(200):
        (tree / f"{number:03}").write_bytes(noise.randbytes(200_000))
    options = ("--chunking", "cdc", "--fragment-size", "64KiB")
    async with origin.serve():
        mirror = join(origin.data, origin.url, root, "one")
        async with mirror.serve():
            await trio.sleep(1.5)
            old = await trio.to_thread.run_sync(origin.build, tree, *options)
            await ready(mirror, old)
            await trio.sleep(0.5)
            before = mirror.metric("redistrib_bytes_fetched")
            for number in range(0, 200, 20):
                (tree / f"{number:03}").write_bytes(noise.randbytes(200_000))
            new = await trio.to_thread.run_sync(origin.build, tree, *options)
            await ready(mirror, new)
            fetched = mirror.metric("redistrib_bytes_fetched") - before
    size = sum(path.stat().st_size for path in (origin.data / "download" / new).glob(f"{new}-*"))
    share = fetched / size
    return [
        Figure(
            "version 2 with 5 % of its files changed, by content", f"{share:.1%} of its bytes", "≤ 10 %", share <= 0.1
        )
    ]


@click.command()
@click.option("--size-mib", default=1024, show_default=True, help="Of the package for one mirror.")
@click.option("--rounds", default=5, show_default=True, help="Of the package to one mirror.")
@click.option("--folder", default="/dev/shm", show_default=True, type=click.Path(path_type=Path), help="For all files.")
def main(size_mib: int, rounds: int, folder: Path) -> None:
    """Measure mirrors."""
    figures: list[Figure] = []
    parts = (
        partial(one_mirror, size_mib=size_mib, rounds=rounds),
        partial(several, count=8, size_mib=min(256, size_mib)),
        followers,
        cold,
        second_version,
    )
    for part in parts:
        with tempfile.TemporaryDirectory(dir=folder, prefix="distd-bench-") as made:
            measured = trio.run(part, Path(made))
        figures += measured
        print(*(f"{figure.what}: {figure.value}" for figure in measured), sep="\n", flush=True)
    table = goal_table("Mirrors", [goal_row(row.what, row.value, row.goal, row.met) for row in figures])
    publish("mirrors", "Packages to mirrors", "make bench-mirror", [table])
    finish([table])


if __name__ == "__main__":
    main()
