"""The search built by clicking: rows write the text, the text draws the rows, with and without scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.programs.chromium import NAME, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.console_site import ConsoleSite

pytestmark = pytest.mark.needs(NAME)


@pytest.fixture(scope="module")
def site_of_two(site: ConsoleSite) -> ConsoleSite:
    """With a computer for each of two systems."""
    site.windows_computer("criteria-1")
    site.windows_computer("criteria-2", "Ubuntu 24.04")
    return site


def test_rows_and_text_follow_each_other(site_of_two: ConsoleSite, chromium: Browser) -> None:
    with open_page(chromium, site_of_two.url, locale="en-GB") as page:
        site_of_two.sign_in(page)
        page.goto("/computers")
        text = page.locator("#filter-text")
        page.locator("#field-1-0").focus()
        page.locator("#field-1-0").select_option("name")
        expect(page.locator("#field-1-1")).to_be_visible()  # a row for the next criterion
        expect(page.locator("#field-1-0")).to_be_focused()
        page.locator("#value-1-0").fill("criteria")
        page.locator("#value-1-0").press("Tab")
        expect(text).to_have_value('name ~ "*criteria*"')
        expect(page).to_have_url(re.compile(r"filter=name"))
        expect(page.get_by_text("2 computers found")).to_be_visible()
        page.get_by_role("button", name="Group of criteria").click()
        page.locator("#field-1-1-0").select_option("os")
        expect(page.locator("#values-1-1-0")).to_be_attached()
        page.locator("#value-1-1-0").press_sequentially("ubu")
        expect(page.locator("#values-1-1-0 option").first).to_have_attribute("value", "Ubuntu 24.04")
        page.locator("#value-1-1-0").press("Enter")
        expect(text).to_have_value('name ~ "*criteria*" AND os ~ "*ubu*"')
        expect(page.get_by_text("1 computer found")).to_be_visible()
        page.go_back()
        expect(page.get_by_text("2 computers found")).to_be_visible()
        text.fill("criteria-1 OR NOT (os = x AND tag is empty)")
        expect(page.locator("#join-1")).to_have_value("any")
        expect(page.locator("#join-1-1")).to_have_value("not_all")
        expect(page.locator("#op-1-1-1")).to_have_value("is empty")
        text.press("Escape")  # what may follow lies over the rows
        page.get_by_role("button", name="Remove this group").click()
        expect(text).to_have_value("criteria-1")


def test_a_link_leads_past_the_rows(site_of_two: ConsoleSite, chromium: Browser) -> None:
    with open_page(chromium, site_of_two.url, locale="en-GB") as page:
        site_of_two.sign_in(page)
        page.goto("/computers?filter=criteria-1")
        skip = page.get_by_role("link", name="To the computers that are found")
        page.locator("#main").focus()
        while not skip.evaluate("link => link === document.activeElement"):
            page.keyboard.press("Tab")
            assert not page.locator(".criteria form :focus").count()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#found') !== null")


def test_without_scripts(site_of_two: ConsoleSite, chromium: Browser) -> None:
    with open_page(chromium, site_of_two.url, locale="fr-FR", java_script_enabled=False) as page:
        site_of_two.sign_in(page)
        page.goto("/computers?sort=-name")
        page.locator("#field-1-0").select_option("name")
        page.locator("#value-1-0").fill("criteria")
        page.get_by_role("button", name="Ajouter").click()
        expect(page).to_have_url(re.compile(r"/computers\?filter=name\+~\+%22%2Acriteria%2A%22&sort=-name$"))
        page.locator("#field-1-1").select_option("memory")
        page.get_by_role("button", name="Ajouter").click()
        expect(page.locator("#op-1-1")).to_have_value(">=")
        page.locator("#value-1-1").fill("beaucoup")
        page.locator("#value-1-1").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("8GiB")
        page.locator("#op-1-1").select_option("is empty")
        page.get_by_role("button", name="Rechercher").click()
        expect(page.locator("#filter-text")).to_have_value('name ~ "*criteria*" AND memory is empty')
        page.get_by_role("button", name="Enlever ce critère").first.click()
        expect(page.locator("#filter-text")).to_have_value("memory is empty")
