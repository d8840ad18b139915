"""The page of who is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from distd.catalogue.schema import operators as table
from distd.origin.operators import operators, sessions
from tests.web.console.conftest import Browser, text_of

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from tests.fixtures.origin import TestOrigin


async def sent(browser: Browser, status: int, **form: str) -> str:
    answer = await browser.post("/account/password", form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


async def test_what_it_says(browser: Browser, origin: TestOrigin) -> None:
    origin.act(operators.change, "ada", 0.0, filter_='tag = "room 1"')
    await browser.sign_in()
    text = await browser.text("/account")
    for words in ("You are signed in as ada.", 'tag = "room 1"', "this browser", "Change the password"):
        assert words in text
    assert "Sign out everywhere else" not in text


async def test_another_password_ends_all_other_sessions(browser: Browser, app: QuartTrio, origin: TestOrigin) -> None:
    elsewhere = Browser(app)
    for each in (browser, elsewhere):
        await each.sign_in()
    await sent(browser, 303, current="secret", password="better")
    assert "You have the new password." in await browser.text("/account?done=password")
    assert (await elsewhere.get("/account")).status_code == 303
    assert origin.read(operators.password_hash, "ada") == "hash of better"
    (event,) = origin.events("PASSWORD_CHANGED")
    assert event.detail["operator"] == "ada"


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"current": "wrong", "password": "better"}, 400, "your present password"),
        ({"current": "x" * 2000, "password": "better"}, 400, "your present password"),
        ({"current": "secret", "password": ""}, 400, "Expected: a password"),
        ({"current": "secret", "password": "x" * 2000}, 400, "Expected: a password"),
    ],
)
async def test_what_changes_nothing(
    browser: Browser, origin: TestOrigin, form: dict[str, str], status: int, words: str
) -> None:
    await browser.sign_in()
    before = origin.read(operators.password_hash, "ada")
    assert words in await sent(browser, status, **form)
    assert origin.read(operators.password_hash, "ada") == before


async def test_a_password_that_is_kept_elsewhere(browser: Browser, origin: TestOrigin) -> None:
    await browser.sign_in()
    origin.write(lambda conn, *_: conn.execute(update(table).values(source="ldap")))
    assert "Your password is not kept here" in await browser.text("/account")
    assert "is not kept here" in await sent(browser, 409, current="secret", password="better")


async def test_signing_out_everywhere_else(browser: Browser, app: QuartTrio, origin: TestOrigin) -> None:
    elsewhere = Browser(app)
    for each in (browser, elsewhere):
        await each.sign_in()
    assert len(origin.read(sessions.list_open, "ada")) == 2
    assert "Sign out everywhere else" in await browser.text("/account")
    assert (await browser.post("/account/sign-out-others", {})).status_code == 303
    assert "Everywhere else you are signed out." in await browser.text("/account?done=others")
    assert (await elsewhere.get("/account")).status_code == 303


async def test_nobody_else_sees_it(browser: Browser) -> None:
    for path in ("/account/password", "/account/sign-out-others"):
        assert (await browser.post(path, {})).headers["Location"].startswith("/login")
