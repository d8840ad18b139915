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
    assert "There are no packages yet." in await browser.text("/packages")
    assert "No package is like this." in await browser.text("/packages?name=x")


async def test_the_list_has_names_and_numbers(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17")
    origin.write(lambda conn: conn.execute(update(schema.packages).values(name="Putty <0.81>")))
    await browser.sign_in()
    page = await (await browser.get("/packages")).get_data(as_text=True)
    assert "Putty &lt;0.81&gt;" in page
    text = await browser.text("/packages?name=*putty*", **{"Accept-Language": "fr"})
    assert "1 paquet" in text
    for word in ("Identifiant unique", "Non notifiés", "Succès", "Erreurs", "Stocker"):
        assert word in text
