"""How far a job is, and what has become of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from distd.origin.jobs import jobs
from distd.origin.jobs.jobs import JobKind
from distd.wire.problem import content_of
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


def begin(origin: TestOrigin, kind: JobKind = JobKind.BUILD) -> int:
    job_id: int = origin.act(jobs.create, kind, {}, 1.0, "17" if kind is JobKind.VERIFY else None)
    origin.write(jobs.take, 2.0, 10)
    return job_id


async def test_its_progress_is_asked_for_every_second(browser: Browser, origin: TestOrigin) -> None:
    await browser.sign_in()
    job_id = begin(origin)
    origin.write(partial(jobs.tell, job_id=job_id, done_bytes=3000, total_bytes=4000, now_s=3.0))
    page = await browser.page(f"/jobs/{job_id}?name=Putty")
    assert f'hx-get="/jobs/{job_id}?name=Putty" hx-trigger="every 1s"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert 'value="3000" max="4000"' in page
    assert "3 kB of 4 kB" in text_of(page).replace("\u00a0", " ")


async def test_what_is_made_is_shown(browser: Browser, origin: TestOrigin) -> None:
    await browser.sign_in()
    job_id = begin(origin)
    origin.write(jobs.finish, job_id, "17", {}, 3.0)
    answer = await browser.get(f"/jobs/{job_id}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/packages/17?job={job_id}")
    part = await browser.get(f"/jobs/{job_id}", **{"HX-Request": "true"})
    assert part.headers["HX-Redirect"] == f"/packages/17?job={job_id}"


async def test_what_has_failed_leads_back_to_the_form(browser: Browser, origin: TestOrigin) -> None:
    await browser.sign_in()
    job_id = begin(origin)
    origin.write(jobs.fail, job_id, content_of(400, "no <room>"), 3.0)
    page = await browser.page(f"/jobs/{job_id}?name=Putty&count=4")
    assert "no <room>" in text_of(page)
    assert 'href="/packages/new/fragments?name=Putty&amp;count=4"' in page
    assert "every 1s" not in page


async def test_it_can_be_cancelled(browser: Browser, origin: TestOrigin) -> None:
    await browser.sign_in()
    job_id = begin(origin)
    assert (await browser.post(f"/jobs/{job_id}/cancel", {})).status_code == 303
    assert "it was cancelled by" in await browser.text(f"/jobs/{job_id}")
    assert (await browser.post(f"/jobs/{job_id}/cancel", {})).status_code == 409
    assert (await browser.get("/jobs/99")).status_code == 404


async def test_a_verification_says_what_is_wrong(browser: Browser, origin: TestOrigin) -> None:
    await browser.sign_in()
    good, bad = begin(origin, JobKind.VERIFY), begin(origin, JobKind.VERIFY)
    fault: dict[str, Any] = {"what": "fragment 1", "expected": "aa", "got": "bb"}
    origin.write(jobs.finish, good, "17", {"faults": []}, 3.0)
    origin.write(jobs.finish, bad, "17", {"faults": [fault]}, 3.0)
    assert "All files are as their digests say." in await browser.text(f"/jobs/{good}")
    text = await browser.text(f"/jobs/{bad}")
    assert "1 file is not as it should be." in text
    assert "fragment 1 aa bb" in text


async def test_a_viewer_cancels_nothing(viewer: Browser, origin: TestOrigin) -> None:
    await viewer.sign_in()
    job_id = begin(origin)
    assert "Cancel it" not in await viewer.text(f"/jobs/{job_id}")
    assert (await viewer.post(f"/jobs/{job_id}/cancel", {})).status_code == 403
