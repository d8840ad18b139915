"""The console as an application: protection, errors, compression."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from distd.origin.operators import operators
from distd.web.console.protection import FIELDS

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


@pytest.mark.parametrize("path", ["/login", "/packages", "/nothing", "/static/x"])
async def test_every_answer_is_protected(browser: Browser, path: str) -> None:
    answer = await browser.get(path)
    for name, value in FIELDS.items():
        assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"


async def test_what_is_not_there_is_a_page(browser: Browser) -> None:
    await browser.sign_in()
    answer = await browser.get("/nothing", **{"Accept-Language": "fr"})
    assert answer.status_code == 404
    page = await answer.get_data(as_text=True)
    assert "Il n&#39;y a rien ici" in page
    assert "<nav" in page


async def test_bad_input_is_a_page_that_says_what_is_wrong(browser: Browser) -> None:
    await browser.sign_in()
    answer = await browser.get("/packages?cursor=<script>")
    assert answer.status_code == 400
    page = await answer.get_data(as_text=True)
    assert "Expected: what `next` of the page before said." in page
    assert "<script>alert" not in page
    assert "This is: &lt;script&gt;." in page


async def test_pages_are_compressed(browser: Browser) -> None:
    await browser.sign_in()
    answer = await browser.get("/components", **{"Accept-Encoding": "gzip, br"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"</html>" in gzip.decompress(await answer.get_data())


async def test_htmx_is_led_to_the_sign_in(browser: Browser) -> None:
    answer = await browser.get("/packages", **{"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/login"


async def test_what_is_not_there_is_said_to_everybody_at_once(browser: Browser) -> None:
    assert (await browser.get("/nothing")).status_code == 404


async def test_the_navigation_leads_where_one_may_go(browser: Browser, origin: TestOrigin) -> None:
    await browser.sign_in()
    assert 'href="/rollouts"' in await browser.page("/groups")
    origin.act(operators.change, "ada", 0.0, filter_="windows")
    assert 'href="/rollouts"' not in await browser.page("/groups")
