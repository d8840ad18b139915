"""`make bench-packages`: fragments at random out of very many packages, beside nginx: no cache holds them all.

All packages have the same fragments, which are hard links, so that the disk does not matter.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import trio
from blake3 import blake3
from sqlalchemy import insert, select

from distd.catalogue.schema import packages
from distd.origin.installation import open_installation
from distd.storage import package_dirs
from distd.wire.manifest import sign
from loadtests import machine
from loadtests.results import finish, goal_row, goal_table, publish
from loadtests.servers import NGINX, BenchData, check, open_servers
from tests.programs import commands, wrk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.origin.installation import Installation
    from loadtests.servers import Server

FRAGMENT_BYTES: Final = 4096
GOAL_RATIO: Final = 1.0
GOAL_P99_RATIO: Final = 1.2
REQUESTS: Final = """\
local ids = {{{ids}}}
math.randomseed({seed})
request = function()
  local id = ids[math.random(#ids)]
  return "GET {prefix}/" .. id .. "/" .. id .. "-" .. math.random({fragments}) .. " HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
end
"""


@dataclass(slots=True)
class Slices:
    """What a server did, round after round: answers a second, 99th percentile of latency, CPU of an answer."""

    per_s: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)


def make_packages(folder: Path, count: int, fragments: int) -> tuple[BenchData, list[str]]:
    """A data directory with so many packages of so many fragments each, and their ids."""
    data = folder / "site"
    commands.distd(data, "init", "--host", "localhost")
    source = folder / "source.bin"
    source.write_bytes(os.urandom(FRAGMENT_BYTES * fragments - 2048))  # the archive is somewhat larger
    order = ("--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/tmp/x", "--fragments", fragments)
    first = commands.distd(data, "package", "build", source, *order)["id"]
    ids = [str(int(first) + number) for number in range(count)]
    with open_installation(data) as installation:
        for package_id in ids[1:]:
            _copy(installation, first, package_id)
    path = f"/{first}/{first}-1"
    return BenchData(data, {"4KiB": path}, {"4KiB": (data / f"download{path}").stat().st_size}), ids


def _copy(installation: Installation, first: str, package_id: str) -> None:
    """The same package under another id, as a build would make it, in a hundredth of the time."""
    store = installation.package_store()
    manifest = package_dirs.read_manifest(installation.data, first, store.ca)
    old, new = installation.data.package(first), installation.data.package(package_id)
    new.mkdir()
    for fragment in manifest.fragments:
        os.link(old / f"{first}-{fragment.number}", new / f"{package_id}-{fragment.number}")
    info = (old / "info").read_bytes().replace(first.encode(), package_id.encode())
    (new / "info").write_bytes(info)
    changed = replace(manifest, package_id=package_id, info_blake3=blake3(info).digest())
    (new / "manifest").write_bytes(sign(changed, store.signer.key, store.signer.certificate_der))
    with installation.catalogue.write() as conn:
        row = conn.execute(select(packages).where(packages.c.id == first)).one()._asdict()
        conn.execute(insert(packages).values(**row | {"id": package_id}))


async def bench(folder: Path, packages: int, fragments: int, rounds: int, seconds: int) -> dict[str, Slices]:
    """Load all servers in turn, round after round."""
    data, ids = await trio.to_thread.run_sync(make_packages, folder, packages, fragments)
    async with open_servers(data, folder / "servers", 1) as servers:
        servers = [server for server in servers if server.name == "distd" or server.name in NGINX]
        await check(servers, data)
        found = {server.name: Slices() for server in servers}
        for number in range(rounds):
            for server in servers:
                script = REQUESTS.format(
                    ids=",".join(f'"{name}"' for name in ids), seed=number, prefix=server.prefix, fragments=fragments
                )
                await _measure(server, script, seconds, folder, found[server.name])
    return found


async def _measure(server: Server, script: str, seconds: int, folder: Path, slices: Slices) -> None:
    before_s = machine.cpu_s(server.pid)
    load = await wrk.load(f"http://{server.http}/", 32, seconds, folder, script)
    if load.errors:
        raise SystemExit(f"{server.name}: {load.errors}")
    slices.per_s.append(load.requests / load.duration_s)
    slices.p99_us.append(load.p99_us)
    slices.cpu_us.append((machine.cpu_s(server.pid) - before_s) * 1e6 / load.requests)


def rows_of(found: dict[str, Slices]) -> list[list[str]]:
    """The figures, and distd's beside those of the best nginx in paired rounds."""
    rows = [
        goal_row(
            f"{name}: requests/s, p99 ms, CPU µs a request",
            f"{statistics.median(slices.per_s):,.0f}, {statistics.median(slices.p99_us) / 1e3:.2f}, "
            f"{statistics.median(slices.cpu_us):.1f}",
        )
        for name, slices in found.items()
    ]
    ours = found["distd"]
    best = max(NGINX, key=lambda name: statistics.median(found[name].per_s))
    speed = ratio(ours.per_s, found[best].per_s)
    latency = ratio(ours.p99_us, found[best].p99_us)
    return [
        *rows,
        goal_row(f"requests/s, of {best}", _text(speed), f"≥ {GOAL_RATIO:g}", speed[0] >= GOAL_RATIO),
        goal_row(f"p99, of {best}", _text(latency), f"≤ {GOAL_P99_RATIO:g}", latency[0] <= GOAL_P99_RATIO),
    ]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Of paired rounds: the median, the lowest, the highest."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def _text(found: tuple[float, float, float]) -> str:
    return f"{found[0]:.2f} ({found[1]:.2f}–{found[2]:.2f})"


@click.command()
@click.option("--packages", default=200, show_default=True, type=click.IntRange(1, 2000))
@click.option("--fragments", default=2000, show_default=True, type=click.IntRange(1, 100_000), help="Of each package.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=3, show_default=True, type=click.IntRange(1, 60), help="Of each slice of load.")
def main(packages: int, fragments: int, rounds: int, seconds: int) -> None:
    """Measure random fragments of 4 KiB out of many packages, on 32 connections, beside nginx."""
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as name:
        found = trio.run(bench, Path(name), packages, fragments, rounds, seconds)
    title = f"{packages:,} packages of {fragments:,} fragments of 4 KiB, asked at random on 32 connections"
    table = goal_table(title, rows_of(found))
    publish("packages", "Many packages", "make bench-packages", [table], programs=("nginx", "wrk"))
    finish([table])


if __name__ == "__main__":
    main()
