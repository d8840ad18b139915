"""The page of a forecast."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from distd.origin.operators import operators
from distd.web import forecast_turns
from tests.fixtures.origin import ADMIN
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

PATH = "/packages/17/forecast"


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    origin.package("17")
    for name in ("pc1", "pc2", "lab1"):
        origin.prolog(name)
        origin.inventory(device_id=name)
    return origin


async def test_what_is_set_now_and_what_would_be_set(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    page = await browser.page(PATH)
    assert page.count('type="range"') == 6
    assert '<polygon class="band"' in page
    assert "3 computers" in text_of(page)
    slow = text_of(await browser.page(f"{PATH}?frag_latency_s=120&cycle_latency_s=120&priority=9&size=14"))
    assert slow != text_of(page)
    part = await (await browser.get(f"{PATH}?priority=3", **{"HX-Request": "true"})).get_data(as_text=True)
    assert part.lstrip().startswith('<div class="stack" id="forecast"')
    assert "no turn" not in part
    assert "Agents would never fetch it" in await browser.text(f"{PATH}?priority=9&period_length=5")


async def test_settings_for_a_goal(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    page = await browser.page(f"{PATH}?by=3d&most=4Mbit/s&solve=yes")
    assert "It is met as it is set here." in page
    (link,) = re.findall(r'<a class="btn is-main" href="([^"]*)"', page)
    shown = await browser.page(html.unescape(link))
    assert 'value="4Mbit/s"' in shown
    assert "No setting can meet this." in await browser.text(f"{PATH}?by=2h&share=95%25&solve=yes")


async def test_of_those_whom_a_roll_out_would_be_for(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    form = {
        "name": "x",
        "package": "17",
        "to": "filter",
        "who": 'device_id ~ "pc*"',
        "waves": "rest",
        "step": "forecast",
    }
    answer = await browser.post("/rollouts/new", form)
    assert answer.status_code == 303
    assert "2 computers" in await browser.text(answer.headers["Location"])
    site.write(operators.change, ADMIN, "ada", 0.0, filter_="tag = x")
    assert (await browser.get(answer.headers["Location"])).status_code == 403


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("frag_latency_s=soon", "Expected: 0 to 3600."),
        ("size=3", "Expected: 14 to 24."),
        ("line=fast", "Expected"),
        ("by=never&solve=yes", "Expected"),
        ("to=filter&who=memory+%3E", "Expected"),
        ("to=tag&who=nowhere", "computers that the server knows"),
    ],
)
async def test_what_is_wrong_is_said(browser: Browser, site: TestOrigin, query: str, words: str) -> None:
    await browser.sign_in()
    answer = await browser.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert words in text_of(await answer.get_data(as_text=True))


async def test_who_may_only_look_may_try(viewer: Browser, site: TestOrigin) -> None:
    await viewer.sign_in()
    assert "Simulate" in await viewer.text(PATH)
    assert (await viewer.get("/packages/99/forecast")).status_code == 404


async def test_few_wait_for_a_forecast_at_a_time(
    browser: Browser, site: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast_turns, "MAX_WAITING", 0)
    await browser.sign_in()
    answer = await browser.get(PATH)
    assert "others are being made" in text_of(await answer.get_data(as_text=True))
