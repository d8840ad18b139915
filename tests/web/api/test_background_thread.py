"""A thread of low priority, and how it is waited for."""

from __future__ import annotations

import os
import threading

import pytest
import trio
import trio.testing

from distd.web.api.background_thread import NICENESS, BackgroundThread


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


async def test_it_gets_what_others_leave() -> None:
    before = _niceness()
    thread = BackgroundThread()
    assert await thread.run(_niceness) == min(before + NICENESS, 19)
    assert _niceness() == before
    assert await trio.to_thread.run_sync(_niceness) == before


async def test_results_and_errors_come_through() -> None:
    thread = BackgroundThread()
    assert await thread.run(int, "7") == 7
    with pytest.raises(ValueError, match="invalid literal"):
        await thread.run(int, "seven")


async def test_who_is_cancelled_does_not_wait() -> None:
    thread, go_on, begun = BackgroundThread(), threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(thread.run, hold)
        await trio.to_thread.run_sync(begun.wait)
        nursery.cancel_scope.cancel()
    go_on.set()
    assert await thread.run(int, "7") == 7


async def test_what_has_not_begun_when_it_is_cancelled_is_not_done() -> None:
    thread, go_on, done = BackgroundThread(), threading.Event(), list[int]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thread.run, go_on.wait)
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await thread.run(done.append, 1)
        go_on.set()
    await thread.run(done.append, 2)
    assert done == [2]
