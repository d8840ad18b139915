"""Work in a process of its own, beside the loop: what it has to tell comes over a pipe.

Resource handling: the process is killed when the block of `open_child` ends, if it has not ended before.
Error handling: a `DistdError` that the work raises is raised where its messages are received; any other end before the
last message is a `ChildExited`, which says how it ended.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import trio

from distd.domain.errors import DistdError, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

# Tells Python to look for modules nowhere but where they are installed. multiprocessing starts its processes by
# `python -c …`, which would first import what lies in the current folder.
SAFE_PATH: Final = "PYTHONSAFEPATH"
_STARTING: Final = threading.Lock()  # the environment is the whole process's


class ChildExited(Unavailable):
    """The process has ended, and its work has not."""


class Child:
    """A process at work. `receive` gives what it tells, in its order."""

    def __init__(self, process: BaseProcess, pipe: Connection, name: str) -> None:
        self._process = process
        self._pipe = pipe
        self._name = name

    async def receive(self) -> Any:
        """The next message. Raises the `DistdError` that ended the work, and `ChildExited`."""
        try:
            # Waiting is trio's, so that a cancelled one leaves no thread behind; reading is short.
            await trio.lowlevel.wait_readable(self._pipe.fileno())
            message = await trio.to_thread.run_sync(self._pipe.recv)
        except (EOFError, OSError):
            await trio.to_thread.run_sync(self._process.join)
            raise ChildExited(self._name, f"ended with status {self._process.exitcode}") from None
        if isinstance(message, DistdError):
            raise message
        return message

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self._process.terminate()

    def kill(self) -> None:
        """End it."""
        self._process.kill()


@asynccontextmanager
async def open_child(work: Callable[..., None], *arguments: Any, name: str, niceness: int = 0) -> AsyncIterator[Child]:
    """Have `work(tell, *arguments)` done in a fresh process; `tell(message)` sends what `Child.receive` gives.

    `work`, its arguments and its messages can be pickled. Ctrl-C is the parent's, which ends its children.
    """
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(
        target=_child_main, args=(work, arguments, theirs, niceness), daemon=True, name=name
    )
    try:
        await trio.to_thread.run_sync(_start, process)
        theirs.close()
        yield Child(process, ours, name)
    finally:
        with trio.CancelScope(shield=True):
            if process.pid is not None:
                process.kill()
                await trio.to_thread.run_sync(process.join)
        ours.close()


def _start(process: BaseProcess) -> None:
    """With its environment, which others' children do not get: commands of packages have an agent's."""
    with _STARTING:
        before = os.environ.get(SAFE_PATH)
        os.environ[SAFE_PATH] = "1"
        try:
            process.start()
        finally:
            if before is None:
                del os.environ[SAFE_PATH]
            else:
                os.environ[SAFE_PATH] = before


async def run_in_child(work: Callable[..., Any], *arguments: Any, name: str, niceness: int = 0) -> Any:
    """What `work(*arguments)` returns, from a process of its own. Raises its `DistdError`, and `ChildExited`."""
    async with open_child(_tell_result, work, arguments, name=name, niceness=niceness) as child:
        return await child.receive()


def _tell_result(tell: Callable[[Any], None], work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    tell(work(*arguments))


def _child_main(work: Callable[..., None], arguments: tuple[Any, ...], pipe: Connection, niceness: int) -> None:
    """What runs in the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if niceness:
        os.nice(niceness)
    try:
        work(pipe.send, *arguments)
    except DistdError as error:
        pipe.send(error)
