"""The shards of a fleet on this machine: in this process, or one process each."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgpack
import trio

from agentsim.fleet.shard import Shard

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from agentsim.fleet.order import Order
    from agentsim.fleet.picture import Picture

END_S = 5.0


async def run_here(order: Order, picture: Picture) -> None:
    """The whole fleet in this process."""
    await Shard(order).run(lambda message: picture.hear("this process", message))


async def run_processes(order: Order, picture: Picture, count: int) -> None:
    """A process for each of `count` shards. One that dies is lost with its agents; the others go on."""
    context = multiprocessing.get_context("spawn")
    async with trio.open_nursery() as nursery:
        for number in range(count):
            part = replace(order, shard=number, shards=count)
            nursery.start_soon(_run_process, context, part, picture)


async def _run_process(context: Any, order: Order, picture: Picture) -> None:
    name = f"process {order.shard + 1}"
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run_alone, args=(order, theirs), daemon=True)
    process.start()
    theirs.close()
    over = False
    try:
        while not over:
            await trio.lowlevel.wait_readable(ours.fileno())
            message = msgpack.unpackb(ours.recv_bytes())
            over = message["over"]
            picture.hear(name, message)
    except (EOFError, OSError):
        process.join(END_S)
        picture.lose(name, len(order.numbers), f"ended with status {process.exitcode}")
    finally:
        process.terminate()
        ours.close()


def run_alone(order: Order, to: Connection) -> None:
    """The life of a shard's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent ends it
    trio.run(Shard(order).run, lambda message: to.send_bytes(msgpack.packb(message)))
