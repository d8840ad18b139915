"""Redistribution servers for tests and benches: joined to an origin that runs, each a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.programs import commands
from tests.programs.processes import (
    DISTD,
    REDISTRIB,
    ProgramFailed,
    free_port,
    plain_environment,
    redistrib_serve,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.programs.processes import RunningServer


def command(*words: object, status: int = 0) -> Any:
    """Run a command with `--json`; see `tests.programs.commands`. One inside another (`within`) is a process."""
    program, *arguments = map(str, words)
    if program in commands.COMMANDS:
        return commands.command(program, *arguments, status=status)
    done = subprocess.run(
        [program, *arguments, "--json"], capture_output=True, text=True, env=plain_environment(), check=False
    )
    if done.returncode != status:
        raise ProgramFailed([program, *arguments], done.returncode, done.stderr)
    return json.loads(done.stdout) if done.stdout else done.stderr


def metric(http: str, name: str) -> float:
    """The value of a metric at `/metrics` of "host:port", which must have it. `name`: with or without "_total"."""
    text = urllib.request.urlopen(f"http://{http}/metrics").read().decode()
    found = re.search(rf"^{name}(?:_total)? (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


class Mirror:
    """A mirror's data directory and addresses; `serve()` runs it."""

    def __init__(self, root: Path, name: str, address: str = "127.0.0.1", within: Sequence[str] = ()) -> None:
        """`within`: a command that runs another one, in a network namespace for instance that has `address`."""
        self.name = name
        self.data = root / name
        self.http = f"{address}:{free_port()}"
        self.https = f"{address}:{free_port()}"
        self.within = within

    @property
    def url(self) -> str:
        """`https://localhost:PORT`."""
        return f"https://localhost:{self.https.rpartition(':')[2]}"

    def serve(self, **settings: object) -> AbstractAsyncContextManager[RunningServer]:
        """Run the mirror for as long as the block lasts; a setting "a.b" is given as `a__b`."""
        named = {name.replace("__", "."): value for name, value in settings.items()}
        return redistrib_serve(self.data, named, http=self.http, https=self.https, within=self.within)

    def log(self) -> str:
        """What it has logged, in all its runs."""
        return self.data.with_name(f"{self.data.name}.serve.log").read_text()

    def fragment(self, package_id: str, number: int) -> Path:
        """The file of a fragment, there or not; `number` is from 1."""
        return self.data / "download" / package_id / f"{package_id}-{number}"

    def metric(self, name: str) -> float:
        """The value of one of its metrics; it must be running."""
        return metric(self.http, name)


def join(origin: Path, url: str, root: Path, name: str, *options: object) -> Mirror:
    """A new mirror in `root`/`name`, joined at `url` to the origin with data directory `origin`, which must be running.

    `options`: more options of `distd mirror add`.
    """
    return join_as(Mirror(root, name), origin, url, *options)


def join_as(mirror: Mirror, origin: Path, url: str, *options: object) -> Mirror:
    """The same, of a mirror whose folder and addresses are chosen already."""
    where = ("--url", f"http://{mirror.http}", "--https-port", mirror.https.rpartition(":")[2])
    token = command(DISTD, "mirror", "add", mirror.name, *where, *options, "--data", origin)["token"]
    command(*mirror.within, REDISTRIB, "join", url, "--token", token, "--data", mirror.data)
    return mirror
