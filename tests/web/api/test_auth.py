"""The log-in of operators: what counts as one, and for how long it is known."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.origin.operators import operators
from distd.web.api import auth
from distd.web.api.auth import Logins, read_basic

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def field(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (field("ada:secret"), ("ada", "secret")),
        (field("ada:se:cret"), ("ada", "se:cret")),
        (field("ada:").replace("Basic", "basic"), ("ada", "")),
        (field("ada:secret").replace("Basic", "Bearer"), ("", "")),
        ("Basic !", ("", "")),
        ("Basic /w==", ("", "")),
        ("", ("", "")),
    ],
)
def test_what_is_read_of_the_field(authorization: str, expected: tuple[str, str]) -> None:
    assert read_basic(authorization) == expected


async def test_a_good_password_is_known_for_a_while(
    autojump_clock: trio.testing.MockClock, origin: TestOrigin, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.act(operators.create, "ada", "secret", 0.0)
    checked: list[str] = []

    def check(_conn: Any, name: str, password: str) -> bool:
        checked.append(name)
        return password == "secret"

    monkeypatch.setattr(operators, "check", check)
    logins = Logins(reader)
    for _ in range(3):
        assert await logins.check(field("ada:secret"))
        assert not await logins.check(field("ada:other"))
    assert len(checked) == 4
    await trio.sleep(auth.LOGIN_S + 1)
    assert await logins.check(field("ada:secret"))
    assert len(checked) == 5
