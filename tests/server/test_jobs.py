"""Jobs on a server: each in a process of its own, and what becomes of it when that ends."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.domain.settings import Settings
from distd.origin.jobs import jobs, work
from distd.origin.jobs.jobs import JobKind, JobState
from distd.server import jobs as module
from distd.server.jobs import JobRunner
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.origin.jobs.jobs import Job
    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd.test")
ORDER = {"name": "Hello", "os": "LINUX", "action": "STORE", "target": "/opt/hello", "source": {"upload": "hello.txt"}}


@pytest.fixture
def runner(origin: TestOrigin, data: Any, reader: Any, writer: Any, monkeypatch: pytest.MonkeyPatch) -> JobRunner:
    monkeypatch.setattr(module, "POLL_S", 0.05)
    return JobRunner(data.root, reader, writer, Settings, LOG)


def create(origin: TestOrigin, kind: JobKind, request: dict[str, Any]) -> int:
    job_id: int = origin.act(jobs.create, kind, request, 1.0)
    return job_id


async def ended(origin: TestOrigin, job_id: int) -> Job:
    """The job once it has ended."""

    def is_ended() -> bool:
        state: str = origin.read(jobs.show, str(job_id)).state
        return state != JobState.RUNNING

    await await_until(is_ended, "the job has ended")
    found: Job = origin.read(jobs.show, str(job_id))
    return found


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep_for_ever(*_: object) -> None:
    signal.pause()


async def test_a_package_is_built_by_another_process(origin: TestOrigin, data: Any, runner: JobRunner) -> None:
    data.uploads.mkdir()
    (data.uploads / "hello.txt").write_bytes(b"hello\n" * 1000)
    good = create(origin, JobKind.BUILD, ORDER)
    bad = create(origin, JobKind.BUILD, ORDER | {"target": "opt"})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        found = await ended(origin, good)
        assert (found.state, found.error) == (JobState.DONE, None)
        assert found.done_bytes == found.total_bytes
        failed = await ended(origin, bad)
        assert failed.error is not None
        assert failed.error.errors[0]["field"] == "target"
        nursery.cancel_scope.cancel()


async def test_a_process_that_ends_fails_its_job(
    origin: TestOrigin, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "work_in_child", die)
    job_id = create(origin, JobKind.VERIFY, {"package": "17"})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        found = await ended(origin, job_id)
        assert found.error is not None
        assert found.error.detail == "its process has ended with status -9"
        nursery.cancel_scope.cancel()


async def test_a_process_that_cannot_be_started_fails_its_job(
    origin: TestOrigin, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(module, "open_child", no_process)
    job_id = create(origin, JobKind.VERIFY, {"package": "17"})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        found = await ended(origin, job_id)
        assert found.error is not None
        assert "Resource temporarily unavailable" in found.error.detail
        nursery.cancel_scope.cancel()


async def test_a_job_ends_with_its_operator_or_its_server(
    origin: TestOrigin, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "work_in_child", sleep_for_ever)
    first, second, third = (create(origin, JobKind.VERIFY, {"package": "17"}) for _ in range(3))

    def is_running(job_id: int) -> Callable[[], bool]:
        return lambda: origin.read(jobs.show, str(job_id)).started_at_s is not None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        await await_until(is_running(first), "the first begins")
        origin.act(jobs.cancel, str(first), 2.0)
        await await_until(is_running(second), "the second begins when the first is no more")
        nursery.cancel_scope.cancel()
    error = origin.read(jobs.show, str(second)).error
    assert (error.status, "the server was stopped" in error.detail) == (503, True)
    assert origin.read(jobs.show, str(third)).state == JobState.RUNNING, "it goes on after the next start"


def test_a_child_tells_how_far_it_is_now_and_then(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def do(_site: Any, _job: Any, progress: Callable[[int, int], None]) -> None:
        for done in range(1001):
            progress(done, 1000)

    monkeypatch.setattr(work, "do", do)
    told: list[Any] = []
    nothing: Any = None
    module.work_in_child(told.append, data.root, Settings(), nothing)
    assert told[-2:] == [(1000, 1000), module.DONE]
    assert len(told) < 100
