"""Where an agent that asks for a fragment is sent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import trio

from distd.domain.mirror_rules import Computer, Mirror, Via
from distd.lane.backend import LOCAL, FileRequest
from distd.origin.mirrors.directory import MirrorDirectory
from distd.server import steering as module
from distd.server.steering import Steering

MIRRORS = {
    number: Mirror(number, name, f"{name}:80", f"{name}:443", load=number) for number, name in ((1, "a"), (2, "b"))
}
DIRECTORY = MirrorDirectory(
    MIRRORS, {"17": frozenset(MIRRORS)}, (), {"17": Via.STEER, "18": Via.STEER, "19": Via.DIRECT}
)
WANTED = FileRequest("17/17-1", "17", 1, "1-aa", 1, "10.0.0.1", "http")


class Reader:
    async def run(self, operation: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return {number: Computer(f"pc{number}", {}) for number in operation.keywords["ids"] if number < 100}


@pytest.fixture
async def steering(nursery: Any) -> Any:
    one = Steering(Reader())
    one.use(DIRECTORY)
    nursery.start_soon(one.run)
    return one


async def ask(steering: Any, number: Any = 1, wanted: Any = WANTED) -> Any:
    found = []
    wanted = dataclasses.replace(wanted, key=f"17/17-{number}", number=number)
    at_once = steering.find(wanted, found.append)
    if at_once is None:
        while not found:
            await trio.sleep(0.001)
        return found[0]
    return at_once


def test_only_what_a_mirror_has_is_answered_elsewhere() -> None:
    one = Steering(Reader())
    one.use(DIRECTORY)
    assert one.steered == {"17"}  # nobody has 18, and 19 has another way


async def test_to_the_best_with_the_same_token(steering: Any) -> None:
    assert (await ask(steering)).location == "http://a:80/download/~1-aa/17/17-1"


async def test_by_the_scheme_that_it_came_by(steering: Any) -> None:
    secure = dataclasses.replace(WANTED, scheme="https")
    assert (await ask(steering, wanted=secure)).location == "https://a:443/download/~1-aa/17/17-1"


async def test_who_comes_back_for_the_same_one_gets_the_next_then_this_server(steering: Any) -> None:
    """Also for the fragments after it: the first mirror is dead to this computer."""
    assert (await ask(steering, 1)).location.startswith("http://a")
    assert (await ask(steering, 1)).location.startswith("http://b")
    assert (await ask(steering, 2)).location.startswith("http://b")
    assert (await ask(steering, 2)) is LOCAL
    assert (await ask(steering, 3)) is LOCAL


async def test_after_a_while_it_is_tried_again(steering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AVOID_S", 0.05)
    await ask(steering, 1)
    await ask(steering, 1)
    await trio.sleep(0.1)
    assert (await ask(steering, 2)).location.startswith("http://a")


async def test_another_computer_is_not_concerned(steering: Any) -> None:
    await ask(steering)
    await ask(steering)
    assert (await ask(steering, wanted=dataclasses.replace(WANTED, computer_id=2))).location.startswith("http://a")


async def test_a_mirror_that_is_gone_is_not_named(steering: Any) -> None:
    await ask(steering)
    steering.use(dataclasses.replace(DIRECTORY, ready={"17": frozenset({2})}))
    assert (await ask(steering, 2)).location.startswith("http://b")
    steering.use(dataclasses.replace(DIRECTORY, ready={}))
    assert (await ask(steering, 3)) is LOCAL


async def test_a_computer_that_nobody_knows_is_served_here(steering: Any) -> None:
    assert (await ask(steering, wanted=dataclasses.replace(WANTED, computer_id=101))) is LOCAL


async def test_too_many_at_once_are_served_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    one = Steering(Reader())
    one.use(DIRECTORY)
    assert one.find(WANTED, print) is None
    assert one.find(WANTED, print) is LOCAL
