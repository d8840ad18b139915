"""The shards of a fleet on this machine: in this process, or one process each."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

import trio

from agentsim.error_groups import unwrapped
from agentsim.fleet import messages
from agentsim.fleet.shard import run_shard
from distd.domain.errors import DistdError
from distd.lane.child_process import ChildExited, open_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentsim.fleet.options import FleetOptions
    from agentsim.fleet.totals import FleetTotals
    from distd.lane.child_process import Child

END_S: Final = 5.0  # for a process to send its last message, once it was told to end


async def run_here(options: FleetOptions, totals: FleetTotals, stop: trio.Event) -> None:
    """The whole fleet in this process, until `stop` is set at the latest."""
    await run_shard(options, lambda message: totals.add("this process", message), stop)


async def run_processes(options: FleetOptions, totals: FleetTotals, count: int, stop: trio.Event) -> None:
    """A process for each of `count` shards. One that dies is lost with its agents; the others go on."""
    async with trio.open_nursery() as nursery:
        for part in options.split(count):
            nursery.start_soon(_run_process, part, totals, stop)


async def _run_process(options: FleetOptions, totals: FleetTotals, stop: trio.Event) -> None:
    name = f"process {options.shard + 1}"
    try:
        async with open_child(run_alone, options, name=name) as child, trio.open_nursery() as nursery:
            nursery.start_soon(_end_at, stop, child)
            over = False
            while not over:
                message = messages.decode(await child.receive())
                totals.add(name, message)
                over = message.over
            nursery.cancel_scope.cancel()
    except ExceptionGroup as group:
        error = unwrapped(group)
        if not isinstance(error, DistdError):
            raise
        totals.lose(name, len(options.numbers), error.why if isinstance(error, ChildExited) else str(error))


async def _end_at(stop: trio.Event, child: Child) -> None:
    """Have it send its last message; by force where it does not."""
    await stop.wait()
    child.terminate()
    await trio.sleep(END_S)
    child.kill()


def run_alone(tell: Callable[[bytes], None], options: FleetOptions) -> None:
    """The life of a shard's process."""
    trio.run(_run_alone, options, tell)


async def _run_alone(options: FleetOptions, tell: Callable[[bytes], None]) -> None:
    stop = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_stop_on_signal, stop)
            await run_shard(options, lambda message: tell(messages.encode(message)), stop)
            nursery.cancel_scope.cancel()
    except ExceptionGroup as group:
        raise unwrapped(group) from None


async def _stop_on_signal(stop: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()
