"""Redistribution servers for tests and benches: joined to an origin that runs, each a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.programs.processes import DISTD, REDISTRIB, free_port, plain_environment, redistrib_serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.programs.processes import Site


def command(*words: object, status: int = 0) -> Any:
    """Run a command; what it prints as JSON, or on stderr where it is to fail."""
    done = subprocess.run(
        [*map(str, words), "--json"], capture_output=True, text=True, env=plain_environment(), check=False
    )
    assert done.returncode == status, f"{words}: {done.returncode} {done.stderr}"
    return json.loads(done.stdout) if done.stdout else done.stderr


def metric(http: str, name: str) -> float:
    """A figure of the `/metrics` that "host:port" answers with."""
    text = urllib.request.urlopen(f"http://{http}/metrics").read().decode()
    found = re.search(rf"^{name}(?:_total)? (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


class Mirror:
    """A mirror's folder and addresses; `serve()` runs it."""

    def __init__(self, root: Path, name: str, address: str = "127.0.0.1", within: Sequence[str] = ()) -> None:
        """`within`: a command that runs another one, in a namespace for instance, where `address` is its own."""
        self.name = name
        self.data = root / name
        self.http = f"{address}:{free_port()}"
        self.https = f"{address}:{free_port()}"
        self.within = within

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https.rpartition(':')[2]}"

    def serve(self, **settings: object) -> AbstractAsyncContextManager[Site]:
        named = {name.replace("__", "."): value for name, value in settings.items()}
        return redistrib_serve(self.data, named, http=self.http, https=self.https, within=self.within)

    def log(self) -> str:
        return self.data.with_name(f"{self.data.name}.serve.log").read_text()

    def fragment(self, package_id: str, number: int) -> Path:
        return self.data / "download" / package_id / f"{package_id}-{number}"

    def metric(self, name: str) -> float:
        return metric(self.http, name)


def join(origin: Path, url: str, root: Path, name: str, *options: object) -> Mirror:
    """A mirror in `root`/`name` of the origin whose data directory is given, joined at `url`. The origin must serve."""
    return join_as(Mirror(root, name), origin, url, *options)


def join_as(mirror: Mirror, origin: Path, url: str, *options: object) -> Mirror:
    where = ("--url", f"http://{mirror.http}", "--https-port", mirror.https.rpartition(":")[2])
    token = command(DISTD, "mirror", "add", mirror.name, *where, *options, "--data", origin)["token"]
    command(*mirror.within, REDISTRIB, "join", url, "--token", token, "--data", mirror.data)
    return mirror
