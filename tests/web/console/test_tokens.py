"""The page of tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from distd.domain.permissions import Act, Role
from distd.origin.operators import api_tokens, operators
from tests.web.console.conftest import text_of

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin
    from tests.web.console.conftest import Browser

NEW: dict[str, str | list[str]] = {
    "name": "nightly",
    "role": "viewer",
    "days": "30",
    "filter": "",
    "act": ["packages.read"],
}


async def sent(browser: Browser, status: int, form: dict[str, str | list[str]], path: str = "/tokens") -> str:
    answer = await browser.post(path, form)
    assert answer.status_code == status
    return text_of(await answer.get_data(as_text=True))


async def test_one_is_made_shown_once_and_revoked(browser: Browser, origin: TestOrigin, clock: list[float]) -> None:
    await browser.sign_in()
    assert "There are no tokens." in await browser.text("/tokens")
    told = await sent(browser, 200, NEW)
    secret = re.search(r"Bearer (\S+)' https://origin:8443/api/v1/packages", told)
    assert secret is not None
    known = origin.read(api_tokens.find, secret[1], clock[0])
    assert (known.access.role, known.access.acts) == (Role.VIEWER, {Act.PACKAGES_READ})
    text = await browser.text("/tokens")
    assert "nightly ada Viewer packages.read" in text
    assert secret[1] not in text
    assert "there is a token nightly already" in await sent(browser, 409, NEW)
    await sent(browser, 303, {"name": "nightly"}, "/tokens/revoke")
    assert "There are no tokens." in await browser.text("/tokens")
    await sent(browser, 404, {"name": "nightly"}, "/tokens/revoke")


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"days": "0"}, "Expected: 1 to 3650."),
        ({"days": "x"}, "This is: x."),
        ({"role": "administrator"}, "at most operator, as its owner"),
        ({"act": ["packages.write"]}, "acts that the role viewer may do"),
        ({"act": ["password.change"]}, "acts that tokens may do"),
        ({"filter": "memory >"}, "Expected"),
    ],
)
async def test_what_no_token_can_be(browser: Browser, form: dict[str, str | list[str]], words: str) -> None:
    await browser.sign_in()
    assert words in await sent(browser, 400, NEW | form)


async def test_the_own_ones_alone(browser: Browser, origin: TestOrigin) -> None:
    origin.act(api_tokens.create, api_tokens.NewToken("of admin", Role.VIEWER), b"s" * 32, origin.now_s)
    await browser.sign_in()
    assert "of admin" not in await browser.text("/tokens")
    await sent(browser, 404, {"name": "of admin"}, "/tokens/revoke")
    assert 'value="administrator"' not in await browser.page("/tokens")
    origin.act(operators.change, "ada", 0.0, role=Role.ADMINISTRATOR)
    assert "of admin" in await browser.text("/tokens")
