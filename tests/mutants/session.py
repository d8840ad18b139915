"""Tests that were collected once, run in forks of that process: one fork for a file, or for a change to the source.

A fork costs some 20 ms; to start pytest and to import all that it needs costs seconds.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

MAX_MEMORY_BYTES: Final = 4 << 30
FAILED: Final = 1
STOPPED: Final = -1  # the status of a fork that took too long


@dataclass(frozen=True, slots=True)
class Job:
    """What a fork is to do, and how long it may take. The fork ends with 0 when `run` returns."""

    run: Callable[[Path], None]
    limit_s: float
    done: Callable[[int], None]


class Collected:
    """A pytest session with its tests by their ids, in the order in which they were collected."""

    def __init__(self, session: pytest.Session) -> None:
        self.items = {item.nodeid: item for item in session.items}
        self._session = session

    def run(self, ids: Iterable[str], folder: Path, seen: Callable[[pytest.TestReport], None]) -> None:
        """Run some of them in this process, which is a fork. `folder` takes their temporary files."""
        config = self._session.config
        factory = config._tmp_path_factory  # type: ignore[attr-defined]  # of _pytest.tmpdir
        factory._basetemp, factory._given_basetemp = None, folder / "tmp"
        observer = config.pluginmanager.register(_Observer(seen))
        items = [self.items[name] for name in ids]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        config.pluginmanager.unregister(name=observer)


class _Observer:
    def __init__(self, seen: Callable[[pytest.TestReport], None]) -> None:
        self.seen = seen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seen(report)


def end_at_first_failure(report: pytest.TestReport) -> None:
    """End this process with FAILED when a test has failed."""
    if report.failed:
        os._exit(FAILED)


def run_in_forks(jobs: Iterator[Job], parallel: int, folder: Path) -> None:
    """Run jobs in forks, so many at a time; `done(status)` is called in this process as each ends."""
    running: dict[int, tuple[Job, float, Path]] = {}
    number = 0
    try:
        while True:
            while len(running) < parallel and (job := next(jobs, None)) is not None:
                number += 1
                place = folder / f"fork-{number}"
                place.mkdir()
                running[_fork(job, place)] = job, time.monotonic() + job.limit_s, place
            if not running:
                return
            for pid, (job, deadline_s, place) in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                late = time.monotonic() > deadline_s
                if ended or late:
                    _end_all_of(pid, is_running=not ended)
                    del running[pid]
                    shutil.rmtree(place, ignore_errors=True)
                    job.done(os.waitstatus_to_exitcode(status) if ended else STOPPED)
            time.sleep(0.005)
    finally:
        for pid in running:
            _end_all_of(pid, is_running=True)


def _end_all_of(pid: int, *, is_running: bool) -> None:
    """End a fork and what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    if is_running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _fork(job: Job, place: Path) -> int:
    pid = os.fork()
    if not pid:
        _run_job(job, place)
    return pid


def _run_job(job: Job, place: Path) -> NoReturn:
    status = FAILED
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nowhere, fd)
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        job.run(place)
        status = 0
    except BaseException as error:  # whatever a changed program does
        with contextlib.suppress(Exception):
            (place.parent / "last-error").write_text("".join(traceback.format_exception(error)))
    os._exit(status)


class Loop:
    """A plugin that takes the place of pytest's loop over the tests. `main(collected)` has all of them."""

    def __init__(self, main: Callable[[Collected], None]) -> None:
        self._main = main

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running the tests here."""
        if session.testsfailed:
            raise session.Interrupted("tests cannot be collected")
        self._main(Collected(session))
        return True


OPTIONS: Final = ("-q", "--capture=sys", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-p", "no:xdist",
                  "-o", "faulthandler_timeout=0", "-p", "no:cov")  # fmt: skip


def collect(paths: list[str], main: Callable[[Collected], None]) -> int:
    """Collect tests in the current folder, then call `main`; pytest's exit status."""
    return int(pytest.main([*OPTIONS, *paths], plugins=[Loop(main)]))


def forget_modules(packages: tuple[str, ...]) -> None:
    """Have modules of these packages imported anew by whoever imports them next."""
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]
