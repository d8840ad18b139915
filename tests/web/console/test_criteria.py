"""The rows of the search, as their form sends and shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from distd.domain.errors import BadInput
from distd.domain.filters.parse import parse
from distd.domain.filters.rows import BLANK, MAX_ROWS, CriterionRow, Join, RowGroup, rows_of
from distd.domain.records import InventoryRequest
from distd.web.console.criteria import is_sent, read_criteria, show_group

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

ONE = {"join-1": "all", "field-1-0": "os", "op-1-0": "contains", "value-1-0": "deb"}
NESTED = ONE | {"join-1-1": "any", "field-1-1-0": "memory", "op-1-1-0": "<", "value-1-1-0": "8GiB", "field-1-2": ""}

VERSION = {"version_op": "<", "version": "2"}


@pytest.fixture
def computers(origin: TestOrigin) -> TestOrigin:
    for device_id, name, system in (("a-1", "Paris", "Debian"), ("b-2", "Lyon", "Windows 11")):
        origin.prolog(device_id)
        hardware = {"NAME": name, "OSNAME": system, "MEMORY": "4096"}
        origin.post(InventoryRequest(device_id, hardware, {"TAG": name, "ROOM": "B 12"}, (), frozenset()))
    return origin


def test_what_is_sent_is_read() -> None:
    assert is_sent(ONE)
    assert not is_sent({"filter": "x"})
    sent = read_criteria(NESTED)
    inner = RowGroup(Join.ANY, (CriterionRow("memory", "<", "8GiB"),))
    assert sent.group == RowGroup(Join.ALL, (CriterionRow("os", "contains", "deb"), inner))
    assert sent.read.tree == parse('os ~ "*deb*" and memory < 8GiB')
    assert sent.is_settled


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ({"field": "", "op": "=", "value": "x"}, ("word", "~", "x")),
        ({"field": "memory", "op": "contains", "value": "8GiB"}, ("memory", ">=", "8GiB")),
        ({"field": "tag", "op": "is empty", "value": "x"}, ("tag", "is empty", "")),
        ({"field": "software", "op": "has", "value": "x"} | VERSION, ("software", "has", "x", "<", "2")),
        ({"field": "os", "op": "=", "value": "x"} | VERSION, ("os", "=", "x")),
    ],
)
def test_a_row_is_made_to_fit_its_field(fields: dict[str, str], row: tuple[str, ...]) -> None:
    sent = read_criteria({"join-1": "all"} | {f"{name}-1-0": value for name, value in fields.items()})
    assert sent.group.parts == (CriterionRow(*row),)


def test_buttons() -> None:
    added = read_criteria(NESTED | {"act": "add 1-1"})
    assert isinstance(added.group.parts[1], RowGroup)
    assert added.group.parts[1].parts[-1] == BLANK
    assert not added.is_settled
    removed = read_criteria(NESTED | {"act": "remove 1-1-0"})
    assert removed.group == RowGroup(parts=(CriterionRow("os", "contains", "deb"),))
    assert removed.is_settled
    assert read_criteria(NESTED | {"act": "destroy 1"}).group == read_criteria(NESTED).group
    many = {f"field-1-{number}": "os" for number in range(MAX_ROWS + 1)}
    with pytest.raises(BadInput, match="rows"):
        read_criteria({"join-1": "all"} | many)


def test_a_form_has_an_empty_row_at_its_end() -> None:
    rows = rows_of(parse("a or b"))
    assert rows is not None
    shown = show_group(rows)
    assert [part.path for part in shown.parts] == ["1-0", "1-1", "1-2"]
    assert show_group(RowGroup(parts=(BLANK,))).parts == show_group(RowGroup()).parts


async def test_the_text_draws_the_rows(browser: Browser, computers: TestOrigin) -> None:
    await browser.sign_in()
    query = urlencode(
        {"filter": 'os ~ "*deb*" and (account.ROOM = "B 12" or last_contact < 30d) and package(x)=FAILED'}
    )
    page = await browser.page(f"/computers?{query}")
    assert re.search(r'<option value="contains" selected>', page)
    assert re.search(r'<option value="any" selected>', page)
    assert re.search(r'name="value-1-1-0" value="B 12"', page)
    assert '<option value="account.ROOM" selected>ROOM</option>' in page
    assert ">before</option>" in page
    assert "is in the state ERROR" in page
    page = await browser.page("/computers?filter=" + "+or+".join(f"x{number}" for number in range(MAX_ROWS + 1)))
    assert "change its text" in page


async def test_rows_write_the_text(browser: Browser, computers: TestOrigin) -> None:
    await browser.sign_in()
    answer = await browser.get(f"/computers?{urlencode(ONE | {'sort': '-name'})}")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/computers?filter=os+~+%22%2Adeb%2A%22&sort=-name"
    part = await browser.get(f"/computers?{urlencode(ONE)}", **{"HX-Request": "true"})
    assert part.headers["HX-Push-Url"] == "/computers?filter=os+~+%22%2Adeb%2A%22"
    page = await part.get_data(as_text=True)
    assert "Paris" in page
    assert "Lyon" not in page
    begun = await browser.get(f"/computers?{urlencode(ONE | {'act': 'group 1'})}", **{"HX-Request": "true"})
    assert begun.headers["HX-Push-Url"] == "false"
    wrong = await browser.page(f"/computers?{urlencode(ONE | {'field-1-1': 'memory', 'value-1-1': 'much'})}")
    assert "8GiB" in wrong
    assert "Paris" in wrong


async def test_values_are_offered(browser: Browser, computers: TestOrigin) -> None:
    await browser.sign_in()
    computers.package("17")

    async def offered(field: str, typed: str) -> list[str]:
        query = urlencode({"at": "1-0", "field-1-0": field, "value-1-0": typed})
        return re.findall(r'value="([^"]*)"', await browser.page(f"/search/values?{query}"))

    assert await offered("os", "deb") == ["Debian"]
    assert await offered("account.ROOM", "") == ["B 12"]
    assert await offered("package", "pack") == ["package 17"]
    assert await offered("os", 'x"') == []
    assert await offered("text", "x") == await offered("nothing", "x") == await offered("os", "x" * 5000) == []
