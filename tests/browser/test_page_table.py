"""No page is forgotten."""

from __future__ import annotations

from tests.browser.page_table import PAGES, PARTS, rules


def test_every_page_of_the_console_is_in_the_table() -> None:
    assert rules() == {*PAGES, *PARTS}, "a new page needs an address in tests/browser/page_table.py"
