"""The handout's tour, in a browser: create Putty, activate it by hand, search, assign it to two computers, let their
agents run, count, validate. In French with the handout's own words; in English without scripts.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.console_site import run_agent
from tests.browser.tour_words import ENGLISH, FRENCH
from tests.interop.test_handout import WindowsAgent
from tests.programs.chromium import NAME, open_page

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.browser.console_site import ConsoleSite
    from tests.browser.tour_words import TourWords
    from tests.programs.stock_agent import StockAgent

pytestmark = [pytest.mark.needs(NAME), pytest.mark.needs("ocsinventory-agent")]

PUTTY_BYTES = 252_000
STATES = {"waiting": "WAITING FOR NOTIFICATION", "success": "SUCCESS", "archived": "ARCHIVED"}
PATH = "INSTALL_PATH/stored"  # both agents understand it


class Tour:
    """The tour of an operator whose pages are in one language. Controls are found by the words on them alone."""

    def __init__(self, page: Page, site: ConsoleSite, words: TourWords, name: str) -> None:
        self.page = page
        self.site = site
        self.words = words
        self.name = name
        self.package_id = ""

    def click(self, word: str, role: str = "button") -> None:
        """A control by its name."""
        self.page.get_by_role(role, name=self.words[word], exact=True).click()  # type: ignore[arg-type]

    def fill(self, word: str, value: str) -> None:
        self.page.get_by_label(self.words[word], exact=True).fill(value)

    def choose(self, word: str, option: str) -> None:
        self.page.get_by_label(self.words[word], exact=True).select_option(label=self.words.get(option, option))

    def menu(self, word: str) -> None:
        """A page of the navigation."""
        navigation = self.page.get_by_role("navigation", name=self.words["Main navigation"])
        navigation.get_by_role("link", name=re.compile(self.words[word])).click()

    def create(self, source: Path) -> None:
        """Two steps, and a job; it ends at the page of the package."""
        self.menu("Packages")
        self.page.get_by_role("main").get_by_role("link", name=self.words["Create a package"], exact=True).click()
        self.fill("Name", self.name)
        self.choose("System", "Windows")
        expect(self.page.get_by_label(self.words["Protocol"])).to_have_value("HTTP")
        self.choose("Priority", "5")
        self.page.get_by_label(self.words["File"], exact=True).set_input_files(source)
        self.choose("Action", "Store")
        self.fill("Path", PATH)
        self.click("Send")
        expect(self.page.get_by_role("main")).to_contain_text(self.words["252\N{NO-BREAK SPACE}kB"])
        self.fill("Number of fragments", "1")
        self.click("Validate")
        self.page.wait_for_url(re.compile(r"/packages/\d+"))
        found = re.search(r"/packages/(\d+)", self.page.url)
        assert found is not None
        self.package_id = found[1]

    def activate(self) -> None:
        """By hand, at two addresses, which the server tries."""
        self.page.get_by_role("main").get_by_role("link", name=self.words["Activate now"], exact=True).click()
        self.click("Manual activation", "link")
        self.fill("Https server", f"{self.site.https}/download")
        self.fill("File server", f"{self.site.http}/download")
        self.click("Test both")
        expect(self.page.get_by_text(self.words["The digest is right."])).to_have_count(2)
        self.click("Activate")
        expect(self.page.get_by_role("main")).to_contain_text(f"{self.site.http}/download/{self.package_id}")

    def assign(self, *device_ids: str) -> None:
        """Search, choose, look at what would happen, confirm."""
        self.menu("Computers")
        search = self.page.get_by_label(self.words["Search computers by a filter"])
        search.fill(" OR ".join(f'device_id = "{each}"' for each in device_ids))
        search.press("Enter")
        for device_id in device_ids:
            self.page.locator(f'input[name=computer][value="{device_id}"]').check()
        self.click("Deploy a package")
        option = self.page.get_by_role("option", name=re.compile(f"^{self.name} ")).first
        self.page.get_by_label(self.words["Package"], exact=True).select_option(option.get_attribute("value"))
        self.page.get_by_text(self.words["More"], exact=True).click()
        self.page.get_by_label(self.words["also on computers with another system"]).check()
        self.click("Show what would happen")
        self.page.get_by_role(
            "button",
            name=self.words[f"Deploy to {{number}} computer{'s' if len(device_ids) > 1 else ''}"].format(
                number=len(device_ids)
            ),
        ).click()
        self.page.wait_for_url(re.compile(r"/deployment\?|/computers/"))  # of one the page of that computer

    def states(self, **numbers: int) -> None:
        """The table of the deployment has these numbers; with scripts it becomes so by itself."""
        table = self.page.locator("#live table")
        for state, number in numbers.items():
            word = self.words[STATES[state]]
            expect(table.get_by_role("row", name=re.compile(f"{word} {number} "))).to_be_visible()

    def row(self, *numbers: int) -> None:
        """The list of packages has these: not notified, success, errors, archived."""
        self.menu("Packages")
        row = self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=self.name, exact=True))
        expect(row).to_be_visible()  # a click waits until the page begins, not until it is whole
        headings = [text.strip() for text in self.page.get_by_role("columnheader").all_inner_texts()]
        wanted = [self.words[word] for word in ("Not notified", "Success", "Errors", "Archived")]
        assert headings[-4:] == wanted
        cells = row.get_by_role("cell").all_inner_texts()
        assert [int(text) for text in cells[-4:]] == [*numbers]

    def statistics(self) -> None:
        """From the list of packages to the deployment."""
        self.page.get_by_role("link", name=self.words["Statistics of {name}"].format(name=self.name)).click()

    def act(self, word: str) -> None:
        """One of the deployment's acts, and its confirmation."""
        self.click(word, "link")
        self.page.get_by_role("main").locator("button").click()
        self.page.wait_for_url("**/deployment?said=*")


