"""`make bench-bandwidth`: how exactly `bandwidth.rules` is kept, over ten seconds of load through wrk.

Each row is a server of its own with one rule; what wrk received is compared with the rule's rate.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import trio

from distd.report.page import Table
from loadtests.results import finish, publish, verdict
from tests.programs.processes import DISTD, distd_serve, run

GOAL = 0.05
FRAGMENT_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule, and the `bytes_per_s` that all `connections` together should receive."""

    rule: str
    connections: int
    bytes_per_s: float
    https: bool = False
    workers: int = 1


TRIALS = (
    Trial("200kB/s", 1, 200e3),
    Trial("2MB/s", 1, 2e6),
    Trial("2MB/s", 100, 2e6),
    Trial("2MB/s", 100, 2e6, https=True),
    Trial("2MB/s", 32, 2e6, workers=2),
    Trial("50MB/s", 32, 50e6),
    Trial("50MB/s 127.0.0.0/8; 1GB/s", 32, 50e6),
    Trial("100kB/s each", 32, 3.2e6),
    Trial("2MB/s each", 1, 2e6),
)


async def measure(trial: Trial, data: Path, path: str, seconds: float) -> float:
    """Bytes a second that wrk received. Raises `SystemExit` where it measured nothing."""
    async with distd_serve(data, {"bandwidth.rules": trial.rule}, workers=trial.workers) as server:
        address = f"https://{server.https}" if trial.https else f"http://{server.http}"
        load = ["wrk", "-t1", f"-c{trial.connections}", "--timeout", "60s", f"-d{seconds:g}s", address + path]
        printed = await run(load, timeout_s=seconds + 60)
    match = re.search(r"Transfer/sec:\s+([\d.]+)(B|KB|MB|GB)", printed)
    if match is None:
        raise SystemExit(printed)
    return float(match[1]) * {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}[match[2]]


async def bench(seconds: float) -> list[tuple[Trial, float]]:
    """Each trial with the bytes a second that were received."""
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as name:
        data, source = Path(name) / "site", Path(name) / "source"
        source.write_bytes(os.urandom(2 * FRAGMENT_BYTES))
        await run([DISTD, "init", "--data", str(data), "--host", "localhost"])
        options = ["--name", "x", "--os", "LINUX", "--action", "STORE", "--path", "/tmp/x"]
        command = [DISTD, "package", "build", str(source), "--data", str(data), *options, "--json"]
        package_id = json.loads(await run([*command, "--fragment-size", str(FRAGMENT_BYTES)]))["id"]
        path = f"/download/{package_id}/{package_id}-1"
        return [(trial, await measure(trial, data, path, seconds)) for trial in TRIALS]


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Of load for each rule.")
def main(seconds: float) -> None:
    """How exactly bandwidth is limited."""
    rows = []
    for trial, bytes_per_s in trio.run(bench, seconds):
        off = bytes_per_s / trial.bytes_per_s - 1
        port = "HTTPS" if trial.https else "HTTP"
        shown = [trial.rule, str(trial.connections), port, str(trial.workers), f"{trial.bytes_per_s / 1e3:,.0f}"]
        rows.append([*shown, f"{bytes_per_s / 1e3:,.0f}", f"{off:+.1%}", verdict(abs(off) <= GOAL)])
    columns = ("rule", "connections", "port", "workers", "kB/s wanted", "kB/s", "off by", "goal 5 %")
    table = Table(f"Over {seconds:g} s", columns, rows)
    publish("bandwidth", "How exactly bandwidth.rules is kept", "make bench-bandwidth", [table], programs=("wrk",))
    finish([table])


if __name__ == "__main__":
    main()
