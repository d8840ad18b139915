"""`make demo`: a real package through a real server to real agents, on this machine, and whether every byte arrived.

A native agent deploys it, and Debian's stock agent too where it is installed. Exit status 0 only if all of them report
SUCCESS and what they stored is byte-identical to the source.
"""

from __future__ import annotations

import filecmp
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio
import trio.lowlevel
from rich.console import Console
from rich.table import Table

from tests.programs.processes import DISTD, ProgramFailed, child, distd_serve, run
from tests.programs.stock_agent import StockAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.programs.processes import Site

AGENTSIM = str(Path(DISTD).with_name("agentsim"))
WHEELS = Path(".demo")
LOCK = Path(__file__).with_name("demo-package.txt")
AGENT_S = 120
# Short enough to watch: a fragment a second.
SETTINGS = {
    "download.frag_latency_s": 1,
    "download.cycle_latency_s": 0,
    "download.period_latency_s": 0,
    # The agents here reach the server on loopback only.
    "server.host": "localhost",
}


@dataclass
class Computer:
    """One agent of the demo: `contact` lets it contact the server once and download what it is told to."""

    agent: str
    device_id: str
    stored: Path
    contact: Callable[[], Awaitable[None]]
    took_s: float = 0.0


async def main() -> int:
    source = await fetch_wheel()
    say(f"package    {source.name}, {source.stat().st_size:,} bytes")
    with tempfile.TemporaryDirectory(prefix="distd-demo-") as folder:
        return await deploy(source, Path(folder))


async def fetch_wheel() -> Path:
    """The wheel of the lock, downloaded unless it is there, with its hash checked."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    await run([*command, "--require-hashes", "--requirement", str(LOCK), "--dest", str(WHEELS)], timeout_s=300)
    return max(WHEELS.glob("*.whl"), key=lambda path: path.stat().st_size)


async def deploy(source: Path, folder: Path) -> int:
    data = folder / "site"
    await run([DISTD, "init", "--data", str(data), "--host", "localhost"])
    package = json.loads(await build(source, data))
    package_id = package["id"]
    await run([DISTD, "package", "activate", package_id, "--data", str(data)])
    say(f"built      {package['fragments']} fragments, MD5 {package['md5']}, id {package_id}")
    async with distd_serve(data, SETTINGS) as site:
        say(f"serving    http://{site.http} and https://{site.https}")
        computers = [native_agent(site, data, folder)]
        if StockAgent.installed():
            computers.append(stock_agent(site, data, folder))
        else:
            say("left out   Debian's ocsinventory-agent is not installed; as root: apt-get install ocsinventory-agent")
        await in_parallel(computers)  # the first contact makes them known
        for computer in computers:
            await find_device_id(computer, computers, data)
            await run([DISTD, "assign", package_id, "--computer", computer.device_id, "--data", str(data)])
        say(f"deploying  to {len(computers)} computers, a fragment a second …")
        await in_parallel(computers)
        rows = await results(package_id, data)
        await trio.lowlevel.checkpoint()
    return report(rows, computers, source)


async def build(source: Path, data: Path) -> str:
    order = ["--name", "demo", "--os", "LINUX", "--action", "STORE", "--path", "INSTALL_PATH/stored"]
    command = [DISTD, "package", "build", str(source), "--data", str(data), *order, "--priority", "1"]
    return await run([*command, "--fragment-size", "4MiB", "--json"], timeout_s=120)


def native_agent(site: Site, data: Path, folder: Path) -> Computer:
    state = folder / "native"
    port = site.https.rpartition(":")[2]
    server = f"https://localhost:{port}/ocsinventory"
    command = [AGENTSIM, "agent", "--server", server, "--ca", str(data / "cacert.pem"), "--state", str(state), "--once"]

    async def contact() -> None:
        with trio.fail_after(AGENT_S):
            async with child(command, folder / "native.log") as process:
                await process.wait()

    return Computer("native", "", state / "stored", contact)


def stock_agent(site: Site, data: Path, folder: Path) -> Computer:
    agent = StockAgent(site.agents_url, data / "cacert.pem", folder / "stock")

    async def contact() -> None:
        await agent.run(timeout_s=AGENT_S)

    return Computer("stock", agent.device_id, agent.state / "stored", contact)


async def in_parallel(computers: list[Computer]) -> None:
    async def one(computer: Computer) -> None:
        begun_s = time.monotonic()
        await computer.contact()
        computer.took_s = time.monotonic() - begun_s

    async with trio.open_nursery() as nursery:
        for computer in computers:
            nursery.start_soon(one, computer)


async def find_device_id(computer: Computer, computers: list[Computer], data: Path) -> None:
    """A native agent makes its own DEVICEID up: the one that is nobody else's."""
    known = json.loads(await run([DISTD, "computer", "list", "--data", str(data), "--json"]))
    others = {other.device_id for other in computers}
    if not computer.device_id:
        (computer.device_id,) = (row["device_id"] for row in known if row["device_id"] not in others)


async def results(package_id: str, data: Path) -> dict[str, dict[str, object]]:
    """By DEVICEID. The server notes progress down once a second, so the last fragment may take that long."""
    rows: list[dict[str, object]] = []
    for _ in range(20):
        rows = json.loads(await run([DISTD, "results", package_id, "--data", str(data), "--json"]))
        if all(row["fragments_fetched"] == row["fragments"] for row in rows):
            break
        await trio.sleep(0.2)
    return {str(row["device_id"]): row for row in rows}


def report(rows: dict[str, dict[str, object]], computers: list[Computer], source: Path) -> int:
    table = Table("computer", "agent", "fragments", "bytes", "time", "result", "stored", box=None, pad_edge=False)
    good = True
    for computer in computers:
        row = rows[computer.device_id]
        stored = computer.stored / source.name
        same = stored.is_file() and filecmp.cmp(stored, source, shallow=False)
        good = good and same and row["state"] == "SUCCESS"
        table.add_row(
            computer.device_id,
            computer.agent,
            f"{row['fragments_fetched']}/{row['fragments']}",
            f"{row['sent_bytes']:,}",
            f"{computer.took_s:.1f} s",
            str(row["code"]),
            "byte-identical" if same else "DIFFERS",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0 if good else 1


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.platform != "linux":
        sys.exit(f"the demo needs Linux, this is {platform.system()}")
    os.umask(0o022)
    try:
        sys.exit(trio.run(main))
    except* ProgramFailed as failed:
        sys.exit("\n".join(str(error) for error in failed.exceptions))
