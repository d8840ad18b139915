"""Which computers stall, on the first page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from distd.domain.permissions import Role
from distd.origin.operators import operators

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

HOUR_S = 3600.0


async def test_computers_that_were_told_and_do_not_go_on(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17")
    origin.now_s = time.time() - 30 * HOUR_S
    for device_id in ("one", "two"):
        origin.prolog(device_id)
        origin.assign("17", device_id)
        origin.prolog(device_id)
    origin.now_s = time.time() - HOUR_S
    for device_id in ("one", "two"):
        origin.prolog(device_id)
    await browser.sign_in()
    text = await browser.text("/overview/stalls")
    assert "2 to do computers stall with package 17" in text
    assert 'href="/packages/17/deployment"' in await browser.page("/overview/stalls")
    assert "ordinateurs bloqués" in await browser.text("/overview/stalls", **{"Accept-Language": "fr"})


async def test_where_all_goes_well(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17")
    origin.prolog("one")
    origin.assign("17", "one")
    await browser.sign_in()
    assert (await browser.page("/overview/stalls")).strip() == ""


async def test_not_for_who_sees_only_some_computers(browser: Browser, origin: TestOrigin) -> None:
    origin.act(operators.change, "ada", 0.0, role=Role.VIEWER, filter_="windows")
    await browser.sign_in()
    assert "/overview/stalls" not in await browser.page("/")
    assert (await browser.get("/overview/stalls")).status_code == 403
