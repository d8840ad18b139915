"""Whose the tokens are, how soon a revoked one counts no more, and that checked ones are remembered."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.origin.computers import revocation
from distd.server.token_check import TokenCheck
from distd.wire import tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from distd.catalogue.event_watch import EventWatch
    from tests.fixtures.origin import TestOrigin

KEY = b"k" * 32
LOG = logging.getLogger("distd")
WAIT_S = 1.0


def token(number: int, generation: int = 0) -> str:
    return tokens.make(KEY, number, tokens.last_day(time.time(), 60), generation)


@pytest.fixture
async def check(
    autojump_clock: trio.testing.MockClock, origin: TestOrigin, event_watch: EventWatch
) -> AsyncIterator[TokenCheck]:
    origin.prolog("pc")
    origin.prolog("other")
    found = TokenCheck(lambda: (KEY,))
    origin.read(found.read, time.time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.run, event_watch, LOG)
        yield found
        nursery.cancel_scope.cancel()


async def test_a_revoked_token_counts_no_more_within_a_second(
    autojump_clock: Any, origin: TestOrigin, check: TokenCheck
) -> None:
    old, other = token(1), token(2)
    assert [check.computer_of(each) for each in (old, other, tokens.make_endless(KEY, 1))] == [1, 2, 1]
    origin.act(revocation.revoke, ["pc"], origin.now_s)
    await trio.sleep(WAIT_S)
    assert [check.computer_of(each) for each in (old, other, tokens.make_endless(KEY, 1))] == [None, 2, None]
    assert check.computer_of(token(1, 1)) == 1


async def test_a_process_that_starts_knows_what_is_revoked(autojump_clock: Any, origin: TestOrigin) -> None:
    origin.prolog()
    origin.act(revocation.revoke, ["pc"], origin.now_s)
    check = TokenCheck(lambda: (KEY,))
    origin.read(check.read, time.time())
    assert check.computer_of(token(1)) is None


async def test_what_is_checked_is_remembered_until_something_is_revoked(
    autojump_clock: Any, origin: TestOrigin, check: TokenCheck
) -> None:
    for _ in range(5):
        check.computer_of(token(1))
        await trio.sleep(WAIT_S)
    origin.prolog("new")  # an event that is no revocation
    await trio.sleep(WAIT_S)
    assert check.computer_of.cache_info()[:2] == (4, 1)


async def test_a_token_ends(autojump_clock: Any, origin: TestOrigin) -> None:
    check = TokenCheck(lambda: (KEY,))
    now_s = time.time()
    last = tokens.day_of(now_s)
    origin.read(check.read, now_s)
    ended = tokens.make(KEY, 1, last)
    assert check.computer_of(ended) == 1
    check.begin_day(now_s + tokens.DAY_S)
    assert check.computer_of(ended) is None


async def test_a_catalogue_that_is_away_delays_what_is_revoked(
    autojump_clock: Any,
    origin: TestOrigin,
    check: TokenCheck,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_away(_: object) -> None:
        raise Unavailable("catalogue", "it is locked")

    with monkeypatch.context() as patched:
        patched.setattr(revocation, "generations", is_away)
        origin.act(revocation.revoke, ["pc"], origin.now_s)
        await trio.sleep(WAIT_S)
        assert check.computer_of(token(1)) == 1
    assert "revoked tokens: catalogue: it is locked" in caplog.messages
    await trio.sleep(2 * WAIT_S)
    assert check.computer_of(token(1)) is None
