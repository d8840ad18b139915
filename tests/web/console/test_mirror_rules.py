"""The page of the rules of redistribution."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from werkzeug.datastructures import MultiDict

from distd.domain.permissions import Role
from distd.origin.mirrors import rules
from distd.origin.operators import operators
from distd.web.console.mirror_rules import changed
from tests.web.console.conftest import text_of
from tests.web.console.test_mirrors import join

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

SUBNET, TAG = "IPSUBNET EQUALS IPSUBNET", "NAME LIKE TAG"
BOTH: dict[str, str | list[str]] = {
    "seen": [SUBNET, TAG],
    "field": ["IPSUBNET", "NAME"],
    "op": ["EQUALS", "LIKE"],
    "compared": ["IPSUBNET", "TAG"],
}


@pytest.mark.parametrize(
    ("button", "after", "moved"),
    [
        ({"save": "1"}, ["a", "b", "c"], 0),
        ({"up": "2"}, ["b", "a", "c"], 1),
        ({"down": "2"}, ["a", "c", "b"], 3),
        ({"up": "1"}, ["a", "b", "c"], 0),
        ({"down": "3"}, ["a", "b", "c"], 0),
        ({"remove": "1"}, ["b", "c"], 0),
        ({"remove": "x"}, ["a", "b", "c"], 0),
        (
            {"add": "1", "new_field": "TAG", "new_op": "EQUALS", "new_compared": "NAME"},
            ["a", "b", "c", "TAG EQUALS NAME"],
            0,
        ),
    ],
)
def test_what_a_button_does(button: dict[str, str], after: list[str], moved: int) -> None:
    assert changed(["a", "b", "c"], MultiDict(button)) == (after, moved)


async def test_they_are_changed_in_one_form(administrator: Browser, origin: TestOrigin) -> None:
    await administrator.sign_in()
    assert "There are no rules." in await administrator.text("/mirror-rules")
    new = {"add": "1", "new_field": "IPSUBNET", "new_op": "EQUALS", "new_compared": "IPSUBNET"}
    assert (await administrator.post("/mirror-rules", new)).status_code == 303
    origin.act(rules.set_rules, [SUBNET, TAG], origin.now_s)
    page = await administrator.page("/mirror-rules")
    assert page.count('name="field"') == 2
    answer = await administrator.post("/mirror-rules", BOTH | {"down": "1"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/mirror-rules?moved=2")
    assert [str(rule) for rule in origin.read(rules.list_rules)] == [TAG, SUBNET]
    assert 'value="2" aria-label="Rule 2 up" autofocus' in await administrator.page("/mirror-rules?moved=2")
    late = await administrator.post("/mirror-rules", BOTH | {"save": "1"})
    assert late.status_code == 409
    assert "somebody else has changed the rules meanwhile" in text_of(await late.get_data(as_text=True))
    wrong = await administrator.post(
        "/mirror-rules", {"seen": [TAG, SUBNET], "field": ["X"], "op": ["LIKE"], "compared": ["TAG"]}
    )
    assert wrong.status_code == 400


async def test_which_server_a_computer_would_get(browser: Browser, origin: TestOrigin) -> None:
    origin.now_s = time.time()
    origin.package("17")
    for name in ("pc1", "pc10"):
        origin.prolog(name)
    join(origin, "paris", origin.now_s)
    await browser.sign_in()
    text = await browser.text("/mirror-rules?computer=pc1&package=17")
    assert "this server first where no redistribution server can serve it" in text
    assert "paris : has not verified version 1 of 17 yet" in text
    assert "pc1 pc10" in await browser.text("/mirror-rules?computer=pc&package=17")
    assert "Expected: the DEVICEID of a computer." in await browser.text("/mirror-rules?computer=x&package=17")
    french = await browser.text("/mirror-rules?computer=pc1&package=17", **{"Accept-Language": "fr"})
    assert "paris : n'a pas encore vérifié la version 1 de 17" in french


async def test_who_sees_only_some_computers(browser: Browser, origin: TestOrigin) -> None:
    origin.now_s = time.time()
    origin.package("17")
    origin.prolog("pc1")
    origin.act(operators.change, "ada", 0.0, role=Role.VIEWER, filter_='tag = "elsewhere"')
    await browser.sign_in()
    assert "Expected: the DEVICEID of a computer." in await browser.text("/mirror-rules?computer=pc1&package=17")
    page = await browser.page("/mirror-rules")
    assert "<select name" not in page
    assert (await browser.post("/mirror-rules", BOTH)).status_code == 403
