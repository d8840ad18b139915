"""What is done to computers that were chosen in the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.domain.page import EVERYTHING
from distd.origin.computers import computers
from distd.origin.computers.computers import WantedComputers

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

Form = dict[str, Any]


@pytest.fixture
def two(origin: TestOrigin) -> TestOrigin:
    for device_id in ("pc1", "pc2"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
    origin.package("17")
    return origin


async def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    text: str = await answer.get_data(as_text=True)
    return text


async def test_a_package_is_assigned_after_it_was_said_to_whom(browser: Browser, two: TestOrigin) -> None:
    await browser.sign_in()
    chosen: Form = {"computer": ["pc1", "pc2"], "package": "17"}
    page = await text_of(await browser.post("/assign", {"computer": ["pc1", "pc2"]}))
    assert "package 17" in page
    assert "Deploy to" not in page
    page = await text_of(await browser.post("/assign", chosen))
    assert "Deploy to 2 computers" in page
    assert two.results("17") == []
    answer = await browser.post("/assign", chosen | {"step": "do"})
    assert answer.headers["Location"] == "/packages/17/deployment?said=assigned&n=2"
    assert [row.device_id for row in two.results("17")] == ["pc1", "pc2"]
    assert "No computer would get it." in await text_of(await browser.post("/assign", chosen))


async def test_all_that_a_filter_finds(browser: Browser, two: TestOrigin) -> None:
    await browser.sign_in()
    form = {"filter": "device_id = pc2", "all": "yes", "computer": "pc1", "package": "17", "step": "do"}
    assert (await browser.post("/assign", form)).status_code == 303
    (row,) = two.results("17")
    assert (row.device_id, row.origin_kind, row.origin_name) == ("pc2", "filter", "device_id = pc2")


async def test_from_one_computer_it_goes_back_there(browser: Browser, two: TestOrigin) -> None:
    await browser.sign_in()
    page = await text_of(await browser.get("/assign?computer=pc1&package=17"))
    assert "Deploy to 1 computer" in page
    answer = await browser.post("/assign", {"computer": "pc1", "package": "17", "step": "do"})
    assert answer.headers["Location"] == "/computers/pc1"


@pytest.mark.parametrize(
    ("form", "status", "told"),
    [
        ({"computer": "pc1", "package": "99"}, 400, "the id of a package"),
        ({"computer": "pc1", "package": "17", "not_before": "never"}, 400, "Expected: a time such as"),
        ({"computer": "pc1", "package": "17", "after": "17", "step": "do"}, 409, "17"),
        ({"package": "17"}, 400, "computers that are chosen in a list"),
        ({"computer": "nobody", "package": "17", "step": "do"}, 400, "the DEVICEID of a computer"),
        ({"all": "yes", "filter": "x = (", "package": "17", "step": "do"}, 400, "Expected: "),
    ],
)
async def test_what_cannot_be_is_told(browser: Browser, two: TestOrigin, form: Form, status: int, told: str) -> None:
    await browser.sign_in()
    assert told in await text_of(await browser.post("/assign", form), status)
    assert two.results("17") == []


async def test_values(browser: Browser, two: TestOrigin) -> None:
    await browser.sign_in()
    form: Form = {"computer": ["pc1", "pc2"], "tag": "Room 4", "key0": "ROOM", "value0": "4"}
    assert "Set them for 2 computers" in await text_of(await browser.post("/computer-values", form))
    answer = await browser.post("/computer-values", form | {"step": "do"})
    assert "Values of 2 computers set." in await text_of(await browser.get(answer.headers["Location"]))
    for device_id in ("pc1", "pc2"):
        found = two.read(computers.show, device_id)
        assert (found.computer.tag, found.accounts["ROOM"]) == ("Room 4", "4")
    nothing = await browser.post("/computer-values", {"computer": "pc1", "step": "do"})
    assert "a TAG, or another value" in await text_of(nothing, 400)


async def test_deletion(browser: Browser, two: TestOrigin) -> None:
    await browser.sign_in()
    form = {"computer": "pc1", "filter": "device_id = pc1"}
    assert "Delete 1 computer" in await text_of(await browser.post("/computer-deletions", form))
    assert len(two.rows(schema.computers)) == 2
    answer = await browser.post("/computer-deletions", form | {"step": "do"})
    assert "1 computer deleted." in await text_of(await browser.get(answer.headers["Location"]))
    left = two.read(computers.list_computers, WantedComputers(), EVERYTHING)
    assert [computer.device_id for computer in left.items] == ["pc2"]
