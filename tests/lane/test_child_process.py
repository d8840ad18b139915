"""Work in a process of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.domain.errors import BadInput
from distd.lane.child_process import SAFE_PATH, ChildExited, open_child, run_in_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def add(first: int, second: int) -> int:
    return first + second


def refuse(value: int) -> None:
    raise BadInput("value", "another", value)


def die() -> None:
    os._exit(7)


def priority() -> int:
    return os.nice(0)


def count(tell: Callable[[Any], None], upto: int) -> None:
    for number in range(upto):
        tell(number)


def wait(tell: Callable[[Any], None]) -> None:
    tell(os.getpid())
    trio.run(trio.sleep_forever)


async def test_what_the_work_returns() -> None:
    assert await run_in_child(add, 2, 3, name="adding") == 5


@pytest.mark.parametrize("name", ["signal", "traceback", "trio"])
async def test_a_module_in_the_current_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Neither one that Python itself needs to start, nor one of ours."""
    (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SAFE_PATH, raising=False)
    assert await run_in_child(add, 2, 3, name="adding") == 5
    assert not (tmp_path / "ran").exists()
    assert SAFE_PATH not in os.environ
    monkeypatch.setenv(SAFE_PATH, "yes")
    assert await run_in_child(add, 2, 3, name="adding") == 5
    assert os.environ[SAFE_PATH] == "yes"


async def test_an_error_of_ours_is_raised_here() -> None:
    with pytest.raises(BadInput, match="value: expected another, got 4"):
        await run_in_child(refuse, 4, name="refusing")


async def test_a_death_is_told_with_its_status() -> None:
    with pytest.raises(ChildExited, match="dying: ended with status 7"):
        await run_in_child(die, name="dying")


async def test_it_is_as_nice_as_asked() -> None:
    assert await run_in_child(priority, name="nice", niceness=5) == os.nice(0) + 5


async def test_messages_come_in_their_order() -> None:
    async with open_child(count, 3, name="counting") as child:
        assert [await child.receive() for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ChildExited, match="status 0"):
            await child.receive()


async def test_it_does_not_outlive_its_block() -> None:
    async with open_child(wait, name="waiting") as child:
        pid = await child.receive()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_cancelled_wait_ends_it_too() -> None:
    pid = 0
    with trio.CancelScope() as scope:
        async with open_child(wait, name="waiting") as child:
            pid = await child.receive()
            scope.cancel()
            await child.receive()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
