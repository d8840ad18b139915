"""Debian's Chromium, driven by Playwright; nothing is downloaded.

It is the one without windows, which takes a third of the CPU time of the other.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from playwright.sync_api import expect, sync_playwright

from tests.programs.processes import find_program
from tests.programs.waiting import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

NAME: Final = "chromium-headless-shell"
REFUSED: Final = "Content Security Policy"
OPTIONS: Final = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")  # root has no sandbox


@contextlib.contextmanager
def open_chromium() -> Iterator[Browser]:
    """A browser without a window. Raises `SystemExit` where it is not installed."""
    program = find_program(NAME)
    if program is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium-headless-shell")
    expect.set_options(timeout=1000 * LIMIT_S)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def open_page(browser: Browser, base_url: str, **options: object) -> Iterator[Page]:
    """A page with cookies of its own, that takes any certificate. Errors of scripts, and what the page's own
    policy refuses, are an error at its end.

    `options`: of `Browser.new_context`, such as `locale`, `java_script_enabled`.
    """
    faults: list[str] = []
    context = browser.new_context(base_url=base_url, ignore_https_errors=True, reduced_motion="reduce", **options)  # type: ignore[arg-type]
    context.set_default_timeout(1000 * LIMIT_S)
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if REFUSED in said.text else None)
        yield page
    finally:
        context.close()
    assert not faults, faults
