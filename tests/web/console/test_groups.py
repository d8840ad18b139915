"""The pages of groups."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from distd.catalogue.groups_schema import group_members, group_packages, group_picks
from distd.domain.parameters import Level
from distd.origin.computers import parameters
from distd.origin.computers.parameters import Subject
from distd.origin.groups import groups
from distd.origin.groups.groups import NewComputerGroup
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    for name in ("a", "b", "c"):
        origin.prolog(name)
    return origin


def make(origin: TestOrigin, name: str = "Class A", text: str | None = "device_id = a", *device_ids: str) -> None:
    origin.act(groups.create, NewComputerGroup(name, "by the door", text, device_ids), origin.now_s)


async def sent(browser: Browser, path: str, status: int, **form: str) -> str:
    answer = await browser.post(path, form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


async def test_a_group_is_made_after_a_look_at_it(browser: Browser, site: TestOrigin) -> None:
    await browser.sign_in()
    assert "There are no groups yet." in await browser.text("/groups")
    assert 'value="os ~ windows"' in await browser.page("/groups/new?filter=os+~+windows")
    new = {"name": "Class <A>", "kind": "dynamic", "filter": 'device_id ~ "?"', "computers": ""}
    assert "3 computers would be in it." in await sent(browser, "/groups/new", 200, step="try", **new)
    assert "There are no groups yet." in await browser.text("/groups")
    answer = await browser.post("/groups/new", new | {"step": "do"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/groups/Class%20%3CA%3E")
    page = await browser.page(answer.headers["Location"])
    assert "<h1>Class &lt;A&gt;</h1>" in page
    assert "Show 3 computers" in page
    listed = await browser.text("/groups?name=class")
    assert "Class <A>" in listed
    assert "No group is called so." in await browser.text("/groups?name=x")
    static = {"name": "By hand", "kind": "static", "filter": "ignored", "computers": "a\n b \n", "step": "do"}
    await sent(browser, "/groups/new", 303, **static)
    assert "Chosen by hand." in await browser.text("/groups/By%20hand")


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"name": ""}, 400, "Give it a name."),
        ({"name": "x", "filter": "memory >"}, 400, "Expected"),
        ({"name": "x", "kind": "static", "computers": "nobody"}, 404, "Expected: the DEVICEID of a computer."),
        ({"name": "class a"}, 409, "there is a group class a already"),
    ],
)
async def test_what_no_group_can_be(
    browser: Browser, site: TestOrigin, form: dict[str, str], status: int, words: str
) -> None:
    make(site)
    await browser.sign_in()
    text = await sent(browser, "/groups/new", status, **({"filter": "windows", "step": "do"} | form))
    assert words in text


async def test_members_by_hand(browser: Browser, site: TestOrigin) -> None:
    make(site)
    await browser.sign_in()
    path = "/groups/Class%20A/members"
    tried = await sent(browser, path, 200, how="add", computers="b\nc", step="try")
    assert "2 computers would come, 0 would leave." in tried
    assert len(site.rows(group_members)) == 1
    await sent(browser, path, 303, how="add", computers="b\nc", step="do")
    await sent(browser, path, 303, how="remove", computers="a", step="do")
    text = await browser.text("/groups/Class%20A")
    assert "In it by hand: b, c" in text
    assert "Not in it by hand: a" in text
    await sent(browser, path, 303, how="reset", computers="a\nb\nc", step="do")
    assert site.rows(group_picks) == []
    assert "a DEVICEID in each line" in await sent(browser, path, 400, how="add", computers=" ", step="do")
    await sent(browser, path, 400, how="other", computers="a", step="do")


async def test_packages(browser: Browser, site: TestOrigin) -> None:
    make(site)
    site.package("17")
    await browser.sign_in()
    path = "/groups/Class%20A"
    assert "It gives no package." in await browser.text(path)
    tried = await sent(browser, f"{path}/packages", 200, package="17", step="try")
    assert "1 computer would be assigned it." in tried
    await sent(browser, f"{path}/packages", 303, package="17", step="do")
    assert "package 17" in await browser.text(path)
    assert [row.device_id for row in site.results("17")] == ["a"]
    tried = await sent(browser, f"{path}/unassign", 200, package="17", step="try")
    assert "taken back from 1 computer" in tried
    await sent(browser, f"{path}/unassign", 303, package="17", step="do")
    assert (site.results("17"), site.rows(group_packages)) == ([], [])
    await sent(browser, f"{path}/packages", 400, package="", step="do")


async def test_settings(browser: Browser, site: TestOrigin) -> None:
    make(site)
    await browser.sign_in()
    path = "/groups/Class%20A"
    form = {"download.frag_latency_s": "9"}
    tried = await sent(browser, f"{path}/parameters", 200, step="try", **form)
    assert "→ 9, 1 computer" in tried
    await sent(browser, f"{path}/parameters", 303, step="do", **form)
    assert re.search(r"<dd>9.s</dd>", await browser.page(path))
    wrong = await sent(browser, f"{path}/parameters", 400, **{"download.frag_latency_s": "soon"})
    assert "soon" in wrong


async def test_it_is_changed_and_deleted(browser: Browser, site: TestOrigin) -> None:
    make(site)
    make(site, "asking", 'group("Class A")')
    await browser.sign_in()
    path = "/groups/Class%20A"
    form = {"name": "Class A", "description": "upstairs", "filter": 'device_id ~ "[bc]" OR device_id = "b"'}
    assert "1 computer would come, 1 would leave." in await sent(browser, f"{path}/edit", 200, step="try", **form)
    assert "no group may ask for itself" in await sent(
        browser, f"{path}/edit", 409, **(form | {"filter": 'group("asking")', "step": "do"})
    )
    await sent(browser, f"{path}/edit", 303, step="do", **form)
    assert "upstairs" in await browser.text(path)
    assert "Asked for by: asking" in await browser.text(path)
    assert "is asked for by asking" in await sent(browser, f"{path}/delete", 409)
    await sent(browser, "/groups/asking/delete", 303)
    await sent(browser, f"{path}/delete", 303)
    assert (await browser.get(path)).status_code == 404


async def test_who_may_only_look(viewer: Browser, site: TestOrigin) -> None:
    make(site)
    site.act(parameters.set_values, Subject(Level.GROUP, "Class A"), {"download.on": 0}, site.now_s)
    await viewer.sign_in()
    page = await viewer.page("/groups/Class%20A")
    assert "<textarea" not in page
    assert "<button" not in page.partition("<main")[2].partition("</main>")[0]
    assert (await viewer.get("/groups/new")).status_code == 403
    assert (await viewer.post("/groups/Class%20A/delete", {})).status_code == 403
