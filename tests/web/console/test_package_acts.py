"""What becomes of a package, and whom it touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.page import EVERYTHING
from distd.domain.records import OperatingSystem
from distd.origin.jobs import jobs
from distd.origin.packages import overview, packages
from distd.storage import package_dirs
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


@pytest.fixture
def package(publish: Any, pc: TestOrigin) -> Any:
    """Active, and assigned to "pc", which waits for its notification."""
    made = publish(name="Putty")
    pc.act(packages.activate, made.id, None, None, pc.now_s)
    pc.assign(made.id)
    return made


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        ("edit", "1 computer that waits for its notification gets it as changed."),
        ("supersede", "1 computer that waits for its notification gets the new one"),
        ("deactivate", "1 computer that waits for its notification is not told."),
        ("withdraw", "1 assignment that was not notified is taken back."),
        ("delete", "1 computer still needs it"),
        ("verify", "Nobody. It takes as long as reading"),
    ],
)
async def test_each_act_says_first_whom_it_touches(browser: Browser, package: Any, act: str, sentence: str) -> None:
    await browser.sign_in()
    text = await browser.text(f"/packages/{package.id}/{act}")
    assert sentence in text
    assert ("pc" in text.lower().split()) is (act != "verify")


async def test_nobody_is_touched_by_what_nobody_has(browser: Browser, publish: Any) -> None:
    made = publish()
    await browser.sign_in()
    for act in ("edit", "withdraw"):
        assert "Nobody: no computer waits for it" in await browser.text(f"/packages/{made.id}/{act}")
    assert "No computer waits for it" in await browser.text(f"/packages/{made.id}/delete")


async def test_deactivate_withdraw_and_delete(browser: Browser, package: Any, origin: TestOrigin) -> None:
    await browser.sign_in()
    for act, state in (("deactivate", "INACTIVE"), ("withdraw", "WITHDRAWN"), ("delete", "DELETED")):
        answer = await browser.post(f"/packages/{package.id}/{act}", {})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/packages/{package.id}")
        assert origin.read(overview.show, package.id).state == state


async def test_what_cannot_be_now_is_said(browser: Browser, package: Any, origin: TestOrigin) -> None:
    await browser.sign_in()
    answer = await browser.post(f"/packages/{package.id}/delete", {})
    assert answer.status_code == 409
    assert "without a result yet" in text_of(await answer.get_data(as_text=True))
    assert origin.read(overview.show, package.id).state == "ACTIVE"


async def test_verify_is_a_job(browser: Browser, package: Any, origin: TestOrigin) -> None:
    await browser.sign_in()
    answer = await browser.post(f"/packages/{package.id}/verify", {})
    (job,) = origin.read(jobs.list_jobs, EVERYTHING).items
    assert answer.headers["Location"] == f"/jobs/{job.id}"
    assert (job.kind, job.package) == ("VERIFY", package.id)


async def test_edit(browser: Browser, publish: Any, origin: TestOrigin, data: Any) -> None:
    made = publish(os=OperatingSystem.WINDOWS, target="C:\\x", name="Putty")
    await browser.sign_in()
    form = {"version": "1", "name": "Putty 2", "description": "new\r\ntext", "priority": "3", "target": "C:\\y"}
    form |= {"notify_text": "Save", "notify_countdown_s": "20", "notify_can_delay": "1"}
    assert (await browser.post(f"/packages/{made.id}/edit", form)).status_code == 303
    found = origin.read(overview.show, made.id)
    assert (found.name, found.description, found.priority, found.target) == ("Putty 2", "new\ntext", 3, "C:\\y")
    notify = package_dirs.read_info(data, made.id).notify
    assert (notify.text, notify.countdown_s, notify.can_delay, notify.can_abort) == ("Save", 20, True, False)
    page = await browser.page(f"/packages/{made.id}/edit")
    assert 'name="notify_can_delay" value="1" checked' in page
    assert 'value="Save"' in page


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"name": " "}, 400, "name"),
        ({"target": "relative"}, 400, "target"),
        ({"priority": "x"}, 400, "priority"),
        ({"notify_can_abort": "1"}, 400, "notify_text"),
        ({"version": "7"}, 409, ""),
        ({}, 400, ""),
    ],
)
async def test_an_edit_that_cannot_be(
    browser: Browser, publish: Any, change: dict[str, str], status: int, field: str
) -> None:
    made = publish(os=OperatingSystem.WINDOWS, target="C:\\x", name="Putty")
    await browser.sign_in()
    form = {"version": "1", "name": "Putty", "description": "", "priority": "5", "target": "C:\\x"}
    answer = await browser.post(f"/packages/{made.id}/edit", form | change)
    assert answer.status_code == status
    page = await answer.get_data(as_text=True)
    assert (f'id="{field}-fault"' in page) is bool(field)
    assert 'role="alert"' in page


async def test_supersede(browser: Browser, package: Any, origin: TestOrigin, data: Any) -> None:
    await browser.sign_in()
    form = {"name": "Putty 2", "target": "", "with_assignments": "1"}
    answer = await browser.send(f"/packages/{package.id}/supersede", form, "putty.bin", b"MZ" * 99)
    (job,) = origin.read(jobs.list_jobs, EVERYTHING).items
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/jobs/{job.id}")
    taken = origin.write(jobs.take, 1.0, 9)
    assert taken.request == {
        "package": package.id,
        "source": {"upload": "putty.bin", "remove": True},
        "name": "Putty 2",
        "with_assignments": True,
    }


async def test_supersede_needs_a_file(browser: Browser, package: Any) -> None:
    await browser.sign_in()
    answer = await browser.post(f"/packages/{package.id}/supersede", {"name": "Putty 2"})
    assert answer.status_code == 400
    page = text_of(await answer.get_data(as_text=True))
    assert "This action needs a file." in page


async def test_who_may_only_look_changes_nothing(viewer: Browser, package: Any, origin: TestOrigin) -> None:
    await viewer.sign_in()
    for act in ("edit", "supersede", "deactivate", "withdraw", "delete", "verify"):
        path = f"/packages/{package.id}/{act}"
        assert (await viewer.get(path)).status_code == 403
        assert (await viewer.post(path, {"version": "1"})).status_code == 403
    assert origin.read(overview.show, package.id).state == "ACTIVE"
