"""The page of recurring deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.origin.deployments import recurrences
from distd.origin.deployments.recurrences import NewRecurrence
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

PATH = "/recurrences"


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    origin.package("17")
    return origin


async def test_from_a_new_one_to_its_end(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    assert "Nothing comes again." in await browser.text(PATH)
    form = {"package": "17", "every_days": "7", "to": "tag", "who": "site*", "first_at": "2h"}
    assert (await browser.post(PATH, form)).status_code == 303
    text = await browser.text(PATH)
    assert "every 7 days" in text
    assert "TAG site*" in text
    text = await browser.text(f"{PATH}/1")
    assert "Now " in text
    change = {"every_days": "14", "to": "filter", "who": "windows", "first_at": ""}
    assert (await browser.post(f"{PATH}/1", change)).status_code == 303
    text = await browser.text(PATH)
    assert "every 14 days" in text
    assert "search windows" in text
    refused = await browser.post(f"{PATH}/1", change | {"who": "memory >", "every_days": "3"})
    assert refused.status_code == 400
    assert 'value="3"' in await refused.get_data(as_text=True), "what was typed stays"
    assert (await browser.get(f"{PATH}/7")).status_code == 404
    assert (await browser.post(f"{PATH}/1/delete", {})).status_code == 303
    assert "Nothing comes again." in await browser.text(PATH)
    assert (await browser.post(PATH, {"package": "17", "every_days": "1", "to": ""})).status_code == 303
    assert "tous les jours" in await browser.text(PATH, **{"Accept-Language": "fr"})


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"package": ""}, "Expected: a package."),
        ({"every_days": "0"}, "This is: 0."),
        ({"every_days": "soon"}, "This is: soon."),
        ({"to": "group"}, "a search, a group or a TAG"),
        ({"to": "filter", "who": "memory >"}, "Expected"),
        ({"first_at": "once"}, "This is: once."),
    ],
)
async def test_what_is_wrong_is_said(browser: Browser, site: TestOrigin, form: dict[str, str], words: str) -> None:
    await browser.sign_in()
    answer = await browser.post(PATH, {"package": "17", "every_days": "7"} | form)
    assert answer.status_code == 400
    assert words in text_of(await answer.get_data(as_text=True))


async def test_who_may_only_look(viewer: Browser, site: TestOrigin) -> None:
    await viewer.sign_in()
    assert "Have a package come again" not in await viewer.text(PATH)
    assert (await viewer.post(PATH, {"package": "17", "every_days": "7"})).status_code == 403
    site.act(recurrences.create, NewRecurrence("17", 7), site.now_s)
    assert "Change" not in await viewer.text(PATH)
    assert (await viewer.get(f"{PATH}/1")).status_code == 403
