"""An origin as a program on loopback, and the mirrors that join it, each a program of its own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import trio
from sqlalchemy import select

from distd.catalogue import event_log
from distd.catalogue.engine import open_catalogue
from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from tests.programs.commands import run_command
from tests.programs.mirror import command, join, metric
from tests.programs.processes import DISTD, distd_serve, free_port, plain_environment
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.programs.mirror import Mirror

NO_LATENCIES = {
    "download.frag_latency_s": 0,
    "download.cycle_latency_s": 0,
    "download.period_latency_s": 0,
}


class Origin:
    """The data directory of an origin in `root`, and its addresses; `serve()` runs it."""

    def __init__(self, root: Path, data: Path | None = None) -> None:
        """`data`: a data directory that is there already."""
        self.root = root
        self.data = data or root / "origin"
        self.http = f"127.0.0.1:{free_port()}"
        self.https = f"127.0.0.1:{free_port()}"
        self.url = f"https://localhost:{self.https.rpartition(':')[2]}"
        self.source = root / "source.bin"
        if data is None:
            self.distd("init", "--host", "localhost")

    def serve(self, **settings: object) -> AbstractAsyncContextManager[Any]:
        """The program, for as long as the block lasts. Settings with "__" for the dot."""
        named = NO_LATENCIES | {name.replace("__", "."): value for name, value in settings.items()}
        return distd_serve(self.data, named, http=self.http, https=self.https)

    def distd(self, *arguments: object, status: int = 0) -> Any:
        """What a command prints as JSON, or on stderr where it is to fail."""
        return command(DISTD, *arguments, "--data", self.data, status=status)

    def do(self, *arguments: str) -> None:
        """A command that prints no JSON."""
        run_command(DISTD, *arguments, "--data", self.data)

    def join(self, name: str, *options: object, through: Mirror | None = None) -> Mirror:
        """A mirror that has joined, at the origin or through another."""
        return join(self.data, through.url if through else self.url, self.root, name, *options)

    def build(self, content: bytes | Path, *options: object, target: object = "/tmp/x") -> str:
        """A package of bytes, or of a folder; its id. Not active yet."""
        if isinstance(content, bytes):
            self.source.write_bytes(content)
            content = self.source
        package = ("--name", "Test", "--os", "LINUX", "--action", "STORE", "--path", target, "--priority", 1)
        package_id: str = self.distd("package", "build", content, *package, *options)["id"]
        return package_id

    async def run_agent(self, state: Path, name: str = "pc") -> None:
        """Run a native agent once, to its end."""
        process = self.start_agent(state, name)
        _, errors = await trio.to_thread.run_sync(process.communicate)
        assert process.returncode == 0, errors

    def start_agent(self, state: Path, name: str = "pc") -> subprocess.Popen[str]:
        """A native agent that runs once."""
        ca = self.data / "cacert.pem"
        options = ("--server", f"{self.url}/ocsinventory", "--ca", ca, "--state", state, "--name", name)
        return subprocess.Popen(
            [DISTD.replace("distd", "agentsim"), "agent", *map(str, options), "--once"],
            stderr=subprocess.PIPE,
            text=True,
            env=plain_environment(),
        )

    def show_mirror(self, name: str) -> dict[str, Any]:
        """What the origin knows of a mirror."""
        shown: dict[str, Any] = self.distd("mirror", "show", name)
        return shown

    def ready(self) -> list[tuple[str, int, str]]:
        """What the origin knows of packages that mirrors have verified: ids, versions, names of mirrors."""
        with open_catalogue(self.data / "catalogue.db") as catalogue, catalogue.read() as conn:
            query = select(mirror_packages.c.package_id, mirror_packages.c.version, mirrors.c.name)
            rows = conn.execute(query.join(mirrors, mirrors.c.id == mirror_packages.c.mirror_id))
            return [(row.package_id, row.version, row.name) for row in rows]

    def event_kinds(self) -> set[str]:
        """The kinds of events that have happened."""
        with open_catalogue(self.data / "catalogue.db") as catalogue, catalogue.read() as conn:
            return {event.kind for event in event_log.since(conn, 0, 10_000)}

    async def until_ready(self, name: str, package_id: str, version: int = 1) -> None:
        """Until the origin knows that the mirror has a package."""
        await self.until(lambda: (package_id, version, name) in self.ready(), f"{name} has {package_id} v{version}")

    async def until_known(self, count: int) -> None:
        """Until the serving process sends agents to so many mirrors (summed over the packages that they have)."""
        await self.until(lambda: metric(self.http, "distd_mirrors_ready") == count, f"{count} mirrors are ready")

    async def until(self, condition: Callable[[], object], what: str = "what the test waits for is so") -> None:
        """Until a condition, which may ask the disk or a program, is true."""
        await await_until(condition, what, limit_s=120, interval_s=0.1)

    def same(self, mirror: Mirror, package_id: str) -> bool:
        """Whether the mirror's package is the origin's, file by file."""
        mine, theirs = (root / "download" / package_id for root in (self.data, mirror.data))
        names = sorted(path.name for path in mine.iterdir())
        if not theirs.is_dir() or names != sorted(path.name for path in theirs.iterdir()):
            return False
        return all((mine / name).read_bytes() == (theirs / name).read_bytes() for name in names)
