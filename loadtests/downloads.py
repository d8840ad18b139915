"""Part of `make bench-deployments`: what it costs a server to tell how far 100,000 computers are with a package."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio
from sqlalchemy import insert

from distd.catalogue import schema
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.catalogue.event_watch import EventWatch
from distd.catalogue.reader import Reader
from distd.domain.records import Dialect
from distd.domain.schedule import Pause, turns
from distd.domain.settings import DownloadConfig
from distd.origin.deployments.progress import Fetched, record
from distd.origin.deployments.progress_events import find_progress, tell_progress
from distd.origin.deployments.stalls import count_stalled
from distd.origin.operators.events import ALL
from distd.origin.packages import counters
from distd.server.progress_events import STALLED_S
from distd.web.api.event_feed import EventFeed
from loadtests.results import goal_row, goal_table

if TYPE_CHECKING:
    from distd.catalogue.engine import Catalogue
    from distd.report.page import Table

CONFIG: Final = DownloadConfig()
PACKAGE: Final = "17"
PRIORITY: Final = 5
FRAGMENT_BYTES: Final = 65_536
TELL_S: Final = 5
GOAL: Final = 0.05
AT_ONCE: Final = 10_000
STREAM_PAUSE_S: Final = 0.2
STREAMS: Final = 8


@dataclass
class _Used:
    """Seconds of CPU."""

    recording_s: float = 0.0
    telling_s: float = 0.0
    all_s: float = 0.0


def fragments_per_s(computers: int) -> float:
    """So many computers fetch together by the schedule that agents are told when nothing is set."""
    passed_s, fetched = 0.0, 0
    for step in islice(turns(Dialect.WINDOWS, CONFIG, {PACKAGE: PRIORITY}), 10_000):
        if isinstance(step, Pause):
            passed_s += step.seconds
        else:
            fetched += 1
    return computers * fetched / passed_s


async def measure(computers: int, seconds: int) -> Table:
    """The table."""
    per_s = round(fragments_per_s(computers))
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as made:
        path = Path(made) / "catalogue.db"
        create_catalogue(path)
        with open_catalogue(path) as catalogue:
            _fill(catalogue, computers)
            used = await _download(catalogue, computers, per_s, seconds)
            begun_s = time.process_time()
            with catalogue.read() as conn:
                count_stalled(conn, PACKAGE, CONFIG, time.time())
            stalled = (time.process_time() - begun_s) / STALLED_S
    streams = (used.all_s - used.recording_s - used.telling_s) / seconds
    telling = used.telling_s / seconds
    live = telling + streams + stalled
    both = live + used.recording_s / seconds
    return goal_table(
        f"{computers:,} computers that download, {per_s:,} fragments/s by their schedule: of a core",
        [
            goal_row(f"events about it, every {TELL_S} s", f"{telling:.2%}"),
            goal_row(f"counting those that stall, every {STALLED_S:g} s", f"{stalled:.2%}"),
            goal_row(f"{STREAMS} event streams that get all", f"{streams:.2%}"),
            goal_row("all of it: live", f"{live:.2%}", "≤ 5 %", live <= GOAL),
            goal_row("… with the record of each fragment of each computer", f"{both:.2%}"),
        ],
    )


def _fill(catalogue: Catalogue, computers: int) -> None:
    """All have fetched the first fragment."""
    package = {"name": "x", "os": "OTHER", "action": "STORE", "target": "/x", "priority": PRIORITY}
    package |= {"fragments": 200, "size_bytes": 200 * FRAGMENT_BYTES, "md5": "", "created_at_us": 0}
    ids = range(1, computers + 1)
    times = {"first_seen_at_us": 0, "last_seen_at_us": 0}
    assigned: dict[str, Any] = {"package_id": PACKAGE, "force": False, "schedule": "", "postcmd": ""}
    assigned |= {"assigned_at_us": 0, "notified_at_us": 1, "state": "NOTIFIED"}
    with catalogue.write() as conn:
        conn.execute(insert(schema.packages).values(id=PACKAGE, **package))
        conn.execute(insert(schema.computers), [{"id": each, "device_id": f"pc{each}", **times} for each in ids])
        conn.execute(insert(schema.assignments), [{"computer_id": each, **assigned} for each in ids])
        counters.recount_all(conn)
        for first in range(1, computers + 1, AT_ONCE):
            some = range(first, min(first + AT_ONCE, computers + 1))
            record(conn, [Fetched(each, PACKAGE, [1], FRAGMENT_BYTES) for each in some], time.time())


async def _download(catalogue: Catalogue, computers: int, per_s: int, seconds: int) -> _Used:
    used, fetched = _Used(), 0
    watch = EventWatch(Reader(catalogue), logging.getLogger("distd"), catalogue.listen)
    feed = EventFeed(watch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        for _ in range(STREAMS):
            nursery.start_soon(_stream, feed)
        await trio.sleep(1)
        begun_s, begun_cpu_s = trio.current_time(), time.process_time()
        for second in range(seconds):
            numbers = range(fetched, fetched + per_s)
            fetches = [
                Fetched(each % computers + 1, PACKAGE, [2 + each // computers], FRAGMENT_BYTES) for each in numbers
            ]
            fetched += per_s
            before_s = time.process_time()
            with catalogue.write() as conn:
                record(conn, fetches, time.time())
            used.recording_s += time.process_time() - before_s
            if second % TELL_S == TELL_S - 1:
                before_s = time.process_time()
                with catalogue.read() as conn:
                    found = find_progress(conn, {})
                with catalogue.write() as conn:
                    tell_progress(conn, found, TELL_S, time.time())
                used.telling_s += time.process_time() - before_s
            await trio.sleep_until(begun_s + second + 1)
        used.all_s = time.process_time() - begun_cpu_s
        nursery.cancel_scope.cancel()
    return used


async def _stream(feed: EventFeed) -> None:
    seq = await feed.newest()
    while True:
        _, seq = await feed.next(ALL, seq, trio.current_time() + 15)
        await trio.sleep(STREAM_PAUSE_S)
