"""Uploads from pages of the console."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.permissions import Role
from distd.origin.operators import operators, sessions
from distd.server.console_uploads import ConsoleAskers

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

HOUR_S = 3600.0
SAME_SITE = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def token(origin: TestOrigin) -> str:
    origin.act(operators.create, "ada", "secret", 0.0)
    opened = partial(sessions.open_session, operator="ada", address="::1", browser="", now_s=time.time())
    token: str = origin.write(opened)
    return token


@pytest.fixture
def askers(reader: Any) -> ConsoleAskers:
    return ConsoleAskers(reader, lambda: HOUR_S)


async def test_a_session_is_its_operator(askers: ConsoleAskers, token: str) -> None:
    found = await askers.check({"cookie": f"lang=fr; __Host-distd={token}", **SAME_SITE}, "")
    assert found is not None
    assert (found.actor.name, found.access.role) == ("ada", Role.OPERATOR)


@pytest.mark.parametrize("cookie", ["", "__Host-distd=", "__Host-distd=x", "other=1", "\x00;=;"])
async def test_no_session_is_nobody(askers: ConsoleAskers, token: str, cookie: str) -> None:
    assert await askers.check({"cookie": cookie, **SAME_SITE}, "") is None


async def test_no_page_of_another_site_uploads(askers: ConsoleAskers, token: str) -> None:
    cookie = {"cookie": f"__Host-distd={token}"}
    assert await askers.check(cookie | {"sec-fetch-site": "cross-site"}, "") is None
    assert await askers.check(cookie, "") is None


async def test_who_is_no_operator_any_more_has_no_session(
    askers: ConsoleAskers, token: str, origin: TestOrigin
) -> None:
    origin.act(operators.delete, "ada", 0.0)
    assert await askers.check({"cookie": f"__Host-distd={token}", **SAME_SITE}, "") is None
