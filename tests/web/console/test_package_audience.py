"""For whom a new package is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from distd.domain.cut_preview import Course, Cut
from distd.domain.settings import settings_of
from distd.origin.groups import groups
from distd.origin.groups.groups import NewComputerGroup
from distd.web.console.package_audience import audience_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

FORM = {"name": "x", "os": "WINDOWS", "action": "EXECUTE", "command": "x", "priority": "5"}


def test_limits_of_networks_and_of_each_connection_do_not_count() -> None:
    rules = "2MB/s mon-fri 8-18; 64kB/s each; 1kB/s 10.0.0.0/8"
    found = audience_of((10, True), Course((), 60.0), Cut(10, 10, 1), settings_of({"bandwidth.rules": rules}))
    assert found.limit_bytes_per_s == 2_000_000.0
    assert audience_of((10, True), Course((), 60.0), Cut(10, 10, 1), settings_of({})).limit_bytes_per_s is None


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("*", "3 computers, from the activation on"),
        ('group("Class A")', "1 computer, from the activation on"),
        ("x = (", "0 computers, from the activation on"),
        ('@"gone"', "0 computers, from the activation on"),
    ],
)
async def test_the_duration_for_those_that_are_chosen(browser: Browser, origin: TestOrigin, to: str, told: str) -> None:
    for name in ("a", "b", "c"):
        origin.prolog(name)
    origin.act(groups.create, NewComputerGroup("Class A", "", "device_id = a"), origin.now_s)
    await browser.sign_in()
    page = await browser.text(f"/packages/new/fragments?{urlencode(FORM | {'to': to})}")
    assert told in page
    assert ("95% of them" in page) == ("0 computers" not in told)
    part = await browser.text(
        f"/packages/new/fragments?{urlencode(FORM | {'to': to, 'total': '0'})}", **{"HX-Request": "true"}
    )
    assert told in part
    assert "from the activation on" not in await browser.text(f"/packages/new/fragments?{urlencode(FORM)}")
