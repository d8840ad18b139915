"""The pages of packages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import update

from distd.catalogue import schema

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser


async def test_every_link_leads_somewhere(browser: Browser) -> None:
    await browser.sign_in()
    page = await (await browser.get("/packages")).get_data(as_text=True)
    for path in set(re.findall(r'(?:href|action)="(/[^"#]*)"', page)):
        assert (await browser.get(path)).status_code in (200, 303, 405), path


async def test_an_empty_list_says_what_to_do(browser: Browser) -> None:
    await browser.sign_in()
    text = await browser.text("/packages")
    assert "There are no packages yet." in text
    assert "Create the first package" in text
    assert "No package is like this." in await browser.text("/packages?name=x")


async def test_the_list_has_names_and_numbers(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17")
    origin.write(lambda conn: conn.execute(update(schema.packages).values(name="Putty <0.81>")))
    await browser.sign_in()
    page = await (await browser.get("/packages")).get_data(as_text=True)
    assert "Putty &lt;0.81&gt;" in page
    text = await browser.text("/packages?name=*putty*", **{"Accept-Language": "fr"})
    assert "1 paquet, 1 actif" in text
    for word in ("Identifiant, création", "Non notifiés", "Archivés", "Statistiques", "Succès", "Erreurs", "Stocker"):
        assert word in text


async def test_it_is_sorted_and_filtered_by_its_address(browser: Browser, origin: TestOrigin) -> None:
    for package_id, priority in (("17", 3), ("18", 9)):
        origin.package(package_id, priority=priority, active=package_id == "17")
    await browser.sign_in()
    for sort, first in (("priority", "17"), ("-priority", "18")):
        page = await browser.page(f"/packages?sort={sort}")
        assert re.findall(r'href="/packages/(\d+)"', page)[0] == first
    text = await browser.text("/packages?state=INACTIVE")
    assert "package 18" in text
    assert "package 17" not in text
    page = await browser.page("/packages?state=ACTIVE&sort=name")
    assert 'href="/packages?state=ACTIVE&amp;sort=-name"' in page
    assert "package 18" not in page
    for query in ("state=LOST", "sort=target"):
        assert (await browser.get(f"/packages?{query}")).status_code == 400


async def test_it_has_pages(browser: Browser, origin: TestOrigin) -> None:
    for number in range(51):
        origin.package(str(1000 + number), active=False)
    await browser.sign_in()
    page = await browser.page("/packages?sort=-id")
    assert "package 1000" not in page
    following = re.findall(r'href="([^"]*)" rel="next"', page)[0].replace("&amp;", "&")
    second = await browser.page(following)
    assert "package 1000" in second
    assert 'rel="first"' in second


async def test_only_what_can_be_activated_has_a_link_for_it(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17")
    origin.package("18", active=False)
    await browser.sign_in()
    page = await browser.page("/packages")
    assert "/packages/18/activate" in page
    assert "/packages/17/activate" not in page


async def test_what_is_being_deployed(browser: Browser, origin: TestOrigin) -> None:
    for package_id in ("17", "18"):
        origin.package(package_id)
    origin.prolog("one")
    origin.assign("17", "one")
    await browser.sign_in()
    answer = await browser.get("/deployments")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/packages?state=RUNNING")
    page = await browser.text("/packages?state=RUNNING")
    assert "package 17" in page
    assert "package 18" not in page
    origin.prolog("one")
    origin.fetch("17", "one")
    origin.report("17", "SUCCESS", "one")
    assert "No package is like this." in await browser.text("/packages?state=RUNNING")
