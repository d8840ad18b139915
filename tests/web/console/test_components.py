"""The page of all components."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.web.console.conftest import Browser


async def test_it_shows_all(browser: Browser) -> None:
    await browser.sign_in()
    text = await browser.text("/components")
    for word in ("States", "Forms", "Causes", "Waves", "1,184"):
        assert word in text
