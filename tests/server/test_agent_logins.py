"""Agents log in: one Argon2 for each name and password, few wrong ones, and changes are known at once."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.origin.agents import logins
from distd.server.agent_logins import MAX_QUEUED, TRIES, TRY_AGAIN_S, AgentLogins, read_basic, read_bearer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from distd.catalogue.event_watch import EventWatch
    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")
WAIT_S = 1.0


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


GOOD = basic("school", "one")


class Checks:
    """The logins, and what they answer; `verified` are the passwords that cost an Argon2."""

    def __init__(self, logins: AgentLogins, verified: list[str]) -> None:
        self.logins = logins
        self.verified = verified

    async def ask(self, authorization: str, address: str = "10.0.0.1") -> str:
        found: list[str] = []
        self.logins.check(authorization, address, found.append)
        while not found:
            await trio.sleep(0.01)
        (name,) = found
        return name


@pytest.fixture
async def checks(
    autojump_clock: trio.testing.MockClock,
    origin: TestOrigin,
    event_watch: EventWatch,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Checks]:
    verified: list[str] = []

    def verify(known: str | None, password: str) -> bool:
        verified.append(password)
        return known == f"hash of {password}"

    monkeypatch.setattr(logins, "verify", verify)
    monkeypatch.setattr(logins, "PasswordHasher", Hasher)
    origin.act(logins.put, "school", "one", 1.0)
    found = AgentLogins()
    origin.read(found.read)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.run, event_watch, LOG)
        yield Checks(found, verified)
        nursery.cancel_scope.cancel()


class Hasher:
    def hash(self, password: str) -> str:
        return f"hash of {password}"


async def test_a_right_password_is_verified_once(autojump_clock: Any, checks: Checks) -> None:
    assert [await checks.ask(GOOD, f"10.0.0.{number}") for number in range(50)] == ["school"] * 50
    assert checks.verified == ["one"]


async def test_many_that_come_together_cost_one(autojump_clock: Any, checks: Checks) -> None:
    found: list[str] = []
    for number in range(100):
        checks.logins.check(GOOD, f"10.0.0.{number}", found.append)
    assert found == []
    with trio.fail_after(60):
        while len(found) < 100:
            await trio.sleep(0.01)
    assert (set(found), checks.verified) == ({"school"}, ["one"])


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic !", "Bearer x", basic("", "one"), "Basic \u00e9"])
async def test_what_is_no_log_in_costs_nothing(autojump_clock: Any, checks: Checks, authorization: str) -> None:
    assert await checks.ask(authorization) == ""
    assert checks.verified == []


async def test_a_wrong_password_is_remembered(autojump_clock: Any, checks: Checks) -> None:
    assert [await checks.ask(basic("school", "two")) for _ in range(50)] == [""] * 50
    assert checks.verified == ["two"]


async def test_an_address_has_few_tries_and_those_who_are_known_go_on(autojump_clock: Any, checks: Checks) -> None:
    """Argon2 costs 50 ms: before, a guesser would have had all of it."""
    assert await checks.ask(GOOD, "10.0.0.9") == "school"
    for number in range(TRIES):
        assert await checks.ask(basic("school", f"guess {number}")) == ""
    with pytest.raises(Unavailable, match="too many tries"):
        await checks.ask(basic("school", "one more"))
    assert await checks.ask(GOOD) == "school"
    assert await checks.ask(basic("school", "another"), "10.0.0.2") == ""
    await trio.sleep(TRY_AGAIN_S + 1)
    assert await checks.ask(basic("school", "one more")) == ""


async def test_the_queue_has_an_end(autojump_clock: Any, checks: Checks) -> None:
    for number in range(MAX_QUEUED):
        checks.logins.check(basic("school", f"{number}"), f"10.1.0.{number}", lambda _: None)
    with pytest.raises(Unavailable, match="too many wait"):
        checks.logins.check(basic("school", "more"), "10.2.0.1", lambda _: None)


async def test_another_password_counts_within_a_second_or_so(
    autojump_clock: Any, origin: TestOrigin, checks: Checks
) -> None:
    assert await checks.ask(basic("school", "two")) == ""
    assert await checks.ask(GOOD) == "school"
    origin.act(logins.put, "school", "two", 2.0)
    await trio.sleep(WAIT_S)
    assert (await checks.ask(GOOD), await checks.ask(basic("school", "two"))) == ("", "school")
    origin.act(logins.delete, "school", 3.0)
    await trio.sleep(WAIT_S)
    assert await checks.ask(basic("school", "two")) == ""


async def test_a_catalogue_that_is_away_delays_another_password(
    autojump_clock: Any,
    origin: TestOrigin,
    checks: Checks,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_away(_: object) -> None:
        raise Unavailable("catalogue", "it is locked")

    with monkeypatch.context() as patched:
        patched.setattr(logins, "hashes", is_away)
        origin.act(logins.put, "school", "two", 2.0)
        await trio.sleep(WAIT_S)
        assert await checks.ask(GOOD) == "school"
    assert "logins of agents: catalogue: it is locked" in caplog.messages
    await trio.sleep(2 * WAIT_S)
    assert await checks.ask(basic("school", "two")) == "school"


async def test_what_is_in_the_field(autojump_clock: Any) -> None:
    assert read_basic(basic("a", "b:c")) == ("a", "b:c")
    assert read_basic("basic " + basic("a", "b")[6:]) == ("a", "b")
    assert read_basic("Bearer x") == ("", "")
    assert [read_bearer(text) for text in ("Bearer x", "bearer  x ", GOOD, "")] == ["x", "x", "", ""]