@pytest.fixture
def putty(tmp_path: Path) -> Path:
    path = tmp_path / "putty.exe"
    path.write_bytes(random.Random(1).randbytes(PUTTY_BYTES))
    return path


def _deploy(agent: StockAgent | WindowsAgent, package_id: str) -> None:
    """The stock agent deploys it; the emulated one fetches nothing, but says so."""
    if isinstance(agent, WindowsAgent):
        assert agent.contact() == [package_id]
        agent.report(package_id)
    else:
        assert run_agent(agent).codes == ((package_id, "SUCCESS"),)
        assert (agent.state / "stored" / "putty.exe").stat().st_size == PUTTY_BYTES


@pytest.mark.parametrize(
    ("words", "scripts"), [pytest.param(FRENCH, True, id="French"), pytest.param(ENGLISH, False, id="without scripts")]
)
def test_the_tour(site: ConsoleSite, chromium: Browser, putty: Path, words: TourWords, scripts: bool) -> None:
    name = f"Putty {'fr' if scripts else 'en'}"
    first, late = site.windows_computer(f"a {name}"), site.windows_computer(f"z {name}")
    second = site.unix_computer() if scripts else site.windows_computer(f"b {name}")
    locale = "fr-FR" if words is FRENCH else "en-GB"
    with open_page(chromium, site.url, locale=locale, java_script_enabled=scripts) as page:
        site.sign_in(page)
        tour = Tour(page, site, words, name)
        tour.create(putty)
        tour.activate()
        tour.assign(first.device_id, second.device_id)
        tour.states(waiting=2, success=0)
        for agent in (first, second):
            _deploy(agent, tour.package_id)
        if not scripts:
            page.reload()
        tour.states(waiting=0, success=2)
        tour.row(0, 2, 0, 0)
        tour.statistics()
        tour.act("Validate SUCCESS")
        tour.states(success=0, archived=2)
        tour.assign(late.device_id)
        tour.row(1, 0, 0, 2)
        tour.statistics()
        tour.states(waiting=1, archived=2)
        tour.act("Unassign not notified")
        tour.states(waiting=0, archived=2)
        tour.row(0, 0, 0, 2)
    assert first.contact() == late.contact() == []
