"""The places of a package's fragments: probed, tried in order, and left out for a while after a failure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from agentsim.native.agent import NativeAgent
from agentsim.native.sources import AVOID_S, FRESH_S, PROBE_S, Sources
from agentsim.native.state import State
from distd.domain.records import Pack
from tests.fixtures.client import FakeClient, Reply

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from tests.fixtures.client import Request

PATH = "17/17-1"


def places(**answers: tuple[float, int] | None) -> FakeClient:
    """Of each place: after how many seconds it answers, and with which status; None: it is away."""
    client = FakeClient()
    for place, answer in answers.items():
        if answer is not None:
            client.handlers[f"http://{place}"] = partial(_reply, *answer)
    return client


def _reply(seconds: float, status: int, request: Request) -> Reply:
    return Reply(status, [seconds])


async def test_the_quickest_comes_first_and_what_fails_comes_last(autojump_clock: MockClock) -> None:
    client = places(a=(0.5, 200), b=(0.1, 200), c=None, d=(0.01, 404), e=(PROBE_S + 1, 200))
    sources = Sources(client, ["a", "b", "c", "d", "e"], "origin")
    assert await sources.ranked("http", PATH) == ["b", "a", "origin", "c", "d", "e"]
    assert sorted(client.urls()) == [f"http://{place}/{PATH}" for place in "abcde"]
    assert {request.method for request in client.requests} == {"HEAD"}


async def test_all_are_probed_at_once_and_given_up_in_time(autojump_clock: MockClock) -> None:
    sources = Sources(places(a=(100, 200), b=(100, 200)), ["a", "b"], "origin")
    begun_s = trio.current_time()
    assert (await sources.ranked("http", PATH))[0] == "origin"
    assert trio.current_time() - begun_s == PROBE_S


async def test_they_are_probed_again_only_after_a_while(autojump_clock: MockClock) -> None:
    await trio.sleep(10 * FRESH_S)
    client = places(a=(1, 200), b=(2, 200))
    sources = Sources(client, ["a", "b"], "origin")
    assert await sources.ranked("http", PATH) == ["a", "b", "origin"]
    client.handlers = places(a=(2, 200), b=(1, 200)).handlers
    await trio.sleep(FRESH_S - 3)
    assert await sources.ranked("http", PATH) == ["a", "b", "origin"]
    assert len(client.requests) == 2
    await trio.sleep(4)
    assert await sources.ranked("http", PATH) == ["b", "a", "origin"]


async def test_a_place_that_has_failed_is_tried_last_for_a_while(autojump_clock: MockClock) -> None:
    sources = Sources(places(a=(0.1, 200), b=(0.2, 200)), ["a", "b"], "origin")
    await sources.ranked("http", PATH)
    sources.failed("a")
    assert await sources.ranked("http", PATH) == ["b", "origin", "a"]
    await trio.sleep(AVOID_S - 1)
    assert await sources.ranked("http", PATH) == ["b", "origin", "a"]
    await trio.sleep(1)
    assert await sources.ranked("http", PATH) == ["a", "b", "origin"]


def test_what_is_known_of_places_stays_while_the_server_names_the_same(tmp_path: Path) -> None:
    nothing: Any = None
    agent = NativeAgent("https://h/ocsinventory", nothing, State(tmp_path), places(), "pc", lambda line: None)
    first, second = Pack("17", "i", "origin", mirrors=("a",)), Pack("17", "i", "origin", mirrors=("a", "b"))
    agent._note_sources(first)
    known = agent._sources["17"]
    assert known.named == ("a", "origin")
    agent._note_sources(first)
    assert agent._sources["17"] is known
    agent._note_sources(second)
    assert agent._sources["17"].named == ("a", "b", "origin")


async def test_without_mirrors_nobody_is_asked() -> None:
    client = places()
    assert await Sources(client, (), "origin").ranked("http", PATH) == ["origin"]
    assert client.requests == []
