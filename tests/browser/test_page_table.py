"""No page is forgotten."""

from __future__ import annotations

from tests.browser.page_table import ACTS, ANSWERS, PAGES, PARTS, rules


def test_every_page_of_the_console_is_in_the_table() -> None:
    assert rules("GET") == {*PAGES, *PARTS}, "a new page needs an address in tests/browser/page_table.py"


def test_every_form_of_the_console_is_in_the_table() -> None:
    assert rules("POST") == {*ANSWERS, *ACTS}, (
        "what a new form leads to needs an address in tests/browser/page_table.py"
    )
