"""How a mirror is doing: what it counts, how far it is, and the file in which it says so while it serves."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from distd import __version__
from distd.storage import atomic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WRITE_S: Final = 2.0
FRESH_S: Final = 30.0  # a status that is older is no sign of a server
RATE_S: Final = 5.0  # over which bytes per second are measured
AGENT_S: Final = 60.0  # whoever has fetched something within so long is an agent that is being served


@dataclass(slots=True)
class MirrorCounts:
    """Fragments, and bytes, sent to agents and mirrors. `hits`: fragments that were here when they were asked for.

    `misses`: those that were not, whether they were fetched first or are elsewhere; a fragment counts as one of the
    two. `redirected`: requests that were sent elsewhere. `healed` and `bad`: files on the disk that were bad, and could
    be replaced or could not.
    """

    fragments_sent: int = 0
    sent_bytes: int = 0
    hits: int = 0
    misses: int = 0
    redirected: int = 0
    healed: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """How a mirror is doing: what the origin shows of it."""

    agents: int
    free_bytes: int
    missing_bytes: int
    bytes_per_s: int
    fragments_sent: int
    sent_bytes: int
    hits: int
    misses: int
    version: str = __version__


@dataclass(frozen=True, slots=True)
class MirrorState:
    """How far a mirror is: the number of packages that are here, and that should be.

    `connected`: its source answers; `refused`: the origin does not know this mirror; `seq`: the last event that was
    applied.
    """

    connected: bool
    packages: int
    wanted: int
    missing_bytes: int
    seq: int = 0
    refused: bool = False


class Statistics:
    """MirrorCounts what is sent. `folder` is on the disk whose free space is told."""

    def __init__(self, folder: Path) -> None:
        self.counts = MirrorCounts()
        self._folder = folder
        self._last_sent_s: dict[str, float] = {}  # by agent: its token, or its address
        self._rate_since_s = trio.current_time()
        self._rate_since_bytes = 0
        self._bytes_per_s = 0

    def sent(self, agent: str, size_bytes: int, *, missed: bool = False) -> None:
        """A fragment was sent to its end. `missed`: it was fetched for this request, which was counted as a miss."""
        self.counts.fragments_sent += 1
        self.counts.hits += not missed
        self.counts.sent_bytes += size_bytes
        self._last_sent_s[agent] = trio.current_time()

    def checked(self, *, healed: bool) -> None:
        """A file on the disk was bad, and was replaced or could not be."""
        self.counts.healed += healed
        self.counts.bad += not healed

    def status(self, missing_bytes: int) -> MirrorStatus:
        """As of now. `missing_bytes`: of packages that should be here."""
        now_s = trio.current_time()
        self._last_sent_s = {agent: at_s for agent, at_s in self._last_sent_s.items() if now_s - at_s < AGENT_S}
        self._measure_rate(now_s)
        counts = self.counts
        return MirrorStatus(
            agents=len(self._last_sent_s),
            free_bytes=shutil.disk_usage(self._folder).free,
            missing_bytes=missing_bytes,
            bytes_per_s=self._bytes_per_s,
            fragments_sent=counts.fragments_sent,
            sent_bytes=counts.sent_bytes,
            hits=counts.hits,
            misses=counts.misses,
        )

    def _measure_rate(self, now_s: float) -> None:
        past_s = now_s - self._rate_since_s
        if past_s >= RATE_S:
            self._bytes_per_s = round((self.counts.sent_bytes - self._rate_since_bytes) / past_s)
            self._rate_since_s, self._rate_since_bytes = now_s, self.counts.sent_bytes


async def run_status_file(path: Path, statistics: Statistics, state: Callable[[], MirrorState]) -> None:
    """Write the status to `path` every `WRITE_S` seconds, for ever."""
    while True:
        with contextlib.suppress(OSError):  # a full disk: the next one may fit
            content = _render(statistics, state())
            await trio.to_thread.run_sync(atomic.write_file, path, content)
        await trio.sleep(WRITE_S)


def _render(statistics: Statistics, state: MirrorState) -> bytes:
    shown = asdict(statistics.status(state.missing_bytes)) | asdict(statistics.counts) | asdict(state)
    return msgspec.json.encode(shown | {"at_s": time.time(), "pid": os.getpid()})


def read_status(path: Path) -> dict[str, Any]:
    """What a server says of itself at `path`, and whether it is `serving`."""
    try:
        content = path.read_bytes()
        writer = msgspec.json.decode(content, type=_Writer)
        shown = msgspec.json.decode(content, type=dict[str, Any])
    except (FileNotFoundError, msgspec.DecodeError):
        return {"serving": False, "connected": False}
    serving = time.time() - writer.at_s < FRESH_S and _is_alive(writer.pid)
    return {"serving": serving} | {name: value for name, value in shown.items() if name not in ("at_s", "pid")}


class _Writer(msgspec.Struct):
    """Who wrote a status, and when."""

    at_s: float
    pid: int
    connected: bool


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
