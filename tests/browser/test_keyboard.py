"""The handout's main path by keyboard alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.keyboard import Keyboard
from tests.programs.chromium import NAME, open_page

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.browser.console_site import ConsoleSite

pytestmark = pytest.mark.needs(NAME)


def test_the_tour_by_keyboard(site: ConsoleSite, chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "putty.exe"
    file.write_bytes(b"MZ" * 1000)
    computer = site.windows_computer("keys")
    with open_page(chromium, site.url, locale="en-GB") as page:
        page.goto("/login")
        page.keyboard.type("admin")  # its first input has the focus
        keys = Keyboard(page)
        keys.type("Password", site.password)
        keys.go("Sign in")
        package_id = _create(page, keys, file)
        keys.go("Activate now")
        keys.go("Activate")
        page.keyboard.press("/")
        page.keyboard.type("name = KEYS")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        keys.press("Choose KEYS", "Space")
        page.keyboard.press("Shift+Tab")  # the bar of what is chosen is before the table
        _to_button_before(page, "Deploy a package")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        page.keyboard.type("Keys")  # in the list of packages, which has the focus
        keys.press("Deploy to 1 computer")
        page.wait_for_url("**/computers/*")
        assert computer.contact() == [package_id]
        computer.report(package_id)
        page.goto(f"/packages/{package_id}/deployment")
        keys.go("Validate all")
        keys.go("Validate results (1)")
        expect(page.get_by_role("status").first).to_contain_text("1 result validated.")


def _create(page: Page, keys: Keyboard, file: Path) -> str:
    """The id of the package."""
    keys.press("To the content")
    page.goto("/packages/new")
    keys.type("Name", "Keys")
    keys.type("System", "Windows")
    with page.expect_file_chooser() as chooser:
        keys.press("File")
    chooser.value.set_files(file)
    keys.type("Path", "C:\\softs")
    keys.go("Send")
    keys.press("Validate")
    page.wait_for_url(re.compile(r"/packages/\d+"))
    found = re.search(r"/packages/(\d+)", page.url)
    assert found is not None
    return found[1]


def _to_button_before(page: Page, name: str) -> None:
    button = page.get_by_role("button", name=name)
    for _ in range(20):
        if button.evaluate("button => button === document.activeElement"):
            return
        page.keyboard.press("Shift+Tab")
    raise AssertionError(f"Shift+Tab does not lead to {name!r}")
