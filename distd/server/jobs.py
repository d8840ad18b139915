"""Jobs of the catalogue, done by processes of their own: few at a time, of all serving processes together.

Error handling: what a job raises is written down with it, also a fault of the program. One whose process ends
unexpectedly has failed, and so has one that runs when the server stops; what waits goes on after the next start.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio

from distd.catalogue.outage import warn
from distd.domain.errors import DistdError, Unavailable
from distd.lane.child_process import ChildExited, open_child
from distd.origin.installation import open_installation
from distd.origin.jobs import jobs, work
from distd.server.repeating import Faults, describe, repeat
from distd.web.api.problems import content_of_error
from distd.wire.problem import content_of

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from pathlib import Path

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings
    from distd.lane.child_process import Child
    from distd.origin.jobs.jobs import TakenJob

POLL_S: Final = 1.0
TELL_S: Final = 0.5  # between two messages of how far it is
NICENESS: Final = 10
DONE: Final = "done"


class JobRunner:
    """Takes jobs and does them, until cancelled. `settings()` are those in force; `root` is the data directory."""

    def __init__(
        self, root: Path, reader: Reader, writer: Writer, settings: Callable[[], Settings], log: logging.Logger
    ) -> None:
        self._root = root
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._log = log
        self._faults = Faults(log)

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            look = partial(self._look, nursery)
            await repeat(look, POLL_S, "jobs are not looked for", self._log, at_once=True)

    async def _look(self, nursery: trio.Nursery) -> None:
        """Take all jobs whose turn it is; end those that nobody does any more."""
        if not await self._reader.run(jobs.are_open):
            return
        for job_id in await self._writer.run(partial(jobs.fail_lost, now_s=time.time())):
            self._log.warning("job %d: its process was not heard of any more", job_id)
        max_running = self._settings().limits.jobs
        while True:
            job = await self._writer.run(partial(jobs.take, now_s=time.time(), max_running=max_running))
            if job is None:
                return
            nursery.start_soon(self._faults.keep_from, partial(self._do, job), f"job {job.id}")

    async def _do(self, job: TakenJob) -> None:
        self._log.info("job %d: %s begins", job.id, job.kind)
        try:
            async with open_child(
                work_in_child, self._root, self._settings(), job, name=f"job {job.id}", niceness=NICENESS
            ) as child:
                await self._watch(child, job)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await self._fail(job, content_of(503, "the server was stopped; ask for it again"))
            raise
        except ChildExited as error:
            await self._fail(job, content_of(500, f"its process has {error.why}"))
        except DistdError as error:
            await self._fail(job, content_of_error(error))
        except Exception as error:
            self._faults.tell(error, f"job {job.id}")
            await self._fail(job, content_of(500, describe(error)))
        self._log.info("job %d: %s has ended", job.id, job.kind)

    async def _watch(self, child: Child, job: TakenJob) -> None:
        """Until it is done, or somebody has ended it: then the process is killed with the child's block."""
        done_bytes, total_bytes = 0, 0
        while True:
            message: Any = None
            with trio.move_on_after(POLL_S):
                message = await child.receive()
            if message == DONE:
                return
            done_bytes, total_bytes = message or (done_bytes, total_bytes)
            tell = partial(jobs.tell, job_id=job.id, done_bytes=done_bytes, total_bytes=total_bytes)
            try:
                if not await self._writer.run(partial(tell, now_s=time.time())):
                    return
            except Unavailable as error:
                warn(self._log, error, f"job {job.id}")

    async def _fail(self, job: TakenJob, error: dict[str, Any]) -> None:
        self._log.warning("job %d: %s", job.id, error["detail"])
        try:
            await self._writer.run(partial(jobs.fail, job_id=job.id, error=error, now_s=time.time()))
        except Unavailable as unavailable:  # `fail_lost` ends it later
            warn(self._log, unavailable, f"job {job.id}")


def work_in_child(tell: Callable[[Any], None], root: Path, settings: Settings, job: TakenJob) -> None:
    """What the process of a job does: tell (done, total) in bytes every now and then, `DONE` at the end."""
    told_s = 0.0

    def progress(done_bytes: int, total_bytes: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TELL_S or done_bytes == total_bytes:
            told_s = time.monotonic()
            tell((done_bytes, total_bytes))

    with open_installation(root) as site:
        work.do(replace(site, settings=settings), job, progress)
    tell(DONE)
