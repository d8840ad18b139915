"""`make bench-upload`: a large file by curl to `PUT /api/v1/uploads/NAME`, interrupted and resumed.

What is measured: bytes a second on loopback, and how much the memory of the server grows meanwhile; all bytes must
arrive.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import click
import trio

from distd.storage.data_dir import DataDir
from loadtests.machine import anonymous_bytes
from loadtests.results import finish, goal_row, goal_table, publish
from tests.programs.processes import DISTD, distd_serve, run

MIB = 1_048_576
GOAL_MB_PER_S = 100
GOAL_MEMORY_MIB = 60
SAMPLE_S = 0.25


async def put(url: str, login: str, file: Path, *options: str) -> tuple[int, float]:
    """Upload with curl: the status (0: none), and seconds."""
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-u", login, "-T", str(file), *options, url]
    begun_s = time.perf_counter()
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    return int(done.stdout or 0), time.perf_counter() - begun_s


async def watch(pid: int, peak: list[int]) -> None:
    """Keep the peak memory of the process in `peak[0]`, until cancelled."""
    while True:
        peak[0] = max(peak[0], anonymous_bytes(pid))
        await trio.sleep(SAMPLE_S)


async def measure(folder: Path, size_bytes: int, *, https: bool) -> dict[str, float]:
    """One server: MB/s, MiB of memory, bytes before the interruption."""
    data = folder / "site"
    printed = await run([DISTD, "init", "--data", str(data), "--host", "localhost", "--json"])
    login = f"admin:{json.loads(printed)['password']}"
    source = folder / "source"
    with source.open("wb") as file:
        file.truncate(size_bytes)  # a sparse file: reading it costs nothing
    async with distd_serve(data, {}) as server, trio.open_nursery() as nursery:
        base = f"https://localhost:{server.https.rpartition(':')[2]}" if https else f"http://{server.http}"
        trust = folder / ".curlrc"
        trust.write_text(f'cacert = "{data / "cacert.pem"}"\n')
        os.environ["CURL_HOME"] = str(folder)
        url = f"{base}/api/v1/uploads/large"
        await put(
            url.replace("large", "warm-up"), login, data / "cacert.pem"
        )  # what the server loads once is loaded now
        before = anonymous_bytes(server.process.pid)
        peak = [before]
        nursery.start_soon(watch, server.process.pid, peak)
        status, seconds = await put(url, login, source)
        assert status == 201, status
        resumed = await resume(url.replace("large", "resumed"), login, source, DataDir(data).uploads)
        nursery.cancel_scope.cancel()
    arrived = DataDir(data).uploads / "large"
    assert arrived.stat().st_size == size_bytes
    found = {"mb_per_s": size_bytes / 1e6 / seconds, "memory_mib": (peak[0] - before) / MIB, "resumed_bytes": resumed}
    for path in DataDir(data).uploads.iterdir():
        path.unlink()
    return found


async def resume(url: str, login: str, source: Path, uploads: Path) -> int:
    """Interrupt the upload after a second and resume it; how many bytes had been received. It is slowed down, so that
    it is not done by then, however fast the server is."""
    total = source.stat().st_size
    await put(url, login, source, "--max-time", "1", "--limit-rate", str(total // 3))
    part = uploads / ".part-resumed"
    while True:  # the server may still be writing what it had received
        have = part.stat().st_size
        await trio.sleep(0.5)
        if part.stat().st_size == have:
            break
    rest = source.with_name("rest")
    with rest.open("wb") as file:
        file.truncate(total - have)
    status, _ = await put(url, login, rest, "-H", f"Content-Range: bytes {have}-{total - 1}/{total}")
    assert status == 201, status
    assert (uploads / "resumed").stat().st_size == total
    return have


@click.command()
@click.option("--size-mib", default=9_537, show_default=True, help="Of the file: 10 GB.")
@click.option("--folder", default="/dev/shm", show_default=True, type=click.Path(path_type=Path))
def main(size_mib: int, folder: Path) -> None:
    """Measure uploads."""
    rows = []
    for name, https in (("HTTP", False), ("HTTPS", True)):
        with tempfile.TemporaryDirectory(dir=folder, prefix="distd-bench-") as made:
            found = trio.run(partial(measure, Path(made), size_mib * MIB, https=https))
        speed, memory = found["mb_per_s"], found["memory_mib"]
        rows += [
            goal_row(f"{name}, MB/s", f"{speed:.0f}", f"≥ {GOAL_MB_PER_S}", speed >= GOAL_MB_PER_S),
            goal_row(f"{name}, memory, MiB", f"{memory:.1f}", f"≤ {GOAL_MEMORY_MIB}", memory <= GOAL_MEMORY_MIB),
            goal_row(f"{name}, interrupted and resumed after", f"{found['resumed_bytes']:,} bytes"),
        ]
    table = goal_table(f"{size_mib * MIB / 1e9:.1f} GB by curl to the API", rows)
    publish("upload", "Uploads", "make bench-upload", [table])
    finish([table])


if __name__ == "__main__":
    main()
