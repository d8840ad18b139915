"""What a mirror counts, and tells its origin: who fetched what, what it has, how it fares.

What agents fetched is written to the disk in batches before it is told, and taken away when the origin has it; so it
outlives both the mirror's end and the origin's absence.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import trio

from distd import __version__
from distd.domain.errors import Corrupt, Unavailable
from distd.storage import atomic
from distd.wire import packing
from distd.wire.number_ranges import render

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from pathlib import Path

    from distd.lane.client.http_client import Client
    from redistrib.follower import Follower
    from redistrib.mirror_dir import Identity, MirrorDir
    from redistrib.sync import Sync

FLUSH_S: Final = 5.0
QUIET_REPORT_S: Final = 60.0  # without news the origin hears so often how the mirror fares
ROWS: Final = 5000  # of a batch
HELD: Final = 100_000  # computers and packages with news between two flushes
BATCHES: Final = 2000  # on the disk; beyond it the oldest go
AGENT_S: Final = 60.0  # who has fetched within so long is an agent that is being served


@dataclass(slots=True)
class Counts:
    """`hits`: fragments that were there when an agent asked; `misses`: those that had to be fetched, or were not."""

    fragments_sent: int = 0
    sent_bytes: int = 0
    hits: int = 0
    misses: int = 0
    redirected: int = 0
    healed: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """How a mirror fares: what the origin shows of it."""

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
class Standing:
    """How far a mirror is: packages that are here, and that should be. `connected`: its source answers; `refused`: it
    says that this is no mirror of its; `seq`: the last event that was taken."""

    connected: bool
    packages: int
    wanted: int
    missing_bytes: int
    seq: int = 0
    refused: bool = False


class Books:
    """Kept by `run` for an origin; where there is none to tell, by `watch`."""

    def __init__(self, mirror: MirrorDir, log: logging.Logger) -> None:
        self.counts = Counts()
        self._mirror = mirror
        self._log = log
        self._access: dict[tuple[str, str, str], tuple[set[int], int]] = {}
        self._agents: dict[str, float] = {}
        self._ready: list[list[object]] = []
        self._gone: list[str] = []
        self._faults: list[list[object]] = []
        self._news = trio.Event()
        self._rate = (trio.current_time(), 0)
        self._bytes_per_s = 0
        self.tell_all = True  # the next report says everything that is there

    def fetched(self, token: str, address: str, package_id: str, number: int, size_bytes: int) -> None:
        """A fragment was sent to its end. `token`: of the path, may be empty."""
        self.counts.fragments_sent += 1
        self.counts.sent_bytes += size_bytes
        key = token, address, package_id
        numbers, sent_bytes = self._access.get(key, (set(), 0))
        if not numbers and len(self._access) >= HELD:
            return
        numbers.add(number)
        self._access[key] = numbers, sent_bytes + size_bytes
        self._agents[token or address] = trio.current_time()

    def changed(self, ready: list[tuple[str, int]], gone: list[str]) -> None:
        self._ready += [list(pair) for pair in ready]
        self._gone += gone
        self._news.set()

    def fault(self, package_id: str, name: str, *, healed: bool) -> None:
        """A file on the disk was bad, and is good again or not."""
        self.counts.healed += healed
        self.counts.bad += not healed
        self._faults.append([package_id, name, healed])
        self._news.set()

    def remember(self, state: bytes) -> None:
        """What the mirror is to have, for when it starts while the origin is away."""
        atomic.write_file(self._mirror.state_file, state)

    # --- to the disk -------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what agents fetched since the last time."""
        access, self._access = self._access, {}
        rows = [[*key, render(numbers), size] for key, (numbers, size) in access.items()]
        for start in range(0, len(rows), ROWS):
            batch = {"batch": uuid.uuid4().hex, "at_s": time.time(), "access": rows[start : start + ROWS]}
            atomic.write_file(self._mirror.spool / f"{time.time_ns():020}", packing.pack(batch), mode=0o600)
        kept = self._batches()
        for path in kept[: max(len(kept) - BATCHES, 0)]:
            self._log.warning("the origin has been away for too long: who fetched what in %s is forgotten", path.name)
            path.unlink()

    def _batches(self) -> list[Path]:
        return sorted(path for path in self._mirror.spool.iterdir() if path.name.isdecimal())

    def status(self, missing_bytes: int) -> Status:
        now_s = trio.current_time()
        self._agents = {token: at_s for token, at_s in self._agents.items() if now_s - at_s < AGENT_S}
        counts = self.counts
        return Status(
            agents=len(self._agents),
            free_bytes=shutil.disk_usage(self._mirror.root).free,
            missing_bytes=missing_bytes,
            bytes_per_s=self._bytes_per_s,
            fragments_sent=counts.fragments_sent,
            sent_bytes=counts.sent_bytes,
            hits=counts.hits,
            misses=counts.misses,
        )

    # --- to the origin -----------------------------------------------------------------------------------------------

    async def run(self, client: Client, identity: Identity, follower: Follower, sync: Sync) -> None:
        """Flush and report, for ever."""
        told_s = -QUIET_REPORT_S
        while True:
            with trio.move_on_after(FLUSH_S):
                await self._news.wait()
            self._news = trio.Event()
            self._measure()
            with contextlib.suppress(OSError):  # a full disk: who fetched what is held in memory a while longer
                self.flush()
            self._write_status(standing_of(follower, sync))
            has_news = self._ready or self._gone or self._faults or self.tell_all or self._batches()
            if not follower.connected or not (has_news or trio.current_time() - told_s > QUIET_REPORT_S):
                continue
            try:
                await self._report(client, identity, follower, sync)
                told_s = trio.current_time()
            except (Unavailable, Corrupt) as error:
                self._log.warning("not reported: %s", error)

    def _measure(self) -> None:
        then_s, then_bytes = self._rate
        now_s = trio.current_time()
        if now_s - then_s >= FLUSH_S:
            self._bytes_per_s = round((self.counts.sent_bytes - then_bytes) / (now_s - then_s))
            self._rate = now_s, self.counts.sent_bytes

    async def watch(self, standing: Callable[[], Standing]) -> None:
        """Say on the disk how the mirror fares, for ever."""
        while True:
            self._measure()
            self._write_status(standing())
            await trio.sleep(1)

    def _write_status(self, standing: Standing) -> None:
        shown = asdict(self.status(standing.missing_bytes)) | asdict(self.counts) | asdict(standing)
        shown |= {"at_s": time.time(), "pid": os.getpid()}
        with contextlib.suppress(OSError):
            atomic.write_file(self._mirror.status_file, json.dumps(shown).encode())

    async def _report(self, client: Client, identity: Identity, follower: Follower, sync: Sync) -> None:
        ready, gone, faults, everything = list(self._ready), list(self._gone), list(self._faults), self.tell_all
        message: dict[str, Any] = {
            "seq": follower.seq,
            "status": asdict(self.status(sync.missing_bytes)),
            "faults": faults,
        }
        if everything:
            message["have"] = [list(pair) for pair in sync.have.items()]
        else:
            message |= {"ready": ready, "gone": gone}
        batches = self._batches()
        await self._send(client, identity, message, batches[0] if batches else None)
        # Only now: what came meanwhile stands behind it.
        self._ready, self._gone = self._ready[len(ready) :], self._gone[len(gone) :]
        self._faults = self._faults[len(faults) :]
        self.tell_all = False
        for path in batches[1:]:
            await self._send(client, identity, {"seq": follower.seq}, path)

    async def _send(self, client: Client, identity: Identity, message: dict[str, Any], batch: Path | None) -> None:
        if batch is not None:
            data = batch.read_bytes()  # noqa: ASYNC240 - small, and in the cache
            message |= packing.unpack(data, dict[str, Any], "spool")
            message["now_s"] = time.time()  # so the origin sees how old it is, however wrong this clock may be
        url = f"{identity.origin}/api/v1/mirror/report"
        headers = [("Authorization", f"Bearer {identity.key}"), ("Content-Type", "application/msgpack")]
        answer = await client.request("POST", url, body=packing.pack(message), headers=headers)
        if answer.status != 200:
            raise Unavailable(url, f"HTTP {answer.status}: {answer.body[:200].decode('utf-8', 'replace')}")
        if batch is not None:
            batch.unlink()  # noqa: ASYNC240


def standing_of(follower: Follower, sync: Sync) -> Standing:
    there, wanted = len(sync.have), len(sync.wanted)
    return Standing(follower.connected, there, wanted, sync.missing_bytes, follower.seq, follower.refused)
