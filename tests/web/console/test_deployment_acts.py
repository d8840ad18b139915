"""Acts on a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

ACTS = "/packages/17/acts"


@pytest.fixture
def deployed(origin: TestOrigin) -> TestOrigin:
    """One success, one failure, one that is notified, one that waits."""
    origin.package("17")
    for device_id in ("done", "bad", "told", "idle"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
        origin.assign("17", device_id)
    for device_id in ("done", "bad", "told"):
        origin.prolog(device_id)
        origin.fetch("17", device_id)
    origin.report("17", "SUCCESS", "done")
    origin.report("17", "ERR_OUT_OF_SPACE", "bad")
    return origin


async def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    text: str = await answer.get_data(as_text=True)
    return text


def states(origin: TestOrigin) -> dict[str, str]:
    return {row.device_id: row.state for row in origin.results("17")}


@pytest.mark.parametrize(
    ("act", "query", "form", "touched", "after"),
    [
        ("archive", "state=SUCCESS", {"state": "SUCCESS"}, ["done"], {"done": "ARCHIVED"}),
        (
            "archive",
            "state=SUCCESS&state=FAILED",
            {"state": ["SUCCESS", "FAILED"]},
            ["bad", "done"],
            {"done": "ARCHIVED", "bad": "ARCHIVED"},
        ),
        ("renotify", "state=FAILED", {"state": "FAILED"}, ["bad"], {"bad": "WAITING"}),
        ("renotify", "code=ERR_OUT_OF_SPACE", {"code": "ERR_OUT_OF_SPACE"}, ["bad"], {"bad": "WAITING"}),
    ],
)
async def test_it_is_said_first_whom_it_touches(
    browser: Browser, deployed: TestOrigin, act: str, query: str, form: Any, touched: list[str], after: dict[str, str]
) -> None:
    await browser.sign_in()
    before = states(deployed)
    page = await text_of(await browser.get(f"{ACTS}/{act}?{query}"))
    for device_id in before:
        assert (f'href="/computers/{device_id}"' in page) == (device_id in touched)
    assert states(deployed) == before
    answer = await browser.post(f"{ACTS}/{act}", form)
    assert answer.headers["Location"] == f"/packages/17/deployment?said={act}&n={len(touched)}"
    assert states(deployed) == before | after
    assert 'role="status"' in await text_of(await browser.get(answer.headers["Location"]))


async def test_unassign_not_notified(browser: Browser, deployed: TestOrigin) -> None:
    await browser.sign_in()
    assert 'href="/computers/idle"' in await text_of(await browser.get(f"{ACTS}/unassign?state=WAITING"))
    await browser.post(f"{ACTS}/unassign", {"state": "WAITING"})
    assert "idle" not in states(deployed)
    assert "told" in states(deployed)


async def test_of_one_computer(browser: Browser, deployed: TestOrigin) -> None:
    await browser.sign_in()
    page = await text_of(await browser.get(f"{ACTS}/archive?computer=bad"))
    assert "1 computer" in page
    answer = await browser.post(f"{ACTS}/archive", {"computer": "bad"})
    assert answer.headers["Location"] == "/computers/bad"
    assert states(deployed)["bad"] == "ARCHIVED"
    assert states(deployed)["done"] == "SUCCESS"


async def test_cancel(browser: Browser, deployed: TestOrigin) -> None:
    await browser.sign_in()
    page = await text_of(await browser.get(f"{ACTS}/cancel?computer=told&computer=idle"))
    assert "1 chosen computer is in no state that this is for." in page
    await browser.post(f"{ACTS}/cancel", {"computer": ["told", "idle"]})
    cancelled = [row.device_id for row in deployed.results("17") if row.cancelled]
    assert cancelled == ["told"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{ACTS}/explode", 404),
        ("/packages/99/acts/archive", 404),
        (f"{ACTS}/archive?state=WAITING", 400),
        (f"{ACTS}/archive?computer=nobody", 404),
    ],
)
async def test_what_cannot_be(browser: Browser, deployed: TestOrigin, path: str, status: int) -> None:
    await browser.sign_in()
    await text_of(await browser.get(path), status)


async def test_of_a_package_that_is_not_active(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17", active=False)
    await browser.sign_in()
    assert "is not active" in await text_of(await browser.get(f"{ACTS}/renotify?state=FAILED"), 409)
