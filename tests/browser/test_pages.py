"""What holds for every page of the console: WCAG 2.2 at level AA in both themes, no scrolling sideways at any width."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.sync_api import expect

from tests.browser.page_site import fill
from tests.browser.page_table import ANSWERS, PAGES
from tests.programs.chromium import NAME, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Response

    from tests.browser.console_site import ConsoleSite

pytestmark = pytest.mark.needs(NAME)

AXE: Final = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
LEVELS: Final = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
COLOURS: Final = {"type": "rule", "values": ["color-contrast"]}  # of all rules the only ones that a theme changes
WIDTHS: Final = (360, 768, 1440)
RUN: Final = """([part, rules]) => axe.run(part, {runOnly: rules, resultTypes: ["violations"]}).then(
  (found) => found.violations.flatMap((one) => one.nodes.map((node) => [one.id, node.html, node.failureSummary])))"""
# A form of a page, with [name, value] of each input.
SEND: Final = """([path, fields]) => {
  const form = document.createElement("form");
  Object.assign(form, {method: "post", action: path});
  for (const [name, value] of new URLSearchParams(fields))
    form.append(Object.assign(document.createElement("input"), {type: "hidden", name, value}));
  document.body.append(form);
  form.submit();
}"""
TO_COME: Final = ".htmx-request, [hx-trigger=load]"  # parts that the page still asks for
TOO_WIDE: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def known(site: ConsoleSite) -> dict[str, str]:
    """What stands for {…} in the table of pages."""
    return fill(site)


@pytest.fixture(scope="module")
def page(site: ConsoleSite, chromium: Browser) -> Iterator[Page]:
    """Signed in, with axe in every page. The theme is the system's, which a test sets."""
    with open_page(chromium, site.url, locale="fr-FR") as page:
        site.sign_in(page)
        page.add_init_script(AXE)
        yield page


def violations(page: Page, rules: dict[str, Any], part: str = "html") -> list[Any]:
    """[rule, element, what is wrong] of each in a part of the page."""
    found: list[Any] = page.evaluate(RUN, [part, rules])
    return found


@pytest.mark.parametrize("rule", sorted(PAGES))
def test_a_page(rule: str, page: Page, known: dict[str, str]) -> None:
    for address in PAGES[rule]:
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        look_at(page, page.goto(address.format(**known)), address)


@pytest.mark.parametrize("rule", sorted(ANSWERS))
def test_what_a_form_leads_to(rule: str, page: Page, known: dict[str, str]) -> None:
    for address in ANSWERS[rule]:
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto("/help")
        with page.expect_navigation() as navigation:
            page.evaluate(SEND, list(address.format(**known).split("?", 1)))
        look_at(page, navigation.value, address)
        assert page.url == f"{page.evaluate('location.origin')}{urlsplit(address.format(**known)).path}", (
            "it leads elsewhere"
        )


def look_at(page: Page, answer: Response | None, address: str) -> None:
    """At both themes and all widths."""
    assert answer is not None
    assert answer.status in (200, 400, 409), address
    expect(page.locator(TO_COME)).to_have_count(0)
    assert violations(page, LEVELS) == [], address
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    # What is around it is the same on all pages.
    assert violations(page, COLOURS, "html" if address == "/" else "main") == [], address
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(TOO_WIDE) <= 0, (address, width)


def test_what_is_wrong_is_found(page: Page) -> None:
    page.goto("/components")
    page.evaluate("document.querySelector('.find input').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('.find input').removeAttribute('placeholder')")
    page.evaluate("document.querySelector('h1').style.color = 'var(--panel)'")
    page.evaluate("document.querySelector('h1').style.width = '2000px'")
    assert {found[0] for found in violations(page, LEVELS)} == {"label", "color-contrast"}
    assert page.evaluate(TOO_WIDE) > 0
