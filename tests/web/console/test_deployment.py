"""The page of a deployment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.permissions import Role
from distd.origin.operators import operators
from distd.web.console.deployment import COUNTERS_KEPT_S
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

PATH = "/packages/17/deployment"


@pytest.fixture
def deployed(origin: TestOrigin) -> TestOrigin:
    """One success, one failure, one that downloads, one that waits."""
    origin.package("17")
    for device_id in ("done", "bad", "busy", "idle"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id, account={"TAG": "Room <4>"})
        origin.assign("17", device_id)
    for device_id in ("done", "bad", "busy"):
        origin.now_s += 100
        origin.prolog(device_id)
        origin.fetch("17", device_id)
    origin.report("17", "SUCCESS", "done")
    origin.report("17", "ERR_OUT_OF_SPACE", "bad")
    return origin


async def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    text: str = await answer.get_data(as_text=True)
    return text


async def test_of_a_package_that_nobody_has(browser: Browser, origin: TestOrigin) -> None:
    origin.package("17")
    await browser.sign_in()
    page = await text_of(await browser.get(PATH))
    assert "The package is assigned to no computer yet." in page
    assert "Nothing keeps it back." in page
    await text_of(await browser.get("/packages/99/deployment"), 404)


async def test_where_the_computers_are(browser: Browser, deployed: TestOrigin) -> None:
    await browser.sign_in()
    page = await text_of(await browser.get(PATH))
    assert "1 of 4 computers have the package." in page
    assert "1 has failed and will not go on without you." in page
    for kind in ("success", "failed", "downloading", "waiting"):
        assert f'<circle class="stroke-{kind}"' in page
    assert len(re.findall("<polyline", page)) == 3
    assert "ERR_OUT_OF_SPACE" in page
    assert "Room &lt;4&gt;" in page
    french = await browser.text(PATH, **{"Accept-Language": "fr"})
    for word in ("Valider SUCCÈS", "Tout valider", "Désaffecter non notifiés", "ATTENTE NOTIFICATION", "SUCCÈS"):
        assert word in french


async def test_why_some_do_not_have_it_and_what_to_do(browser: Browser, deployed: TestOrigin) -> None:
    await browser.sign_in()
    page = await text_of(await browser.get(f"{PATH}/causes"))
    assert "With a full disk" in page
    assert 'href="/computers/busy"' in page
    french = await text_of(await browser.get(f"{PATH}/causes", **{"Accept-Language": "fr"}))
    assert "With a full disk" not in french
    assert "disque" in french


async def test_a_live_page_is_sent_only_what_has_changed(
    browser: Browser, deployed: TestOrigin, clock: list[float]
) -> None:
    await browser.sign_in()
    page = await text_of(await browser.get(f"{PATH}/live"))
    (following,) = re.findall(r'hx-get="([^"]*)"', page)
    assert (await browser.get(following)).status_code == 204
    deployed.report("17", "SUCCESS", "busy")
    assert (await browser.get(following)).status_code == 204  # many ask, and it is read once for all of them
    clock[0] += COUNTERS_KEPT_S
    changed = await text_of(await browser.get(following))
    assert "2 of 4 computers have the package." in changed
    assert len(changed) < 30_000
    assert "<html" not in changed


async def test_tables_by_what_computers_have_in_common(browser: Browser, deployed: TestOrigin) -> None:
    await browser.sign_in()
    for by in ("tag", "group", "subnet", "mirror", "os", "agent", "nothing"):
        page = await text_of(await browser.get(f"{PATH}/numbers?by={by}"))
        assert page.count('aria-current="page"') == 1
    page = await text_of(await browser.get(f"{PATH}?by=tag"))
    (link, *_) = re.findall(r'<a href="(/computers\?filter=[^"]*FAILED)"', page)
    found = await text_of(await browser.get(link))
    assert "/computers/bad" in found
    assert "/computers/done" not in found


async def test_a_large_deployment_comes_in_parts(
    browser: Browser, deployed: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distd.web.console.deployment.AT_ONCE", 3)
    await browser.sign_in()
    page = await text_of(await browser.get(PATH))
    assert "<polyline" not in page
    for part in ("numbers", "causes", "computers"):
        assert f'hx-get="{PATH}/{part}"' in page
        assert "<html" not in await text_of(await browser.get(f"{PATH}/{part}"))
    assert '<noscript><p class="tone is-warn">' in page
    assert "<polyline" in await text_of(await browser.get(f"{PATH}?full=yes"))


async def test_the_list_by_state(browser: Browser, deployed: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distd.web.console.deployment.PAGE_SIZE", 2)
    await browser.sign_in()
    page = await text_of(await browser.get(f"{PATH}?state=FAILED"))
    assert 'value="bad"' in page
    assert 'value="done"' not in page
    page = await text_of(await browser.get(PATH))
    (following,) = re.findall(r'<a href="([^"]*)" rel="next">', page)
    page = await text_of(await browser.get(following))
    assert 'value="done"' in page
    await text_of(await browser.get(f"{PATH}?state=LOST"), 400)
    await text_of(await browser.get(f"{PATH}?cursor=x"), 400)


async def test_numbers_are_shared_for_a_while(browser: Browser, deployed: TestOrigin, clock: list[float]) -> None:
    await browser.sign_in()
    before = await text_of(await browser.get(f"{PATH}/numbers"))
    deployed.report("17", "SUCCESS", "busy")
    assert await text_of(await browser.get(f"{PATH}/numbers")) == before
    clock[0] += 20
    assert await text_of(await browser.get(f"{PATH}/numbers")) != before


async def test_who_may_only_look_is_offered_no_act(browser: Browser, deployed: TestOrigin) -> None:
    deployed.write(operators.change, ADMIN, "ada", 0.0, role=Role.VIEWER)
    await browser.sign_in()
    assert "/acts/" not in await text_of(await browser.get(PATH))
    await text_of(await browser.get("/packages/17/acts/archive"), 403)


async def test_who_sees_only_some_computers_does_not_see_the_whole(browser: Browser, deployed: TestOrigin) -> None:
    deployed.write(operators.change, ADMIN, "ada", 0.0, filter_="tag = x")
    await browser.sign_in()
    for path in (PATH, f"{PATH}/live", f"{PATH}/numbers", f"{PATH}/causes"):
        await text_of(await browser.get(path), 403)
