"""Short POSTs beside long ones, and what is refused."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput, Unavailable
from distd.domain.records import InventoryRequest, PrologRequest
from distd.domain.settings import settings_of
from distd.origin.agents import posts, requests
from distd.server import post_queues
from distd.server.post_queues import MAX_SHORT_BYTES, open_post_queues
from distd.wire import ocs
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

PROLOG = ocs.write_request(PrologRequest("pc"))
SOFTWARE = tuple({"NAME": f"{number:x}", "VERSION": str(number * number)} for number in range(200))
INVENTORY = ocs.write_request(InventoryRequest("pc", {"NAME": "PC"}, {}, (), None, software=SOFTWARE))


class Space:
    """As much as there is, until a test says otherwise."""

    error: Exception | None = None

    def require(self) -> None:
        if self.error is not None:
            raise self.error


NO_LIMIT = Space()


def post(body: bytes) -> requests.Post:
    return requests.Post(body, "10.0.0.9", "agent", 5.0)


def open_queues(origin: TestOrigin, space: Any = NO_LIMIT, **limits: Any) -> Any:
    def answer(conn: Any, requests: Any) -> Any:
        return posts.answer(conn, requests, origin.context)

    settings = settings_of({f"limits.{name}": value for name, value in limits.items()})
    return open_post_queues(origin.catalogue, answer, settings, space)


async def test_a_prolog_does_not_wait_for_inventories(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inventories that take for ever to read: one thread held up all POSTs, a PROLOG for 20 s."""
    assert len(PROLOG) <= MAX_SHORT_BYTES < len(INVENTORY)
    gate, read = threading.Event(), requests.read

    def slow_read(item: requests.Post, limits: Any) -> Any:
        if len(item.body) > MAX_SHORT_BYTES:
            assert gate.wait(60)
        return read(item, limits)

    monkeypatch.setattr(requests, "read", slow_read)
    answered: list[str] = []
    async with open_queues(origin) as queues:
        for number in range(21):
            queues.put(post(INVENTORY), lambda _, number=number: answered.append(f"inventory {number}"))
        queues.put(post(PROLOG), lambda _: answered.append("prolog"))
        await await_until(lambda: answered, "one of them is answered")
        assert answered == ["prolog"]
        gate.set()
    assert len(answered) == 22


async def test_both_are_answered(origin: TestOrigin) -> None:
    replies: dict[bytes, Any] = {}
    async with open_queues(origin) as queues:
        for body in (PROLOG, INVENTORY, b"?", b"?" * 1000):
            queues.put(post(body), partial(replies.__setitem__, body))
    assert [replies[body].status for body in (PROLOG, INVENTORY)] == [200, 200]
    assert all(isinstance(replies[body], BadInput) for body in (b"?", b"?" * 1000))


async def test_what_is_read_at_once_is_bounded_by_bytes(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post_queues, "LONG_BATCH_BYTES", 3 * len(INVENTORY))
    transactions: list[int] = []
    answer = posts.answer

    def noted(conn: Any, requests: Any, context: Any) -> Any:
        transactions.append(len(requests))
        return answer(conn, requests, context)

    monkeypatch.setattr(posts, "answer", noted)
    async with open_queues(origin) as queues:
        for _ in range(10):
            queues.put(post(INVENTORY), lambda _: None)
    assert transactions == [3, 3, 3, 1]


async def test_bodies_that_wait_are_bounded(origin: TestOrigin) -> None:
    async with open_queues(origin, waiting_posts=5, waiting_posts_mib=1) as queues:
        for _ in range(2):
            queues.put(post(b"x" * 500_000), lambda _: None)
        with pytest.raises(Unavailable, match="1000000 bytes already wait"):
            queues.put(post(b"x" * 50_000), lambda _: None)
        for _ in range(5):
            queues.put(post(PROLOG), lambda _: None)
        with pytest.raises(Unavailable, match="5 already wait"):
            queues.put(post(PROLOG), lambda _: None)


async def test_without_space_nothing_is_written(origin: TestOrigin) -> None:
    space, outcomes = Space(), list[Any]()
    space.error = Unavailable("data directory", "too little is free")
    async with open_queues(origin, space) as queues:
        for body in (PROLOG, INVENTORY):
            queues.put(post(body), outcomes.append)
        await await_until(lambda: len(outcomes) == 2, "both are answered")
        assert [str(outcome) for outcome in outcomes] == ["data directory: too little is free"] * 2
        assert origin.events() == []
        space.error = None
        queues.put(post(PROLOG), outcomes.append)
    assert outcomes[-1].status == 200
