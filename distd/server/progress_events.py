"""What is sent of packages becomes events: one of each package every few seconds, however many computers fetch it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.origin.deployments import progress_events, stalls
from distd.server.repeating import repeat

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.settings import DownloadConfig, Settings

STALLED_S: Final = 60.0  # between two counts of those that stall; one of 100,000 computers takes tenths of a second
MAX_COUNTED: Final = 20  # packages of which that is counted: those that most computers fetch


async def run_progress_events(
    reader: Reader, writer: Writer, settings: Callable[[], Settings], log: logging.Logger
) -> None:
    """Until cancelled. `settings()` are the present ones."""
    stalled: dict[str, int] = {}
    counted_s = trio.current_time()

    def interval_s() -> float:
        return settings().events.progress_s

    async def tell() -> None:
        nonlocal stalled, counted_s
        if trio.current_time() - counted_s >= STALLED_S:
            counted_s = trio.current_time()
            stalled = await reader.run(partial(_count_stalled, config=settings().download))
        found = await reader.run(partial(progress_events.find_progress, stalled=stalled))
        if found:
            told = partial(progress_events.tell_progress, found=found, interval_s=interval_s(), now_s=time.time())
            await writer.run(told)

    await repeat(tell, interval_s, "progress of packages is not told", log)


def _count_stalled(conn: Connection, config: DownloadConfig) -> dict[str, int]:
    now_s = time.time()
    package_ids = progress_events.find_downloading(conn)[:MAX_COUNTED]
    return {package_id: stalls.count_stalled(conn, package_id, config, now_s) for package_id in package_ids}
