"""The journal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.web.console.event_words import EVENT_NAMES, event_value

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


async def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    text: str = await answer.get_data(as_text=True)
    return text


def test_every_kind_of_event_has_a_name() -> None:
    assert set(EVENT_NAMES) == set(Kind)
    assert len(set(EVENT_NAMES.values())) == len(EVENT_NAMES)


def test_a_long_value_is_cut() -> None:
    assert len(event_value("text", "x" * 500)) == 120


async def test_what_happened_with_filters(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17")
    origin.prolog("pc<1>")
    origin.assign("17", "pc<1>")
    await browser.sign_in()
    page = await text_of(await browser.get("/events"))
    for text in ("Package activated", "First contact", "pc&lt;1&gt;", "operator:admin"):
        assert text in page
    rows = re.findall(r"<td><b>(.*?)</b></td>", await text_of(await browser.get("/events?kind=ASSIGNED")))
    assert rows == ["Assigned"]
    rows = re.findall(r"<td><b>(.*?)</b></td>", await text_of(await browser.get("/events?computer=pc%3C1%3E")))
    assert rows == ["Assigned", "First contact"]
    rows = re.findall(r"<td><b>(.*?)</b></td>", await text_of(await browser.get("/events?people=yes&actor=ada")))
    assert rows == []
    assert "Nothing of the kind has happened." in await text_of(await browser.get("/events?package=9"))


async def test_pages(browser: Browser, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distd.web.console.journal.PAGE_SIZE", 2)
    for number in range(3):
        origin.prolog(f"pc{number}")
    await browser.sign_in()
    page = await text_of(await browser.get("/events?kind=COMPUTER_SEEN"))
    (following,) = re.findall(r'<a href="([^"]*)" rel="next">', page)
    page = await text_of(await browser.get(following.replace("&amp;", "&")))
    assert re.findall(r'href="/computers/(\w+)"', page) == ["pc0"]


@pytest.mark.parametrize("query", ["kind=NOTHING", "since=whenever", "cursor=x"])
async def test_what_cannot_be_asked_is_told(browser: Browser, query: str) -> None:
    await browser.sign_in()
    assert "expected" in await text_of(await browser.get(f"/events?{query}"), 400)
