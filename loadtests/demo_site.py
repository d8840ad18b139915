"""A site to look at: 300 emulated computers, a mirror, packages that are deployed, a roll-out that takes minutes.

`make demo` shows it in a browser, `make screenshots` takes pictures of it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from tests.programs.mirror import join
from tests.programs.mirror import metric as metric_of
from tests.programs.origin_server import OriginServer, write_zip
from tests.programs.processes import AGENTSIM, child
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.programs.mirror import Mirror
    from tests.programs.processes import RunningServer

COMPUTERS: Final = 300
TIME_SCALE: Final = 120  # of the fleet: a contact every 30 s, a fragment a second
SETTINGS: Final = {
    "agents.prolog_freq_h": 1,
    "download.frag_latency_s": 120,
    "download.cycle_latency_s": 120,
    "download.period_latency_s": 120,
    "mirrors.wave_pause_s": 0,
    "mirrors.via": "steer",
    # The agents here reach the server on loopback only.
    "server.host": "localhost",
}
FLEET: Final = (
    *("--agents", str(COMPUTERS), "--dialect", "windows=5", "--dialect", "unix=1"),
    *("--time-scale", str(TIME_SCALE)),
)
# Until Ctrl-C: some are switched off for a while, some lines spoil what they carry.
RUNNING: Final = ("--duration", "365d", "--behaviour", "sleep=5%:6h", "--behaviour", "corrupt=2%", "--arrival")
WAVES: Final = ("Pilote: 10%; success 70%", "30%; success 70%; after 1min", "rest")
MIRROR_LIMIT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class DemoPackage:
    """A zip of random files. `fragments`: into how many it is cut."""

    name: str
    size_bytes: int
    fragments: int
    system: str
    options: Sequence[str] = ("--action", "STORE", "--path", "C:\\Logiciels")


PUTTY: Final = DemoPackage("Putty", 262_144, 1, "WINDOWS")
EDITOR: Final = DemoPackage("Notepad++", 4_800_000, 8, "WINDOWS", ("--action", "LAUNCH", "--launch", "setup.exe /S"))
OFFICE: Final = DemoPackage("LibreOffice 26.2", 24_000_000, 90, "WINDOWS")
TOOLS: Final = DemoPackage("outils-debian", 1_300_000, 4, "LINUX", ("--action", "STORE", "--path", "/opt/outils"))
PACKAGES: Final = (PUTTY, EDITOR, OFFICE, TOOLS)


@dataclass(frozen=True, slots=True)
class DemoSite:
    """The running site. `packages`: ids by name; `rollout`: the name of the roll-out that runs."""

    origin: OriginServer
    mirror: Mirror
    password: str
    packages: dict[str, str]
    rollout: str


@contextlib.asynccontextmanager
async def open_demo_site(folder: Path, options: Sequence[str] = ()) -> AsyncIterator[DemoSite]:
    """The site with its fleet, for as long as the block lasts. `options` are those of `distd init`."""
    origin = OriginServer(folder)
    password = origin.distd("init", "--host", "localhost", *options)["password"]
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(origin.serve(SETTINGS))
        mirror, _ = await _open_mirror(stack, origin)
        ids = {each.name: _publish(origin, each) for each in PACKAGES}
        await await_until(lambda: _ready(origin) == len(PACKAGES), "the mirror has all packages", MIRROR_LIMIT_S)
        await origin.register(COMPUTERS, *FLEET[2:])
        name = _deploy(origin, ids)
        await stack.enter_async_context(_fleet(origin))
        yield DemoSite(origin, mirror, password, ids, name)


async def _open_mirror(stack: contextlib.AsyncExitStack, origin: OriginServer) -> tuple[Mirror, RunningServer]:
    mirror = await trio.to_thread.run_sync(join, origin.data, origin.url, origin.folder, "lyon", "--location", "LYO*")
    return mirror, await stack.enter_async_context(mirror.serve())


def _ready(origin: OriginServer) -> float:
    return metric_of(origin.http, "distd_mirrors_ready")


def _publish(origin: OriginServer, package: DemoPackage) -> str:
    """Build it and activate it; its id."""
    file = write_zip(origin.folder / f"{package.name}.zip", package.size_bytes, len(package.name), first="setup.exe")
    cut = ("--fragments", package.fragments, "--os", package.system, "--priority", 5)
    built = origin.distd("package", "build", file, "--name", package.name, *cut, *package.options)
    origin.distd("package", "activate", built["id"])
    return str(built["id"])


def _deploy(origin: OriginServer, ids: dict[str, str]) -> str:
    """Groups, assignments and a roll-out; the name of that."""
    origin.distd("group", "create", "Salles de classe", "--filter", 'name ~ "*-CLASS-*"')
    origin.distd("group", "create", "Windows 11", "--filter", 'os ~ "*windows 11*"')
    origin.distd("assign", ids[PUTTY.name], "--filter", "windows")
    origin.distd("assign", ids[EDITOR.name], "--group", "Salles de classe", "--skip-unfit")
    origin.distd("assign", ids[TOOLS.name], "--filter", "NOT windows", "--skip-unfit")
    name = "LibreOffice par vagues"
    waves = [word for wave in WAVES for word in ("--wave", wave)]
    origin.distd("rollout", "create", name, ids[OFFICE.name], "--filter", "windows", *waves)
    origin.distd("rollout", "start", name)
    return name


@contextlib.asynccontextmanager
async def _fleet(origin: OriginServer) -> AsyncIterator[None]:
    server = ("--server", f"{origin.url}/ocsinventory", "--ca", str(origin.data / "cacert.pem"))
    command = [AGENTSIM, "load", *server, *FLEET, *RUNNING, "window=1h"]
    async with child(command, origin.folder / "fleet.log"):
        yield
