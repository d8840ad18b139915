"""The page of settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from distd.domain.settings import TABLE
from distd.web.console.settings_page import value_text
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

LATENCY = "download.frag_latency_s"


async def sent(browser: Browser, status: int, **form: str) -> str:
    answer = await browser.post("/settings/parameters", form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


async def test_each_setting_with_its_value_its_unit_and_its_origin(administrator: Browser) -> None:
    await administrator.sign_in()
    page = await administrator.page("/settings")
    for name in TABLE:
        assert f"<code>{name.partition('.')[2]}</code>" in page
    text = text_of(page)
    assert "256 MiB default MiB of the disk" in text
    assert "distd.toml" in text
    assert "0 s" in text
    french = await administrator.text("/settings", **{"Accept-Language": "fr"})
    assert "256 Mio défaut Mio du disque" in french
    assert "Everything is as it comes." in await administrator.text("/settings?show=set")


async def test_parameters_of_the_site(administrator: Browser, origin: TestOrigin) -> None:
    origin.prolog("pc")
    await administrator.sign_in()
    assert "→ 9, 1 computer" in await sent(administrator, 200, step="try", **{LATENCY: "9"})
    await sent(administrator, 303, step="do", **{LATENCY: "9"})
    text = await administrator.text("/settings")
    assert re.search(r"9.s site", text)
    wrong = await sent(administrator, 400, step="do", **{LATENCY: "soon"})
    assert "Expected: a whole number from 0 to 86400. This is: soon." in wrong
    await sent(administrator, 303, step="do", **{LATENCY: ""})
    assert not re.search(r"9.s site", await administrator.text("/settings"))


async def test_who_deploys_sees_what_agents_are_told_and_no_more(browser: Browser) -> None:
    await browser.sign_in()
    page = await browser.page("/settings")
    assert "Pause between fragments" in page
    assert "distd.toml" not in page
    assert "<input id=" not in page
    assert 'href="/operators"' not in page
    assert (await browser.post("/settings/parameters", {LATENCY: "9"})).status_code == 403
    assert (await browser.post("/settings/parameters", {LATENCY: "soon"})).status_code == 403


def test_a_value_as_it_stands_in_the_file() -> None:
    assert [value_text(value) for value in (True, 9, "x")] == ["true", "9", "x"]
