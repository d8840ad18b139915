"""The time limit of tests under trio: a test that hangs fails with the stacks of all its tasks, and cleans up.

pytest-timeout cannot do that: it would raise inside trio's event loop, or end the process.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


def limit(test: Callable[..., Awaitable[None]], limit_s: float) -> Callable[..., Awaitable[None]]:
    """The same test function, which fails after so much real time; a virtual clock makes no difference."""

    @functools.wraps(test)
    async def limited(**arguments: Any) -> None:
        task, token, stacks = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token(), list[str]()
        with trio.CancelScope() as scope:

            def end() -> None:
                stacks.extend(stacks_of(task))
                scope.cancel()

            with _timer(limit_s, functools.partial(token.run_sync_soon, end)):
                await test(**arguments)
        if scope.cancelled_caught:
            pytest.fail(f"not finished after {limit_s:g} s:\n" + "\n".join(stacks), pytrace=False)

    return limited


@contextlib.contextmanager
def _timer(after_s: float, call: Callable[[], None]) -> Iterator[None]:
    def run() -> None:
        with contextlib.suppress(trio.RunFinishedError):
            call()

    timer = threading.Timer(after_s, run)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stacks_of(task: trio.lowlevel.Task, indent: str = "") -> Iterator[str]:
    """A line for the task and one for each of its frames; then the same of its child tasks, indented."""
    yield f"{indent}{task.name}"
    for frame, line in task.iter_await_frames():
        yield f"{indent}  {frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from stacks_of(child, indent + "    ")
