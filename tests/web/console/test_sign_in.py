"""Signing in and out, language and theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.web.console.conftest import Browser


async def test_who_has_not_signed_in_is_asked_and_comes_back(browser: Browser) -> None:
    asked = await browser.get("/packages?name=a%20b")
    assert asked.status_code == 303
    assert asked.headers["Location"] == "/login?next=/packages%3Fname%3Da%2520b"
    form = {"name": "ada", "password": "secret", "next": "/packages?name=a%20b"}
    answer = await browser.post("/login", form)
    assert answer.headers["Location"] == "/packages?name=a%20b"
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-distd=")
    for word in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert word in cookie
    assert "ada" in await browser.text("/packages")


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [("ada", "wrong", 401), ("eve", "secret", 401), ("flood", "x", 429), ("ada", "x" * 5000, 401), ("", "", 401)],
)
async def test_who_does_not_get_in(browser: Browser, name: str, password: str, status: int) -> None:
    answer = await browser.post("/login", {"name": name, "password": password})
    assert answer.status_code == status
    assert "Set-Cookie" not in answer.headers
    assert (await browser.get("/packages")).status_code == 303


@pytest.mark.parametrize("goal", ["//evil", "https://evil/", "/\\evil", "evil", "/login", "/x\nSet-Cookie: a=b", ""])
async def test_a_sign_in_leads_nowhere_else(browser: Browser, goal: str) -> None:
    answer = await browser.post("/login", {"name": "ada", "password": "secret", "next": goal})
    assert answer.headers["Location"] == "/"


async def test_a_page_from_elsewhere_cannot_sign_in(browser: Browser) -> None:
    form = {"name": "ada", "password": "secret"}
    answer = await browser.post("/login", form, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


async def test_after_signing_out_the_old_cookie_opens_nothing(browser: Browser) -> None:
    await browser.sign_in()
    jar = list(browser.client.cookie_jar)
    assert (await browser.post("/logout", {})).headers["Location"] == "/login"
    for cookie in jar:
        browser.client.cookie_jar.set_cookie(cookie)
    assert (await browser.get("/packages")).status_code == 303


async def test_a_session_that_rests_too_long_ends(browser: Browser, clock: list[float]) -> None:
    await browser.sign_in()
    for _ in range(5):
        clock[0] += 3000
        assert (await browser.get("/packages")).status_code == 200
    clock[0] += 3601
    assert (await browser.get("/packages")).status_code == 303


async def test_language_and_theme_are_kept(browser: Browser) -> None:
    assert "Sign in" in await browser.text("/login")
    assert "Se connecter" in await browser.text("/login?lang=fr")
    assert "Se connecter" in await browser.text("/login", **{"Accept-Language": "fr"})
    await browser.post("/preferences", {"lang": "fr", "next": "/login"})
    await browser.post("/preferences", {"theme": "dark", "next": "/login"})
    await browser.post("/preferences", {"theme": "pink", "lang": "xx", "next": "/login"})
    page = await (await browser.get("/login")).get_data(as_text=True)
    assert '<html lang="fr" data-theme="dark">' in page
