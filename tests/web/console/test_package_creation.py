"""A package is created in two steps, without scripts and with htmx."""

from __future__ import annotations

import random
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.page import EVERYTHING
from distd.domain.settings import Settings
from distd.origin.installation import Installation
from distd.origin.jobs import jobs, work
from distd.origin.packages import overview
from distd.web.console import form_file
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

pytestmark = pytest.mark.usefixtures("data")
PUTTY = {"name": "Putty", "os": "WINDOWS", "priority": "5", "action": "STORE", "path": "C:\\logiciels\\Putty"}
FRENCH = {"Accept-Language": "fr"}


@pytest.fixture
def site(origin: TestOrigin, data: Any) -> Installation:
    return Installation(data, Settings(), origin.catalogue)


def do_jobs(origin: TestOrigin, site: Installation) -> None:
    """What a server does."""
    while (job := origin.write(partial(jobs.take, now_s=time.time(), max_running=9))) is not None:
        work.do(site, job, lambda *_: None)


def inputs(page: str) -> dict[str, str]:
    """The inputs of a page that a form would send, by their names."""
    found = {}
    for tag in re.findall(r"<input [^>]*>", page):
        given = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if "name" in given:
            found[given["name"]] = given.get("value", "")
    return found


async def test_the_whole_story_without_scripts(browser: Browser, origin: TestOrigin, site: Installation) -> None:
    await browser.sign_in()
    text = await browser.text("/packages/new", **FRENCH)
    for word in ("Nom", "Système", "Protocole", "Priorité", "Fichier", "Action", "Stocker", "Lancer", "Exécuter"):
        assert word in text
    for word in ("Chemin", "Interactions avec l'utilisateur", "Envoyer"):
        assert word in text
    sent = await browser.send("/packages/new", PUTTY, "putty.exe", random.Random(1).randbytes(252_000))
    assert sent.status_code == 303
    second = sent.headers["Location"]
    assert second.startswith("/packages/new/fragments?")
    page = await browser.page(second, **FRENCH)
    for word in ("putty.exe", "252 Ko", "Digest MD5 / Hexa", "Nombre de fragments", "Durée prévue", "Valider"):
        assert word in text_of(page).replace("\u00a0", " ")
    form = inputs(page)
    assert (form["size"], form["count"], form["total"]) == ("252000 o", "1", "252000")
    answer = await browser.post("/packages/new/fragments", form | {"count": "4", "priority": "6"})
    assert answer.status_code == 303
    path = answer.headers["Location"]
    assert "waits for its turn" in await browser.text(path)
    do_jobs(origin, site)
    made = (await browser.get(path)).headers["Location"]
    assert re.fullmatch(r"/packages/\d+\?job=1", made)
    package = origin.read(overview.show, made.split("/")[2].partition("?")[0])
    assert (package.name, package.priority, package.target) == ("Putty", 6, PUTTY["path"])
    assert "The package is built." in await browser.text(made)
    assert not (site.data.uploads / "putty.exe").exists()


async def test_a_wrong_input_has_its_message_and_nothing_is_lost(browser: Browser) -> None:
    await browser.sign_in()
    wrong = PUTTY | {"path": "logiciels", "description": "<for all>", "notify_can_delay": "1"}
    answer = await browser.send("/packages/new", wrong, "putty.exe", b"MZ")
    assert answer.status_code == 400
    page = await answer.get_data(as_text=True)
    assert 'id="path-fault"' in page
    assert "a path of Windows such as C:\\folder" in text_of(page)
    assert "&lt;for all&gt;" in page
    assert inputs(page)["upload"] == "putty.exe"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"name": " "}, "name", "Give it a name."),
        ({"path": ""}, "path", "This action needs it."),
        ({"priority": "11"}, "priority", "at most download.period_length"),
        ({"action": "LAUNCH", "launch": "setup.exe"}, "launch", "such as putty.exe"),
        ({"notify_countdown_s": "soon"}, "notify_countdown_s", "Expected: a number."),
        ({"notify_can_abort": "1"}, "notify_text", "Expected: a text"),
        ({"action": "recipe msi"}, "file", "*.msi"),
        ({"description": "é" * 2000}, "description", "a shorter text in this form"),
    ],
)
async def test_what_is_wrong_stands_beside_its_input(
    browser: Browser, change: dict[str, str], field: str, message: str
) -> None:
    await browser.sign_in()
    answer = await browser.send("/packages/new", PUTTY | change, "putty.exe", b"MZ")
    assert answer.status_code == 400
    page = await answer.get_data(as_text=True)
    assert f'id="{field}-fault"' in page
    assert message in text_of(page)


async def test_a_form_that_is_too_large_is_not_read(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form_file, "FORM_FILE_BYTES", 100)
    monkeypatch.setattr(form_file, "FORM_BYTES", 100)
    await browser.sign_in()
    answer = await browser.send("/packages/new", PUTTY, "putty.exe", bytes(1000))
    assert answer.status_code == 413
    assert "at most 100 bytes in a form" in text_of(await answer.get_data(as_text=True))


