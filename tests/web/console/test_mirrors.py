"""The pages of redistribution servers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, update

from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.origin.mirrors import mirrors as use_cases
from distd.origin.mirrors.mirrors import NewMirror
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from typing import Any

    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

NEW = {
    "name": "paris",
    "url": "http://paris.example.org:8080",
    "https_port": "9443",
    "networks": "10.1.0.0/16, 10.2.0.0/16",
}
STATUS = {"agents": 3, "bytes_per_s": 3_100_000, "missing_bytes": 4, "hits": 9, "misses": 1, "free_bytes": 10**9}


def join(origin: TestOrigin, name: str, now_s: float, **values: Any) -> None:
    """It is there, online, and has package 17."""
    origin.act(use_cases.add, NewMirror(name, f"http://{name}", location="Paris"), now_s)
    us = int(now_s * 1e6)
    row = {"joined_at_us": us, "seen_at_us": us, "connected": True, "heard_seq": 10**9} | values
    origin.write(lambda conn: conn.execute(update(mirrors).where(mirrors.c.name == name).values(**row)))


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    origin.package("17")
    join(origin, "paris", time.time(), status=STATUS)
    has = {"mirror_id": 1, "package_id": "17", "version": 1, "ready_at_us": int(time.time() * 1e6)}
    origin.write(lambda conn: conn.execute(insert(mirror_packages).values(**has)))
    return origin


async def sent(browser: Browser, path: str, status: int, **form: str) -> str:
    answer = await browser.post(path, form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


async def test_the_list_is_live(administrator: Browser, site: TestOrigin) -> None:
    await administrator.sign_in()
    page = await administrator.page("/mirrors")
    assert 'hx-get="/mirrors"' in page
    text = text_of(page)
    for words in ("paris Paris online", "1 of 1", "4 bytes", "3.1 MB/s", "90%", "1 of 1"):
        assert words in text
    part = await administrator.page("/mirrors", **{"HX-Request": "true"})
    assert part.startswith('<div id="mirrors"')
    assert "No redistribution server is called so." in await administrator.text("/mirrors?name=x")


async def test_one(administrator: Browser, site: TestOrigin) -> None:
    await administrator.sign_in()
    text = await administrator.text("/mirrors/paris")
    for words in ("package 17", "ready", "1 GB", "Redistribution server added", "Revoke paris"):
        assert words in text
    assert "<html" not in await administrator.page("/mirrors/paris", **{"HX-Request": "true"})
    assert (await administrator.get("/mirrors/nowhere")).status_code == 404


async def test_how_much_of_a_package_each_has(administrator: Browser, site: TestOrigin) -> None:
    join(site, "lyon", time.time(), status={"missing_bytes": 4})
    await administrator.sign_in()
    page = await administrator.page("/packages/17/mirrors")
    assert 'hx-get="/packages/17/mirrors"' in page
    assert "lyon Paris 60% fetches it" in text_of(page)
    assert "paris Paris 100% ready" in text_of(page)


async def test_one_is_added_and_told_its_token_once(administrator: Browser) -> None:
    await administrator.sign_in()
    assert "There are no redistribution servers yet." in await administrator.text("/mirrors")
    assert 'value="8443"' in await administrator.page("/mirrors/new")
    told = await sent(administrator, "/mirrors/new", 400, **(NEW | {"url": "ftp://x"}))
    assert "Expected: http://HOST[:PORT]" in told
    assert "a port from 1 to 65535" in await sent(administrator, "/mirrors/new", 400, **(NEW | {"https_port": "70000"}))
    assert "a network such as" in await sent(administrator, "/mirrors/new", 400, **(NEW | {"networks": "x"}))


async def test_it_joins_again_with_what_was_given(administrator: Browser, site: TestOrigin) -> None:
    await administrator.sign_in()
    told = await sent(administrator, "/mirrors/new", 409, **NEW)
    assert "there is a mirror paris that has joined" in told
    site.act(use_cases.revoke, "paris", site.now_s)
    assert "Let it join again" in await administrator.text("/mirrors/paris")
    page = await administrator.page("/mirrors/new?again=paris")
    assert 'value="http://paris:80"' in page
    assert 'value="Paris"' in page


async def test_who_may_only_look(viewer: Browser, site: TestOrigin) -> None:
    await viewer.sign_in()
    assert "Add a server" not in await viewer.text("/mirrors")
    assert "Revoke" not in await viewer.text("/mirrors/paris")
    assert (await viewer.get("/mirrors/new")).status_code == 403
    assert (await viewer.post("/mirrors/new", NEW)).status_code == 403
    assert (await viewer.post("/mirrors/paris/revoke", {})).status_code == 403


@pytest.mark.usefixtures("data")
async def test_an_installation_has_a_token_for_it_and_revokes_it(administrator: Browser, origin: TestOrigin) -> None:
    await administrator.sign_in()
    told = await sent(administrator, "/mirrors/new", 200, **NEW)
    assert "redistrib join https://origin:8443 --token " in told
    assert "9443" in await administrator.text("/mirrors/paris")
    await sent(administrator, "/mirrors/paris/revoke", 303)
    assert "revoked" in await administrator.text("/mirrors/paris")
    assert "paris is revoked already" in await sent(administrator, "/mirrors/paris/revoke", 409)
