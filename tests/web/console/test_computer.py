"""The pages of one computer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.parameters import Level
from distd.domain.permissions import Role
from distd.domain.records import InventoryRequest
from distd.domain.settings import settings_of
from distd.origin.computers import computers, parameters
from distd.origin.computers.parameters import Subject
from distd.origin.groups import groups
from distd.origin.groups.groups import NewComputerGroup
from distd.origin.operators import operators
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

INVENTORY = InventoryRequest(
    "pc",
    {"NAME": "Desk <1>", "OSNAME": "Debian", "MEMORY": "8192", "USERID": "ann"},
    {"TAG": "Lyon"},
    ({"DESCRIPTION": "eth0", "IPADDRESS": "10.1.0.5", "IPMASK": "255.255.0.0", "IPSUBNET": "10.1.0.0"},),
    frozenset({"9"}),
    bios={"SSN": "5CG8"},
    drives=({"TYPE": "/", "FILESYSTEM": "ext4", "TOTAL": "1000", "FREE": "10"},),
    software=tuple({"NAME": f'tool "{number}"', "VERSION": "1"} for number in range(3)),
)


@pytest.fixture
def desk(origin: TestOrigin) -> TestOrigin:
    origin.prolog()
    origin.post(INVENTORY)
    return origin


async def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    text: str = await answer.get_data(as_text=True)
    return text


async def test_what_is_known_of_it(browser: Browser, desk: TestOrigin) -> None:
    await browser.sign_in()
    page = await text_of(await browser.get("/computers/pc"))
    for text in (
        "Desk &lt;1&gt;",
        "8.6\u00a0GB",
        "ann",
        "5CG8",
        "10.1.0.5",
        "ext4",
        "TAG",
        "No package is assigned to it.",
    ):
        assert text in page
    assert "1 in the agent&#39;s history" in page
    await text_of(await browser.get("/computers/nobody"), 404)


async def test_packages_that_have_ended_need_no_words(browser: Browser, desk: TestOrigin) -> None:
    desk.package("17")
    desk.assign("17")
    desk.prolog()
    desk.report("17", "SUCCESS")
    await browser.sign_in()
    assert "No package is assigned to it." not in await text_of(await browser.get("/computers/pc"))


async def test_its_packages_and_why_they_are_where_they_are(browser: Browser, desk: TestOrigin) -> None:
    for package_id in ("17", "18"):
        desk.package(package_id)
        desk.assign(package_id)
    desk.prolog()
    desk.fetch("17")
    desk.report("18", "ERR_OUT_OF_SPACE")
    await browser.sign_in()
    page = await text_of(await browser.get("/computers/pc"))
    for text in ("DOWNLOADING", "1 of 3", "this server", "ERR_OUT_OF_SPACE", "/packages/18/acts/renotify?computer=pc"):
        assert text in page
    assert "<b>package 18:</b>" in page
    french = await text_of(await browser.get("/computers/pc", **{"Accept-Language": "fr"}))
    assert "disque" in french
    assert "TÉLÉCHARGE" in french


async def test_its_groups(browser: Browser, desk: TestOrigin) -> None:
    desk.act(groups.create, NewComputerGroup("Room *4", computers=["pc"]), desk.now_s)
    await browser.sign_in()
    page = await text_of(await browser.get("/computers/pc"))
    assert ">Room *4</a>" in page
    assert "Desk" in await text_of(await browser.get("/computers?filter=group%28%22Room+%5C%5C*4%22%29"))


async def test_software_is_searched_page_by_page(
    browser: Browser, desk: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distd.web.console.computer.SOFTWARE_PAGE", 2)
    await browser.sign_in()
    page = await text_of(await browser.get("/computers/pc/software"))
    assert "tool &#34;1&#34;" in page
    assert "tool &#34;2&#34;" not in page
    assert 'rel="next"' in page
    page = await text_of(await browser.get("/computers/pc/software?name=2"))
    assert "tool &#34;2&#34;" in page
    assert "/computers?filter=software%28%22tool+%5C%222%5C%22%22%29" in page
    assert "No software has such a name." in await text_of(await browser.get("/computers/pc/software?name=zz"))


async def test_the_filter_of_its_software_finds_it(browser: Browser, desk: TestOrigin) -> None:
    await browser.sign_in()
    path = "/computers?filter=software%28%22tool+%5C%222%5C%22%22%29"
    assert "Desk" in await text_of(await browser.get(path))


async def test_its_own_settings(browser: Browser, desk: TestOrigin) -> None:
    await browser.sign_in()
    form = {"download.frag_latency_s": "25", "download.on": "false"}
    assert (await browser.post("/computers/pc/parameters", form)).status_code == 303
    page = await text_of(await browser.get("/computers/pc"))
    assert '25\u00a0s<span class="from">this computer</span>' in page
    settings = settings_of(desk.values)
    found = desk.read(parameters.show, ADMIN, settings, Subject(Level.COMPUTER, "pc"))
    assert (found["download.on"].value, found["download.on"].origin) == (False, "computer")
    page = await text_of(await browser.post("/computers/pc/parameters", {"download.frag_latency_s": "much"}), 400)
    assert 'id="download-frag_latency_s-fault"' in page
    assert 'value="much"' in page
    await browser.post("/computers/pc/parameters", {})
    found = desk.read(parameters.show, ADMIN, settings, Subject(Level.COMPUTER, "pc"))
    assert {each.origin for each in found.values()} == {"settings"}


async def test_values(browser: Browser, desk: TestOrigin) -> None:
    await browser.sign_in()
    assert (await browser.post("/computers/pc/values", {"key": "ROOM", "value": "4"})).status_code == 303
    assert (await browser.post("/computers/pc/values", {"networks": "10.1.0.0/16"})).status_code == 303
    found = desk.read(computers.show, "pc")
    assert (found.accounts["ROOM"], found.computer.networks) == ("4", ["10.1.0.0/16"])
    wrong = await text_of(await browser.post("/computers/pc/values", {"networks": "nowhere"}), 400)
    assert 'id="networks-fault"' in wrong
    assert (await browser.post("/computers/nobody/values", {"key": "a", "value": "b"})).status_code == 404


async def test_a_changed_identity_is_noted(browser: Browser, desk: TestOrigin) -> None:
    desk.post(InventoryRequest("pc", {"NAME": "PC"}, {}, (), None, bios={"SSN": "ANOTHER1"}))
    await browser.sign_in()
    assert "Is it still the same computer?" in await text_of(await browser.get("/computers/pc"))
    assert (await browser.post("/computers/pc/values", {"known": "yes"})).status_code == 303
    assert "Is it still the same computer?" not in await text_of(await browser.get("/computers/pc"))


async def test_the_inventory_as_it_was_sent_is_text(browser: Browser, desk: TestOrigin) -> None:
    await browser.sign_in()
    answer = await browser.get("/computers/pc/inventory.xml")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert "<REQUEST>" in await text_of(answer)


async def test_a_device_id_may_have_a_slash(browser: Browser, origin: TestOrigin) -> None:
    origin.prolog("a/b")
    await browser.sign_in()
    assert "a/b" in await text_of(await browser.get("/computers/a%2Fb"))
    assert "No software is known." in await text_of(await browser.get("/computers/a%2Fb/software"))


async def test_who_may_only_look_changes_nothing(browser: Browser, desk: TestOrigin) -> None:
    desk.write(operators.change, ADMIN, "ada", 0.0, role=Role.VIEWER)
    await browser.sign_in()
    page = await text_of(await browser.get("/computers/pc"))
    for word in ("Add a package", "Its own settings", "Set a value", "/computer-deletions"):
        assert word not in page
    for path in ("/computers/pc/values", "/computers/pc/parameters"):
        assert (await browser.post(path, {"key": "a", "value": "b"})).status_code == 403
