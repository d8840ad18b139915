"""Jobs in the catalogue: whose turn it is, how far each is, how each ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import Conflict, NotFound
from distd.domain.page import Window
from distd.origin.jobs import jobs
from distd.origin.jobs.jobs import LOST_S, JobKind, JobState
from distd.wire.problem import content_of
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def create(origin: TestOrigin, kind: JobKind = JobKind.VERIFY) -> int:
    job_id: int = origin.act(jobs.create, kind, {"package": "17"}, 1.0)
    return job_id


def show(origin: TestOrigin, job_id: int) -> Any:
    return origin.read(jobs.show, str(job_id))


def take(origin: TestOrigin, now_s: float = 2.0, max_running: int = 1) -> Any:
    return origin.write(jobs.take, now_s, max_running)


def test_the_first_has_its_turn_first(origin: TestOrigin) -> None:
    assert not origin.read(jobs.are_open)
    first, second = create(origin), create(origin, JobKind.BUILD)
    assert origin.read(jobs.are_open)
    job = take(origin)
    assert (job.id, job.kind, job.actor, job.request) == (first, JobKind.VERIFY, ADMIN, {"package": "17"})
    assert take(origin) is None, "one runs, and no more may"
    assert take(origin, max_running=2).id == second
    assert take(origin, max_running=3) is None
    assert [job.id for job in origin.read(jobs.list_jobs, Window()).items] == [second, first]


def test_how_far_it_is_and_its_end(origin: TestOrigin) -> None:
    job_id = create(origin)
    assert (show(origin, job_id).state, show(origin, job_id).started_at_s) == (JobState.RUNNING, None)
    take(origin)
    assert origin.write(jobs.tell, job_id, 5, 10, 3.0)
    found = show(origin, job_id)
    assert (found.done_bytes, found.total_bytes, found.started_at_s, found.ended_at_s) == (5, 10, 2.0, None)
    fault = {"what": "fragment 1", "expected": "a", "got": "b"}
    origin.write(jobs.finish, job_id, "17", {"faults": [fault]}, 4.0)
    found = show(origin, job_id)
    assert (found.state, found.package, found.ended_at_s, found.done_bytes) == (JobState.DONE, "17", 4.0, 10)
    assert [(one.what, one.got) for one in found.faults] == [("fragment 1", "b")]
    assert not origin.write(jobs.tell, job_id, 6, 10, 5.0)


def test_what_was_cancelled_enters_nothing(origin: TestOrigin) -> None:
    job_id = create(origin)
    take(origin)
    found = origin.act(jobs.cancel, str(job_id), 3.0)
    assert (found.state, found.error.detail) == (JobState.FAILED, "it was cancelled by operator:admin")
    with pytest.raises(Conflict, match="was ended meanwhile"):
        origin.write(jobs.finish, job_id, "17", {}, 4.0)
    with pytest.raises(Conflict, match="has ended already: FAILED"):
        origin.act(jobs.cancel, str(job_id), 5.0)
    assert not origin.read(jobs.are_open)


def test_a_failure_is_kept_as_a_problem(origin: TestOrigin) -> None:
    job_id = create(origin)
    fault = {"field": "target", "expected": "x", "got": "y", "hint": ""}
    origin.write(jobs.fail, job_id, content_of(400, "target: expected x, got y") | {"errors": [fault]}, 3.0)
    error = show(origin, job_id).error
    assert (error.status, error.title, error.errors) == (400, "Bad Request", [fault])


def test_a_job_that_nobody_does_any_more_has_failed(origin: TestOrigin) -> None:
    waiting_first = create(origin)
    take(origin, now_s=10.0)
    waits = create(origin)
    assert origin.write(jobs.fail_lost, 10.0 + LOST_S) == []
    assert origin.write(jobs.fail_lost, 10.1 + LOST_S) == [waiting_first]
    assert "the server ended" in show(origin, waiting_first).error.detail
    assert show(origin, waits).state == JobState.RUNNING
    assert take(origin, now_s=50.0).id == waits


def test_old_ones_are_forgotten_and_few_may_wait(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEPT", 2)
    monkeypatch.setattr(jobs, "MAX_WAITING", 4)
    ids = [create(origin) for _ in range(4)]
    with pytest.raises(Conflict, match="4 wait for their turn already"):
        create(origin)
    for job_id in ids:
        origin.act(jobs.cancel, str(job_id), 2.0)
    origin.write(jobs.fail_lost, 3.0)
    assert [job.id for job in origin.read(jobs.list_jobs, Window()).items] == ids[:1:-1]


@pytest.mark.parametrize("job_id", ["", "x", "-1", "7", "9" * 30, "\u0661"])
def test_what_is_no_job(origin: TestOrigin, job_id: str) -> None:
    with pytest.raises(NotFound, match="expected the id of a job"):
        origin.read(jobs.show, job_id)
