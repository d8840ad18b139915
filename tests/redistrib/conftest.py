"""An origin and mirrors, as real processes on loopback."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.programs.mirror import command, join, metric
from tests.programs.network_lines import possible
from tests.programs.processes import DISTD, distd_serve, free_port, plain_environment

if TYPE_CHECKING:
    from pathlib import Path

FAST = {
    "download.frag_latency_s": 0,
    "download.cycle_latency_s": 0,
    "download.period_latency_s": 0,
}


class World:
    """An origin and its mirrors."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "origin"
        self.http = f"127.0.0.1:{free_port()}"
        self.https = f"127.0.0.1:{free_port()}"
        self.url = f"https://localhost:{self.https.rpartition(':')[2]}"
        subprocess.run([DISTD, "init", "--data", self.data, "--host", "localhost"], check=True, capture_output=True)
        self.source = root / "source.bin"

    def serve(self, **settings: Any) -> Any:
        named = FAST | {name.replace("__", "."): value for name, value in settings.items()}
        return distd_serve(self.data, named, http=self.http, https=self.https)

    def distd(self, *arguments: Any, status: Any = 0) -> Any:
        return command(DISTD, *arguments, "--data", self.data, status=status)

    def join(self, name: Any, *options: Any, through: Any = None) -> Any:
        """A mirror that has joined, at the origin or through another."""
        return join(self.data, through.url if through else self.url, self.root, name, *options)

    def do(self, *arguments: Any) -> None:
        """A command that prints no JSON."""
        done = subprocess.run([DISTD, *arguments, "--data", self.data], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def build(self, content: Any, *options: Any, priority: Any = 1, target: Any = "/tmp/x") -> Any:
        """Of bytes, or of a folder. Not active yet."""
        source = content
        if isinstance(content, bytes):
            source = self.source
            source.write_bytes(content)
        order = ("--name", "Test", "--os", "LINUX", "--action", "STORE", "--path", target, "--priority", priority)
        return self.distd("package", "build", source, *order, *options)["id"]

    def agent(self, state: Any, name: Any = "pc") -> Any:
        """Runs a native agent once; whether all went well, and its log."""
        ca = self.data / "cacert.pem"
        where = ("--server", f"{self.url}/ocsinventory", "--ca", ca, "--state", state, "--name", name)
        return subprocess.Popen(
            [DISTD.replace("distd", "agentsim"), "agent", *map(str, where), "--once"],
            stderr=subprocess.PIPE,
            text=True,
            env=plain_environment(),
        )

    def listed(self, name: Any) -> Any:
        return self.distd("mirror", "show", name)

    async def until_ready(self, name: Any, package_id: Any, version: Any = 1) -> None:
        """Until the origin knows that the mirror has it."""
        with trio.fail_after(30):
            while (package_id, version, name) not in self.ready():
                await trio.sleep(0.1)

    async def until_told(self, count: Any) -> None:
        """Until the serving process sends agents to so many mirrors (summed over the packages that they have)."""
        await self.until(lambda: metric(self.http, "distd_mirrors_ready") == count)

    def ready(self) -> Any:
        from sqlalchemy import select

        from distd.catalogue.engine import open_catalogue
        from distd.catalogue.schema import mirror_packages, mirrors

        with open_catalogue(self.data / "catalogue.db") as catalogue, catalogue.read() as conn:
            query = select(mirror_packages.c.package_id, mirror_packages.c.version, mirrors.c.name)
            joined = query.join(mirrors, mirrors.c.id == mirror_packages.c.mirror_id)
            return [tuple(row) for row in conn.execute(joined)]

    async def until(self, condition: Any, seconds: Any = 20) -> None:
        with trio.fail_after(seconds):
            while not condition():
                await trio.sleep(0.1)

    def same(self, mirror: Any, package_id: Any) -> Any:
        """Whether the mirror's package is the origin's, file by file."""
        mine, theirs = (root / "download" / package_id for root in (self.data, mirror.data))
        names = sorted(path.name for path in mine.iterdir())
        if not theirs.is_dir() or names != sorted(path.name for path in theirs.iterdir()):
            return False
        return all((mine / name).read_bytes() == (theirs / name).read_bytes() for name in names)


# A mark of tests, what they need, and how to have it.
NEEDED = {"line": (possible, "network namespaces: root, iproute2"), "clock": (partial(which, "faketime"), "faketime")}
LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: Any) -> None:
    for name, (_, needs) in NEEDED.items():
        config.addinivalue_line("markers", f"{name}: needs {needs}")


def pytest_collection_modifyitems(config: Any, items: Any) -> None:
    """What cannot be had here is left out, and said at the end; the other tests have the same on loopback."""
    missing = {name: needs for name, (there, needs) in NEEDED.items() if not there()}
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in missing)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        config.stash[LEFT_OUT] = [f"{len(left_out)} tests were left out, which need {'; '.join(missing.values())}"]


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    for line in config.stash.get(LEFT_OUT, []):
        terminalreporter.write_sep("-", "redistribution servers")
        terminalreporter.write_line(line)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    return World(tmp_path)