async def test_a_recipe_makes_the_target(browser: Browser) -> None:
    await browser.sign_in()
    order = PUTTY | {"action": "recipe msi", "arguments": "TRANSFORMS=a.mst"}
    sent = await browser.send("/packages/new", order, "agent.msi", b"MSI")
    assert 'msiexec.exe /i "agent.msi" /qn /norestart TRANSFORMS=a.mst' in await browser.text(sent.headers["Location"])


async def second_step(browser: Browser) -> tuple[str, dict[str, str]]:
    """Of a file of 1,000,000 bytes."""
    await browser.sign_in()
    sent = await browser.send("/packages/new", PUTTY, "putty.exe", bytes(1_000_000))
    path = sent.headers["Location"]
    return path, inputs(await browser.page(path))


async def recalculated(browser: Browser, form: dict[str, str]) -> str:
    query = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in form.items())
    return await browser.page(f"/packages/new/fragments?{query}", **{"HX-Request": "true"})


@pytest.mark.parametrize(
    ("name", "typed", "other", "follows"),
    [("count", "10", "size", "100000 B"), ("size", "250 kB", "count", "4"), ("size", "256 KiB", "count", "4")],
)
async def test_size_and_number_are_bound_to_each_other(
    browser: Browser, name: str, typed: str, other: str, follows: str
) -> None:
    _, form = await second_step(browser)
    page = await recalculated(browser, form | {name: typed})
    assert "<html" not in page
    found = inputs(page)
    assert found[other] == follows
    assert name not in found  # what is being typed stays as it is
    assert 'hx-swap-oob="true"' in page
    again = await recalculated(browser, form | found | {name: typed, "priority": "1"})
    assert "hx-swap-oob" not in again


async def test_the_duration_follows_what_is_typed(browser: Browser) -> None:
    _, form = await second_step(browser)
    seldom = await recalculated(browser, form | {"count": "10", "priority": "10"})
    often = await recalculated(browser, form | {"count": "10", "priority": "1"})
    durations = [re.findall(r"<b>([^<]*)</b>", page)[0].replace("\u00a0", " ") for page in (seldom, often)]
    assert durations == ["32 min 26 s", "5 min 17 s"]


async def test_what_is_half_typed_keeps_what_was(browser: Browser) -> None:
    _, form = await second_step(browser)
    page = await recalculated(browser, form | {"size": "12"})
    assert "at least 1024 bytes" in page
    found = inputs(page)
    assert (found["was_size"], found["was_count"]) == (form["was_size"], form["was_count"])
    assert "hx-swap-oob" not in page


async def test_without_scripts_a_button_calculates(browser: Browser) -> None:
    path, form = await second_step(browser)
    given = "&".join(f"{name}={form[name].replace(' ', '+')}" for name in ("was_size", "was_count", "by", "size"))
    page = await browser.page(f"{path}&{given}&count=4")
    assert inputs(page)["size"] == "250000 B"
    assert "<html" in page


async def test_a_number_that_cannot_be_is_refused(browser: Browser) -> None:
    _, form = await second_step(browser)
    answer = await browser.post("/packages/new/fragments", form | {"count": "9999999"})
    assert answer.status_code == 400
    assert 'id="count-fault"' in await answer.get_data(as_text=True)


async def test_an_upload_that_has_gone_leads_back_to_the_first_step(browser: Browser, site: Installation) -> None:
    path, form = await second_step(browser)
    (site.data.uploads / "putty.exe").unlink()
    for answer in (await browser.get(path), await browser.post("/packages/new/fragments", form)):
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/packages/new?name=Putty")
    assert 'value="Putty"' in await browser.page(answer.headers["Location"])


async def test_a_file_that_somebody_else_has_replaced_is_shown_again(browser: Browser, site: Installation) -> None:
    _, form = await second_step(browser)
    (site.data.uploads / "putty.exe").write_bytes(b"something else")
    answer = await browser.post("/packages/new/fragments", form)
    assert answer.status_code == 400
    page = await answer.get_data(as_text=True)
    assert "The file was replaced meanwhile" in text_of(page)
    assert inputs(page)["total"] == "14"


async def test_a_command_needs_no_file(browser: Browser, origin: TestOrigin, site: Installation) -> None:
    await browser.sign_in()
    order = PUTTY | {"action": "EXECUTE", "command": "shutdown /r", "path": ""}
    sent = await browser.post("/packages/new", order)
    form = inputs(await browser.page(sent.headers["Location"]))
    assert "count" not in form
    await browser.post("/packages/new/fragments", form)
    do_jobs(origin, site)
    (package,) = origin.read(overview.list_packages, overview.WantedPackages(), EVERYTHING).items
    assert (package.fragments, package.target) == (0, "shutdown /r")


async def test_who_may_only_look_creates_nothing(viewer: Browser) -> None:
    await viewer.sign_in()
    for path in ("/packages/new", "/packages/new/fragments"):
        assert (await viewer.get(path)).status_code == 403
        assert (await viewer.post(path, PUTTY)).status_code == 403
    assert "Create" not in await viewer.text("/packages")
