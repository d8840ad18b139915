"""A main site and a branch office as network namespaces, with a line between them that can be slow, lossy, or cut.

Needs root and iproute2. Delay and random loss come from netem; where the kernel has none, a queue that is much too
short loses packets that come in bursts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIN: Final = "10.213.0.1"
BRANCH: Final = "10.213.0.2"


@dataclass(frozen=True, slots=True)
class NetworkLine:
    """The two namespaces and the line between them."""

    names: tuple[str, str]

    @property
    def main(self) -> tuple[str, ...]:
        """The beginning of a command that is to run at the main site."""
        return ("ip", "netns", "exec", self.names[0])

    @property
    def branch(self) -> tuple[str, ...]:
        """The beginning of a command that is to run in the branch office."""
        return ("ip", "netns", "exec", self.names[1])

    def shape(self, *, mbit_per_s: float, delay_ms: int = 0, loss_percent: float = 0) -> None:
        """Limit the line in both directions."""
        for name in self.names:
            where = ("ip", "netns", "exec", name, "tc", "qdisc", "replace", "dev", "line", "root")
            netem = f"netem rate {mbit_per_s}mbit delay {delay_ms}ms loss {loss_percent}%"
            limit = 6000 if loss_percent else 60_000
            if subprocess.run([*where, *netem.split()], capture_output=True, check=False).returncode:
                _run(*where, *f"tbf rate {mbit_per_s}mbit burst 3000 limit {limit}".split())

    def cut(self) -> None:
        """Nothing passes any more; the interfaces stay."""
        _run("ip", "-n", self.names[0], "link", "set", "line", "down")

    def mend(self) -> None:
        """Undo `cut`."""
        _run("ip", "-n", self.names[0], "link", "set", "line", "up")


@cache
def possible() -> bool:
    """Whether this process may make namespaces with a line between them."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("tc") is None:
        return False
    try:
        with open_line() as line:
            line.shape(mbit_per_s=1)
    except subprocess.CalledProcessError:
        return False
    return True


@contextlib.contextmanager
def open_line() -> Iterator[NetworkLine]:
    """For as long as the block lasts. What runs in it must have ended by then."""
    line = NetworkLine((f"distd-main-{os.getpid()}", f"distd-branch-{os.getpid()}"))
    try:
        for name in line.names:
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", line.names[0], "link", "add", "line", "type", "veth", "peer", "line", "netns", line.names[1])
        for name, address in zip(line.names, (MAIN, BRANCH), strict=True):
            _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "line")
            # Offloads would pass 64 KiB at a time, which no queue of a slow line takes.
            _run("ip", "-n", name, "link", "set", "line", "gso_max_segs", "1")
            _run("ip", "-n", name, "link", "set", "line", "up")
        yield line
    finally:
        for name in line.names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)
