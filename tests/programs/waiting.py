"""Waiting for a condition: what tests do in the place of a sleep of a fixed length."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S: Final = 60
"""Generous: a machine may be ten times slower. The only effect of the limit is a failure."""
INTERVAL_S: Final = 0.01


def wait_until(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Poll until `condition()` is true, in a thread or a program without trio. `what` names it: "the mirror is online".

    Raises `AssertionError` after `limit_s`; what the condition raises is passed on.
    """
    last = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() >= last:
            raise AssertionError(_failure(what, limit_s))
        time.sleep(INTERVAL_S)


async def await_until(
    condition: Callable[[], object], what: str, limit_s: float = LIMIT_S, interval_s: float = INTERVAL_S
) -> None:
    """The same under trio, where `condition` may also be an async function. Time is the run's clock: a virtual one too.

    `interval_s`: between two polls of a condition that takes long to ask.

    Raises `AssertionError` after `limit_s`; what the condition raises is passed on. An async condition that does not
    return is not ended: its time-out is its own.
    """
    last = trio.current_time() + limit_s
    while not await _result(condition):
        if trio.current_time() >= last:
            raise AssertionError(_failure(what, limit_s))
        await trio.sleep(interval_s)


async def _result(condition: Callable[[], object]) -> object:
    result = condition()
    return await result if inspect.isawaitable(result) else result


def _failure(what: str, limit_s: float) -> str:
    return f"waited {limit_s:g} s in vain until {what}"
