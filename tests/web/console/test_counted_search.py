"""How many computers a search finds is remembered for some seconds, until people do something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.origin.operators import operators

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

MANY = 60  # more than a page


async def test_a_number_counts_until_people_do_something(
    browser: Browser, origin: TestOrigin, clock: list[float]
) -> None:
    for number in range(MANY):
        origin.prolog(f"pc-{number}")
    await browser.sign_in()
    assert "60 computers" in await browser.text("/computers?filter=device_id+~+pc-*")
    origin.prolog("pc-one-more")
    assert "60 computers" in await browser.text("/computers?filter=device_id+~+pc-*")
    assert "61 computers" in await browser.text("/computers"), "of another search"
    origin.act(operators.create, "bob", "secret", 0.0)
    assert "61 computers" in await browser.text("/computers?filter=device_id+~+pc-*"), "after an act"
    origin.prolog("pc-last")
    clock[0] += 11.0
    assert "62 computers" in await browser.text("/computers?filter=device_id+~+pc-*"), "after a while"


async def test_what_is_on_one_page_is_counted_there(browser: Browser, origin: TestOrigin) -> None:
    origin.prolog("pc-1")
    await browser.sign_in()
    assert "1 computer" in await browser.text("/computers")
    origin.prolog("pc-2")
    assert "2 computers" in await browser.text("/computers")
