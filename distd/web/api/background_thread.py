"""A thread for what takes a core's time on purpose, such as passwords: it gets what others leave.

The threads of trio are everybody's, and without privileges a thread's priority can only be lowered: so it is one of its
own.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

T = TypeVar("T")

NICENESS: Final = 5  # beside a busy thread it gets a quarter of a core, on an idle machine all of it


class BackgroundThread:
    """Calls functions one after the other. The thread is started by the first call, and ends with the process."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "background", _lower_priority)

    async def run(self, call: Callable[..., T], *arguments: object) -> T:
        """What `call(*arguments)` returns or raises. When it is cancelled, nobody waits for the call any more."""
        done, token = trio.Event(), trio.lowlevel.current_trio_token()

        def tell(_: Future[T]) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(done.set)

        future = self._executor.submit(call, *arguments)
        future.add_done_callback(tell)
        try:
            await done.wait()
        finally:
            future.cancel()  # unless it has begun
        return future.result()


def _lower_priority() -> None:
    with suppress(OSError):  # where a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
