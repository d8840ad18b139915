"""`make demo`: a site with 300 emulated computers and its console (`loadtests.demo_site`), until Ctrl-C.

With `--once` a real package goes through a real server to real agents, and every byte must arrive: a native agent
deploys it, and Debian's stock agent too where it is installed. Exit status 0 only if all of them report SUCCESS and
what they stored is byte-identical to the source. With `--database postgresql` the server's database is a PostgreSQL
that the demo starts.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import json
import os
import platform
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from rich.console import Console
from rich.table import Table

from loadtests.demo_site import COMPUTERS, open_demo_site
from tests.programs.postgresql import running_cluster
from tests.programs.processes import AGENTSIM, DISTD, ProgramFailed, child, distd_serve, run
from tests.programs.stock_agent import StockAgent
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from tests.programs.processes import RunningServer

WHEELS = Path(".demo")
LOCK = Path(__file__).with_name("demo-package.txt")
AGENT_TIMEOUT_S = 120
# A fragment a second.
SETTINGS = {
    "download.frag_latency_s": 1,
    "download.cycle_latency_s": 0,
    "download.period_latency_s": 0,
    # The agents here reach the server on loopback only.
    "server.host": "localhost",
}


@dataclass
class Computer:
    """An agent of the demo. `contact`: makes one contact and the downloads that come of it."""

    agent: str
    device_id: str
    stored: Path
    contact: Callable[[], Awaitable[None]]
    took_s: float = 0.0


async def main(database: str, once: bool) -> int:
    """The exit status. `database` is sqlite or postgresql."""
    with tempfile.TemporaryDirectory(prefix="distd-demo-") as folder, contextlib.ExitStack() as stack:
        options = () if database == "sqlite" else ("--database", stack.enter_context(new_database()))
        if once:
            source = await fetch_wheel()
            say(f"package    {source.name}, {source.stat().st_size:,} bytes")
            return await deploy(source, Path(folder), options)
        return await stay(Path(folder), options)


async def stay(folder: Path, options: Sequence[str]) -> int:
    """Show a site until SIGINT or SIGTERM, then end it; the exit status."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(show_site, folder, options)
            async for _ in signals:
                say("ending …")
                nursery.cancel_scope.cancel()
                break
    return 0


async def show_site(folder: Path, options: Sequence[str]) -> None:
    """Start a site, say where its console is, and wait."""
    say(f"starting   a server, a mirror and {COMPUTERS} emulated computers …")
    async with open_demo_site(folder, options) as site:
        say(f"console    {site.origin.url}/   operator: admin   password: {site.password}")
        say(f"           the browser warns of its certificate, unless it trusts {site.origin.data}/cacert.pem")
        say(f"running    {len(site.packages)} packages, mirror {site.mirror.name}, {site.rollout}: some minutes")
        say(f"commands   .venv/bin/distd computer list windows --data {site.origin.data}")
        say("ends       with Ctrl-C")
        await trio.sleep_forever()


@contextlib.contextmanager
def new_database() -> Iterator[str]:
    """The URL of an empty database of a PostgreSQL of its own."""
    with running_cluster(durable=True) as cluster:
        url = cluster.url(cluster.create_database())
        say(f"database   PostgreSQL {cluster.execute('SHOW server_version')[0][0]}, {url}")
        yield url


