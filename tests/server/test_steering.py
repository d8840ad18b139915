"""To which mirror an agent that asks for a fragment is sent."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.mirror_rules import ComputerFacts, MirrorFacts, Via
from distd.lane.backend import LOCAL, FileRequest
from distd.origin.mirrors.directory import MirrorDirectory
from distd.server import steering as module
from distd.server.steering import Steering

if TYPE_CHECKING:
    from trio.testing import MockClock

    from distd.lane.backend import Located

MIRRORS = {
    number: MirrorFacts(number, name, f"{name}:80", f"{name}:443", load=number) for number, name in ((1, "a"), (2, "b"))
}
DIRECTORY = MirrorDirectory(
    MIRRORS, {"17": frozenset(MIRRORS)}, (), {"17": Via.STEER, "18": Via.STEER, "19": Via.DIRECT}
)
WANTED = FileRequest("17/17-1", "17", 1, "1-aa", 1, "10.0.0.1", "http")


class KnownComputers:
    """Stands for a `Reader` that knows the computers up to 99."""

    error: Exception | None = None

    async def run(self, operation: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return {number: ComputerFacts(f"pc{number}", {}) for number in operation.keywords["ids"] if number < 100}


def make() -> Steering:
    reader: Any = KnownComputers()
    steering = Steering(reader, logging.getLogger("distd"))
    steering.use(DIRECTORY)
    return steering


@pytest.fixture
async def steering(nursery: trio.Nursery) -> Steering:
    steering = make()
    nursery.start_soon(steering.run)
    return steering


async def ask(steering: Steering, number: int = 1, wanted: FileRequest = WANTED) -> Located:
    found: list[Located] = []
    wanted = dataclasses.replace(wanted, key=f"17/17-{number}", number=number)
    at_once = steering.find(wanted, found.append)
    if at_once is not None:
        return at_once
    await trio.testing.wait_all_tasks_blocked()
    (later,) = found
    return later


def test_only_what_a_mirror_has_is_answered_elsewhere() -> None:
    assert make().asked == {"17"}  # no mirror has 18, and 19 is not steered


async def test_who_is_to_end_a_package_gets_empty_fragments(steering: Steering) -> None:
    steering.cancel(frozenset({(1, "17"), (2, "20")}))
    assert steering.asked == {"17", "20"}
    found = (await ask(steering)).file
    assert found is not None
    assert (found.size, found.number, found.in_memory) == (0, 0, True)
    assert found.fields.startswith(b"Content-Length: 0\r\n") or b"\r\nContent-Length: 0\r\n" in found.fields
    assert (await ask(steering, number=0)).file is None  # the info is what it was
    other = dataclasses.replace(WANTED, computer_id=3, package_id="20", key="20/20-1")
    assert steering.find(other, lambda _: None) == LOCAL
    steering.cancel(frozenset())
    assert (await ask(steering)).location
    assert steering.asked == {"17"}


async def test_to_the_best_with_the_same_token(steering: Steering) -> None:
    assert (await ask(steering)).location == "http://a:80/download/~1-aa/17/17-1"


async def test_by_the_scheme_that_it_came_by(steering: Steering) -> None:
    secure = dataclasses.replace(WANTED, scheme="https")
    assert (await ask(steering, wanted=secure)).location == "https://a:443/download/~1-aa/17/17-1"


async def test_an_agent_that_asks_again_gets_the_next_mirror_and_then_this_server(steering: Steering) -> None:
    """Also for the fragments after it: the first mirror is left out for this computer."""
    assert (await ask(steering, 1)).location.startswith("http://a")
    assert (await ask(steering, 1)).location.startswith("http://b")
    assert (await ask(steering, 2)).location.startswith("http://b")
    assert (await ask(steering, 2)) is LOCAL
    assert (await ask(steering, 3)) is LOCAL


async def test_whoever_cannot_be_looked_up_is_served_here(
    steering: Steering, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(KnownComputers, "error", ValueError("a row is odd"))
    assert await ask(steering) is LOCAL
    assert "agents are not sent to mirrors: a fault of the program: ValueError: a row is odd" in caplog.text
    monkeypatch.setattr(KnownComputers, "error", None)
    assert (await ask(steering, 2)).location


async def test_after_a_while_the_mirror_is_tried_again(autojump_clock: MockClock, steering: Steering) -> None:
    await ask(steering, 1)
    await ask(steering, 1)
    await trio.sleep(module.AVOID_S - 1)
    assert (await ask(steering, 2)).location.startswith("http://b")
    await trio.sleep(2)
    assert (await ask(steering, 3)).location.startswith("http://a")


async def test_what_is_known_of_a_computer_is_read_again(autojump_clock: MockClock, steering: Steering) -> None:
    await ask(steering)
    assert steering.find(WANTED, print) is not None
    await trio.sleep(module.MAX_AGE_S)
    assert steering.find(WANTED, print) is None


async def test_another_computer_is_not_concerned(steering: Steering) -> None:
    await ask(steering)
    await ask(steering)
    assert (await ask(steering, wanted=dataclasses.replace(WANTED, computer_id=2))).location.startswith("http://a")


async def test_a_mirror_that_is_offline_is_not_named(steering: Steering) -> None:
    await ask(steering)
    steering.use(dataclasses.replace(DIRECTORY, ready={"17": frozenset({2})}))
    assert (await ask(steering, 2)).location.startswith("http://b")
    steering.use(dataclasses.replace(DIRECTORY, ready={}))
    assert (await ask(steering, 3)) is LOCAL


async def test_an_unknown_computer_is_served_here(steering: Steering) -> None:
    assert (await ask(steering, wanted=dataclasses.replace(WANTED, computer_id=101))) is LOCAL


async def test_too_many_at_once_are_served_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    steering = make()
    assert steering.find(WANTED, print) is None
    assert steering.find(WANTED, print) is LOCAL
