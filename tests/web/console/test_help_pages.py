"""The pages of help, and the certificate for agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.web.console.help_texts import TOPICS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.console.conftest import Browser


async def test_every_page_has_its_help(browser: Browser) -> None:
    await browser.sign_in()
    assert 'href="/help/rollouts" data-dialog="help"' in await browser.page("/rollouts/new")
    page = await browser.page("/help")
    for name in TOPICS:
        assert f'href="/help/{name}"' in page
    assert "/SERVER=https://origin:8443/ocsinventory /SSL=1" in page
    part = await browser.page("/help/create", **{"HX-Request": "true", "Accept-Language": "fr"})
    assert "<html" not in part
    assert "Donnez le Nom, le Système, le Protocole et la Priorité" in part
    assert "<html" in await browser.page("/help/create")
    assert (await browser.get("/help/nothing")).status_code == 404


async def test_agents_get_the_certificate_without_a_log_in(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "cacert.pem").write_text("the certificate")
    answer = await browser.get("/cacert.pem")
    assert await answer.get_data(as_text=True) == "the certificate"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="cacert.pem"'