async def fetch_wheel() -> Path:
    """The wheel that `LOCK` names, downloaded unless it is there, with its hash checked."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    await run([*command, "--require-hashes", "--requirement", str(LOCK), "--dest", str(WHEELS)], timeout_s=300)
    return max(WHEELS.glob("*.whl"), key=lambda path: path.stat().st_size)


async def deploy(source: Path, folder: Path, options: Sequence[str]) -> int:
    """Deploy the file with a new server in `folder`; the exit status. `options` are those of `distd init`."""
    data = folder / "site"
    await run([DISTD, "init", "--data", str(data), "--host", "localhost", *options])
    package = json.loads(await build(source, data))
    package_id = package["id"]
    await run([DISTD, "package", "activate", package_id, "--data", str(data)])
    say(f"built      {package['fragments']} fragments, MD5 {package['md5']}, id {package_id}")
    async with distd_serve(data, SETTINGS) as server:
        say(f"serving    http://{server.http} and https://{server.https}")
        computers = [native_agent(server, data, folder)]
        if StockAgent.installed():
            computers.append(stock_agent(server, data, folder))
        else:
            say("left out   Debian's ocsinventory-agent is not installed; as root: apt-get install ocsinventory-agent")
        await in_parallel(computers)  # with the first contact the server knows them
        for computer in computers:
            await find_device_id(computer, computers, data)
            await run([DISTD, "assign", package_id, "--computer", computer.device_id, "--data", str(data)])
        say(f"deploying  to {len(computers)} computers, a fragment a second …")
        await in_parallel(computers)
        rows = await results(package_id, data)
    return report(rows, computers, source)


async def build(source: Path, data: Path) -> str:
    """What `distd package build --json` prints."""
    options = ["--name", "demo", "--os", "LINUX", "--action", "STORE", "--path", "INSTALL_PATH/stored"]
    command = [DISTD, "package", "build", str(source), "--data", str(data), *options, "--priority", "1"]
    return await run([*command, "--fragment-size", "4MiB", "--json"], timeout_s=120)


def native_agent(server: RunningServer, data: Path, folder: Path) -> Computer:
    """`agentsim agent`."""
    state = folder / "native"
    url = f"{server.https_url}/ocsinventory"
    command = [AGENTSIM, "agent", "--server", url, "--ca", str(data / "cacert.pem"), "--state", str(state), "--once"]

    async def contact() -> None:
        with trio.fail_after(AGENT_TIMEOUT_S):
            async with child(command, folder / "native.log") as process:
                await process.wait()

    return Computer("native", "", state / "stored", contact)


def stock_agent(server: RunningServer, data: Path, folder: Path) -> Computer:
    """Debian's `ocsinventory-agent`."""
    agent = StockAgent(server.agents_url, data / "cacert.pem", folder / "stock")

    async def contact() -> None:
        await agent.run(timeout_s=AGENT_TIMEOUT_S)

    return Computer("stock", agent.device_id, agent.state / "stored", contact)


async def in_parallel(computers: list[Computer]) -> None:
    """Let each make a contact, and note how long it took."""

    async def contact(computer: Computer) -> None:
        begun_s = time.monotonic()
        await computer.contact()
        computer.took_s = time.monotonic() - begun_s

    async with trio.open_nursery() as nursery:
        for computer in computers:
            nursery.start_soon(contact, computer)


async def find_device_id(computer: Computer, computers: list[Computer], data: Path) -> None:
    """Note the DEVICEID of a native agent, which makes its own: the only one that is of no other computer."""
    known = json.loads(await run([DISTD, "computer", "list", "--data", str(data), "--json"]))["items"]
    others = {other.device_id for other in computers}
    if not computer.device_id:
        (computer.device_id,) = (row["device_id"] for row in known if row["device_id"] not in others)


async def results(package_id: str, data: Path) -> dict[str, dict[str, object]]:
    """By DEVICEID, when all fragments are recorded, which the server does once a second."""
    rows: list[dict[str, object]] = []

    async def are_complete() -> bool:
        rows[:] = json.loads(await run([DISTD, "results", package_id, "--data", str(data), "--json"]))["items"]
        return all(row["fragments_fetched"] == row["fragments"] for row in rows)

    await await_until(are_complete, "all fragments are recorded")
    return {str(row["device_id"]): row for row in rows}


def report(rows: dict[str, dict[str, object]], computers: list[Computer], source: Path) -> int:
    """Print a row for each computer; the exit status."""
    table = Table("computer", "agent", "fragments", "bytes", "time", "result", "stored", box=None, pad_edge=False)
    all_well = True
    for computer in computers:
        row = rows[computer.device_id]
        stored = computer.stored / source.name
        same = stored.is_file() and filecmp.cmp(stored, source, shallow=False)
        all_well = all_well and same and row["state"] == "SUCCESS"
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
    return 0 if all_well else 1


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.platform != "linux":
        sys.exit(f"the demo needs Linux, this is {platform.system()}")
    parser = argparse.ArgumentParser(description="Show a site with emulated computers and its console.")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite", help="where the catalogue is")
    parser.add_argument("--once", action="store_true", help="deploy a real package to agents on this machine, and end")
    chosen = parser.parse_args()
    os.umask(0o022)
    try:
        sys.exit(trio.run(main, chosen.database, chosen.once))
    except* ProgramFailed as failed:
        sys.exit("\n".join(str(error) for error in failed.exceptions))
