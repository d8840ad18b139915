"""The list of computers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from distd.domain.permissions import Role
from distd.domain.records import InventoryRequest
from distd.origin.operators import operators
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


@pytest.fixture
def computers(origin: TestOrigin) -> TestOrigin:
    for device_id, name, memory in (("a-1", "Paris <1>", 8192), ("b-2", "Lyon", 4096)):
        hardware = {"NAME": name, "OSNAME": "Debian", "MEMORY": str(memory)}
        origin.prolog(device_id)
        origin.post(InventoryRequest(device_id, hardware, {"TAG": f"tag of {name}"}, (), frozenset()))
    return origin


async def page_of(browser: Browser, path: str, status: int = 200) -> str:
    answer = await browser.get(path)
    assert answer.status_code == status
    text: str = await answer.get_data(as_text=True)
    return text


async def test_an_empty_list_says_how_the_first_agent_comes(browser: Browser) -> None:
    await browser.sign_in()
    assert "ocsinventory-agent --server=" in await page_of(browser, "/computers")
    assert "No computer fits this filter." in await page_of(browser, "/computers?filter=x")


async def test_a_filter_an_order_and_columns(browser: Browser, computers: TestOrigin) -> None:
    await browser.sign_in()
    page = await page_of(browser, "/computers?sort=-memory&columns=name,memory,account.TAG")
    assert page.index("Paris &lt;1&gt;") < page.index(">Lyon<")
    assert "tag of Lyon" in page
    assert re.search(r"8\.6\sGB", page.replace("\u00a0", " "))
    page = await page_of(browser, f"/computers?filter={quote('memory < 5GiB')}")
    assert "Lyon" in page
    assert "Paris" not in page
    assert 'value="memory &lt; 5GiB"' in page


async def test_a_computer_without_a_name_can_be_opened(browser: Browser, origin: TestOrigin) -> None:
    origin.prolog("x/y")
    await browser.sign_in()
    assert 'href="/computers/x%2Fy"' in await page_of(browser, "/computers?columns=tag")
    assert 'href="/computers/x%2Fy"' in await page_of(browser, "/computers")


async def test_pages(browser: Browser, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        origin.prolog(f"pc{number}")
    monkeypatch.setattr("distd.web.console.computers.PAGE_SIZE", 2)
    await browser.sign_in()
    page = await page_of(browser, "/computers")
    assert "pc2" not in page
    (following,) = re.findall(r'<a href="([^"]*)" rel="next">', page)
    page = await page_of(browser, following.replace("&amp;", "&"))
    assert "pc2" in page
    assert 'rel="first"' in page


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("filter=memory+%3E%3D+very", "memory &gt;= <mark>very</mark>"),
        ("filter=memry+%3D+1", "<mark>memry</mark>"),
        ("filter=%40nobody", "the name of a saved filter"),
        ("sort=nothing", "Expected: a field"),
        ("columns=nothing", "Expected: a field"),
        ("cursor=x", "Expected:"),
        ("filter=os+~+%3D&lang=fr", "Attendu\xa0: une valeur. Reçu\xa0: =."),
        ("filter=windows+and&lang=fr", "un champ ou un mot"),
    ],
)
async def test_what_is_wrong_is_shown_where_it_is(browser: Browser, query: str, told: str) -> None:
    await browser.sign_in()
    assert told in await page_of(browser, f"/computers?{query}", 400)


async def test_completion(browser: Browser, computers: TestOrigin) -> None:
    await browser.sign_in()
    page = await page_of(browser, "/search/completion?filter=mem+%3E+1&at=3")
    assert 'data-before="memory " data-after="&gt; 1"' in page
    page = await page_of(browser, "/search/completion?filter=tag+%3D+%22tag+of+L")
    assert "&#34;tag of Lyon&#34;" in page
    for at in ("x", "-1", "99999999", "²"):
        await page_of(browser, f"/search/completion?filter=me&at={quote(at)}")


async def test_exports_have_the_columns_of_the_list(browser: Browser, computers: TestOrigin) -> None:
    await browser.sign_in()
    lines = (await page_of(browser, "/search/export.csv?columns=name,memory&sort=-name")).splitlines()
    assert [line.split(",")[0] for line in lines] == ["\ufeffdevice_id", "a-1", "b-2"] or lines[1].startswith("a-1")
    found = json.loads(await page_of(browser, "/search/export.json?filter=lyon&columns=name"))
    assert found["items"] == [{"device_id": "b-2", "name": "Lyon"}]
    await page_of(browser, "/search/export.xls", 404)


async def test_saved_filters(browser: Browser, computers: TestOrigin) -> None:
    await browser.sign_in()
    answer = await browser.post("/search/filters", {"filter": "lyon", "name": "Rhône 1", "shared": "yes"})
    assert answer.status_code == 303
    page = await page_of(browser, answer.headers["Location"])
    assert "Lyon" in page
    assert "Paris" not in page
    assert "Rhône 1" in page
    answer = await browser.post("/search/filters", {"filter": "lyon", "name": "@x"})
    assert answer.status_code == 409
    assert "no @ before it" in await answer.get_data(as_text=True)
    assert (await browser.post("/search/filters/delete", {"name": "Rhône 1"})).status_code == 303
    assert "Rhône 1" not in await page_of(browser, "/computers")


async def test_who_may_only_look_is_offered_nothing_else(browser: Browser, computers: TestOrigin) -> None:
    computers.write(operators.change, ADMIN, "ada", 0.0, role=Role.VIEWER)
    await browser.sign_in()
    page = await page_of(browser, "/computers?filter=lyon")
    assert "Lyon" in page
    for word in ('checkbox" name="computer', "/computer-deletions", "Save this search"):
        assert word not in page
    for path in ("/assign", "/computer-values", "/computer-deletions", "/search/filters"):
        answer = await browser.post(path, {"computer": "a-1", "step": "do", "tag": "x", "filter": "x", "name": "x"})
        assert answer.status_code == 403, path
        assert "the role operator" in await answer.get_data(as_text=True)


async def test_every_page_leads_to_the_search(browser: Browser) -> None:
    await browser.sign_in()
    for path in ("/packages", "/computers", "/components"):
        assert 'action="/computers" role="search"' in await page_of(browser, path)
