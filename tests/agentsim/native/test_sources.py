"""The places of a package's fragments: probed, tried in order, and left out for a while after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from agentsim.native.agent import NativeAgent
from agentsim.native.sources import AVOID_S, FRESH_S, PROBE_S, Sources
from distd.domain.errors import Unavailable
from distd.domain.records import Pack
from distd.lane.client.http_client import Client, Response

if TYPE_CHECKING:
    from trio.testing import MockClock

    from distd.lane.client.http_client import Headers

PATH = "17/17-1"


class Places(Client):
    """`answers`, by place: after how many seconds, with which status; None: the place is away."""

    def __init__(self, **answers: tuple[float, int] | None) -> None:
        super().__init__(None, "test")
        self.answers = answers
        self.asked: list[str] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Headers = (),
        max_body_bytes: int = 0,
        downgrade: bool = True,
    ) -> Response:
        self.asked.append(f"{method} {url}")
        answer = self.answers[url.split("/")[2]]
        if answer is None:
            raise Unavailable(url, "away")
        with trio.move_on_after(answer[0]):
            await trio.sleep_forever()
        return Response(answer[1], {}, b"", url)


async def test_the_quickest_comes_first_and_what_fails_comes_last(autojump_clock: MockClock) -> None:
    client = Places(a=(0.5, 200), b=(0.1, 200), c=None, d=(0.01, 404), e=(PROBE_S + 1, 200))
    sources = Sources(client, ["a", "b", "c", "d", "e"], "origin")
    assert await sources.ranked("http", PATH) == ["b", "a", "origin", "c", "d", "e"]
    assert sorted(client.asked) == [f"HEAD http://{place}/{PATH}" for place in "abcde"]


async def test_all_are_probed_at_once_and_given_up_in_time(autojump_clock: MockClock) -> None:
    sources = Sources(Places(a=(100, 200), b=(100, 200)), ["a", "b"], "origin")
    begun_s = trio.current_time()
    assert (await sources.ranked("http", PATH))[0] == "origin"
    assert trio.current_time() - begun_s == PROBE_S


async def test_they_are_probed_again_only_after_a_while(autojump_clock: MockClock) -> None:
    await trio.sleep(10 * FRESH_S)
    client = Places(a=(1, 200), b=(2, 200))
    sources = Sources(client, ["a", "b"], "origin")
    assert await sources.ranked("http", PATH) == ["a", "b", "origin"]
    client.answers = {"a": (2, 200), "b": (1, 200)}
    await trio.sleep(FRESH_S - 3)
    assert await sources.ranked("http", PATH) == ["a", "b", "origin"]
    assert len(client.asked) == 2
    await trio.sleep(4)
    assert await sources.ranked("http", PATH) == ["b", "a", "origin"]


async def test_a_place_that_has_failed_is_tried_last_for_a_while(autojump_clock: MockClock) -> None:
    sources = Sources(Places(a=(0.1, 200), b=(0.2, 200)), ["a", "b"], "origin")
    await sources.ranked("http", PATH)
    sources.failed("a")
    assert await sources.ranked("http", PATH) == ["b", "origin", "a"]
    await trio.sleep(AVOID_S - 1)
    assert await sources.ranked("http", PATH) == ["b", "origin", "a"]
    await trio.sleep(1)
    assert await sources.ranked("http", PATH) == ["a", "b", "origin"]


def test_what_is_known_of_places_stays_while_the_server_names_the_same() -> None:
    nothing: Any = None
    agent = NativeAgent("https://h/ocsinventory", nothing, nothing, Places(), "pc", lambda line: None)
    first, second = Pack("17", "i", "origin", mirrors=("a",)), Pack("17", "i", "origin", mirrors=("a", "b"))
    agent._note_sources(first)
    known = agent._sources["17"]
    assert known.named == ("a", "origin")
    agent._note_sources(first)
    assert agent._sources["17"] is known
    agent._note_sources(second)
    assert agent._sources["17"].named == ("a", "b", "origin")


async def test_without_mirrors_nobody_is_asked() -> None:
    client = Places()
    assert await Sources(client, (), "origin").ranked("http", PATH) == ["origin"]
    assert client.asked == []
