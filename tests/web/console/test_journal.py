"""The journal."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import distd
from distd.catalogue.event_log import Kind
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind, Terms
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.web.console.event_words import DETAIL_NAMES, EVENT_NAMES, event_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


async def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    text: str = await answer.get_data(as_text=True)
    return text


def test_every_kind_of_event_has_a_name() -> None:
    assert set(EVENT_NAMES) == set(Kind)
    assert len(set(EVENT_NAMES.values())) == len(EVENT_NAMES)


def test_every_field_of_an_event_has_a_name() -> None:
    sources = [path.read_text("utf-8") for path in Path(distd.__file__).parent.rglob("*.py")]
    named = {name for text in sources if "event_log" in text for name in _detail_fields(ast.parse(text))}
    assert named - {"at_s", "package_id", "computer_id"} <= set(DETAIL_NAMES)


def _detail_fields(tree: ast.AST) -> Iterator[str]:
    """Of events that this module appends, and of what is called their detail."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="append"), keywords=given):
                yield from (each.arg for each in given if each.arg)
            case ast.Call(func=ast.Attribute(attr="Note") | ast.Name(id="Note"), args=[*_, value]):
                yield from _keys(value)
            case ast.AnnAssign(target=ast.Name(id="detail"), value=ast.expr() as value):
                yield from _keys(value)
            case ast.Assign(targets=[ast.Name(id="detail")], value=value):
                yield from _keys(value)
            case ast.FunctionDef(name="_detail"):
                yield from _keys(node)


def _keys(tree: ast.AST) -> Iterator[str]:
    keys = (key for each in ast.walk(tree) if isinstance(each, ast.Dict) for key in each.keys)
    return (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


async def test_values_are_in_the_readers_words(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17")
    origin.prolog("one")
    by_filter = AssignmentOrigin(OriginKind.FILTER, "windows")
    origin.act(assignments.assign, AssignmentRequest("17", ["one"], Terms(), origin=by_filter), origin.now_s)
    await browser.sign_in()
    page = await browser.text("/events?kind=ASSIGNED&lang=fr")
    assert "par filtre" in page
    assert "nom windows" in page


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
    assert "Expected: " in await text_of(await browser.get(f"/events?{query}"), 400)
