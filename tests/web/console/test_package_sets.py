"""The pages of sets of packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

NEW = {"name": "New computer", "package": ["17", "", "18"], "chain": "yes"}


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    for package_id in ("17", "18"):
        origin.package(package_id)
    for name in ("pc1", "pc2"):
        origin.prolog(name)
    return origin


async def sent(browser: Browser, path: str, status: int, form: dict[str, Any]) -> str:
    answer = await browser.post(path, form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


async def test_from_a_new_one_to_its_end(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    assert "There are no sets yet." in await browser.text("/sets")
    assert "Packages, in their order" in await browser.text("/sets/new")
    answer = await browser.post("/sets/new", NEW)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sets/New%20computer")
    page = await browser.page("/sets/New%20computer")
    assert page.count(" selected") == 2
    assert "one after the other" in await browser.text("/sets")
    await sent(browser, "/sets/New%20computer/edit", 303, {"name": "Office", "package": ["18"]})
    assert "each by itself" in await browser.text("/sets")
    await sent(browser, "/sets/Office/delete", 303, {})
    assert (await browser.get("/sets/Office")).status_code == 404


async def test_it_is_assigned_after_a_look(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    await browser.post("/sets/new", NEW)
    form = {"to": "filter", "who": 'device_id ~ "pc*"', "chain": "yes", "skip_unfit": "yes"}
    tried = await sent(browser, "/sets/New%20computer/assign", 200, form)
    assert "after package 17" in tried
    assert site.results("17") == []
    answer = await browser.post("/sets/New%20computer/assign", form | {"step": "do"})
    assert answer.status_code == 303
    assert "The set is assigned." in await browser.text(answer.headers["Location"])
    assert {each.device_id for each in site.results("18")} == {"pc1", "pc2"}


@pytest.mark.parametrize(
    ("path", "form", "status", "words"),
    [
        ("new", {"name": "x", "package": ["17", "17"]}, 400, "Expected"),
        ("new", {"name": "", "package": ["17"]}, 400, "Give it a name."),
        ("new", {"name": "x"}, 400, "Expected"),
        ("new", {"name": "New Computer", "package": ["17"]}, 409, "New Computer"),
        ("new", {"name": "x", "package": ["99"]}, 404, "99"),
        ("New%20computer/assign", {"to": "", "who": ""}, 400, "Expected: a search, a group or a TAG."),
        ("New%20computer/assign", {"to": "filter", "who": "memory >"}, 400, "Expected"),
        ("New%20computer/assign", {"to": "group", "who": "nobody"}, 404, "nobody"),
    ],
)
async def test_what_is_wrong_is_said(
    browser: Browser, site: TestOrigin, path: str, form: dict[str, Any], status: int, words: str
) -> None:
    await browser.sign_in()
    await browser.post("/sets/new", NEW)
    assert words in await sent(browser, f"/sets/{path}", status, form)


async def test_who_may_only_look(viewer: Browser, site: TestOrigin) -> None:
    await viewer.sign_in()
    assert "Create a set" not in await viewer.text("/sets")
    assert (await viewer.get("/sets/new")).status_code == 403
    await sent(viewer, "/sets/new", 403, NEW)
