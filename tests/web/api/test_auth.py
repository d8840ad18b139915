"""The log-in of operators: what counts as one, and for how long it is known."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.catalogue.event_log import Kind
from distd.domain.login_pauses import LoginPauses
from distd.domain.permissions import OperatorRights, Role
from distd.domain.sign_in import SignInSource
from distd.origin.operators import operators
from distd.origin.operators.operators import KnownOperator
from distd.web.api import auth
from distd.web.api.auth import Logins, read_basic
from distd.web.api.background_thread import BackgroundThread
from distd.web.api.login_record import LoginRecord
from distd.web.api.problems import TooManyAttempts
from tests.web.api.conftest import new_logins

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd.web")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were checked; there is one operator, ada, with the password secret."""
    found: list[str] = []

    def verify(known: str | None, password: str) -> bool:
        found.append(password)
        return password == known

    def find(_conn: Any, name: str) -> KnownOperator | None:
        return (
            KnownOperator("ada", "secret", OperatorRights(Role.VIEWER), SignInSource.LOCAL, None)
            if name == "ada"
            else None
        )

    async def run(_: BackgroundThread, call: Any, *arguments: Any) -> Any:
        return call(*arguments)  # virtual time does not stand still for a thread

    monkeypatch.setattr(BackgroundThread, "run", run)
    monkeypatch.setattr(operators, "verify", verify)
    monkeypatch.setattr(operators, "find", find)
    return found


def of(authorization: str) -> dict[str, str]:
    return {"authorization": authorization}


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
    autojump_clock: MockClock, origin: TestOrigin, reader: Any, verified: list[str]
) -> None:
    logins = new_logins(reader)
    assert await logins.check(of(field("ada:secret")), "10.0.0.1")
    assert await logins.check(of(field("ada:secret")), "10.0.0.2")
    assert verified == ["secret"]
    assert not await logins.check(of(field("ada:other")), "10.0.0.1")
    assert not await logins.check(of(field("ada:other")), "10.0.0.1")
    assert verified == ["secret", "other", "other"]
    await trio.sleep(auth.LOGIN_S + 1)
    assert await logins.check(of(field("ada:secret")), "10.0.0.1")
    assert verified[3:] == ["secret"]


@pytest.mark.parametrize("authorization", ["", "Bearer x", "Basic", "Basic !", "Basic \xe9", "Basic /w==", field(":x")])
async def test_without_a_name_no_password_is_checked(
    origin: TestOrigin, reader: Any, verified: list[str], authorization: str
) -> None:
    assert not await new_logins(reader).check(of(authorization), "10.0.0.1")
    assert verified == []


@pytest.mark.parametrize("address", ["10.0.0.1", "10.0.0.2", "2001:db8::1"])
async def test_after_a_flood_of_wrong_passwords_a_log_in_takes_less_than_a_second(
    autojump_clock: MockClock, origin: TestOrigin, reader: Any, verified: list[str], address: str
) -> None:
    """From the address that it came from, too."""
    logins = new_logins(reader)
    answers: list[bool | int] = []

    async def guess(password: str) -> None:
        try:
            answers.append(bool(await logins.check(of(field(f"ada:{password}")), "10.0.0.1")))
        except TooManyAttempts:
            answers.append(429)

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(guess, str(number))
        await trio.testing.wait_all_tasks_blocked()
        begun_s = trio.current_time()
        assert await logins.check(of(field("ada:secret")), address)
        assert trio.current_time() - begun_s < 1
        assert len(verified) < 10
    assert len(answers) == 100
    assert answers.count(429) > 90
    assert True not in answers


async def test_log_ins_and_wrong_passwords_are_recorded(
    autojump_clock: MockClock, origin: TestOrigin, reader: Any, writer: Any, verified: list[str]
) -> None:
    record = LoginRecord(writer, LOG)
    logins = Logins(reader, writer, record, LoginPauses(0.5), lambda _peer: None)
    await logins.check(of(field("ada:secret")), "10.0.0.1")
    await logins.check(of(field("eve:x")), "2001:db8::9")
    await record.flush()
    found = [
        (event.kind, str(event.actor), event.detail) for event in origin.events(Kind.LOGGED_IN, Kind.LOG_IN_FAILED)
    ]
    assert found == [
        ("LOGGED_IN", "operator:ada", {"address": "10.0.0.1"}),
        ("LOG_IN_FAILED", "operator", {"address": "2001:db8::/64", "names": ["eve"], "count": 1, "unchecked": 0}),
    ]
