"""The shards of a fleet on this machine: in this process, or one process each."""

from __future__ import annotations

import multiprocessing
import signal
from typing import TYPE_CHECKING, Any

import msgpack
import trio

from agentsim.fleet.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from agentsim.fleet.options import Order
    from agentsim.fleet.totals import Picture

END_S = 5.0


async def run_here(order: Order, picture: Picture, stop: trio.Event) -> None:
    """The whole fleet in this process, until `stop` is set at the latest."""
    await Shard(order).run(lambda message: picture.hear("this process", message), stop)


async def run_processes(order: Order, picture: Picture, count: int, stop: trio.Event) -> None:
    """A process for each of `count` shards. One that dies is lost with its agents; the others go on."""
    context = multiprocessing.get_context("spawn")
    async with trio.open_nursery() as nursery:
        for part in order.shared_out(count):
            nursery.start_soon(_run_process, context, part, picture, stop)


async def _run_process(context: Any, order: Order, picture: Picture, stop: trio.Event) -> None:
    name = f"process {order.shard + 1}"
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run_alone, args=(order, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_at, stop, process)
            await _listen(ours, lambda message: picture.hear(name, message))
            nursery.cancel_scope.cancel()
    except* (EOFError, OSError):
        process.join(END_S)
        picture.lose(name, len(order.numbers), f"ended with status {process.exitcode}")
    finally:
        process.kill()
        ours.close()


async def _listen(to: Connection, tell: Callable[[dict[str, Any]], None]) -> None:
    """Until the last message. Raises `EOFError` or `OSError` where the other side ends before it."""
    over = False
    while not over:
        await trio.lowlevel.wait_readable(to.fileno())
        message = msgpack.unpackb(to.recv_bytes())
        over = message["over"]
        tell(message)


async def _end_at(stop: trio.Event, process: Any) -> None:
    """Have it tell its last; by force where it does not."""
    await stop.wait()
    process.terminate()
    await trio.sleep(END_S)
    process.kill()


def run_alone(order: Order, to: Connection) -> None:
    """The life of a shard's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent ends it
    trio.run(_run_alone, order, lambda message: to.send_bytes(msgpack.packb(message)))


async def _run_alone(order: Order, tell: Callable[[dict[str, Any]], None]) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_on_signal, stop)
        await Shard(order).run(tell, stop)
        nursery.cancel_scope.cancel()


async def _stop_on_signal(stop: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            stop.set()
