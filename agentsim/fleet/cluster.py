"""The shards of a fleet on the workers of a Dask cluster, one each.

What a shard tells comes as events by way of the scheduler; its last message is the result of its task. A worker that
goes away is not waited for: its agents are lost, and nobody does its work again, for they could not go on where they
were.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import trio

from agentsim.fleet.shard import Shard
from distd.core.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agentsim.fleet.order import Order
    from agentsim.fleet.picture import Picture

CONNECT_S: Final = 15
LOOK_S: Final = 1.0
LATE_EVENTS_S: Final = 5.0  # for events that the result has overtaken


def run_remote(order: Order, topic: str) -> dict[str, Any]:
    """On a worker: the shard, from its beginning to its end; its last message."""
    from distributed import get_worker

    worker = get_worker()
    last: dict[str, Any] = {}

    def tell(message: dict[str, Any]) -> None:
        if message["over"]:
            last.update(message)
        else:
            worker.log_event(topic, [order.shard, message])

    trio.run(Shard(order).run, tell)
    return last


async def run_cluster(order: Order, picture: Picture, address: str) -> None:
    """Raises `BadInput` where Dask is not installed, `Unavailable` where nobody answers or there is no worker."""
    async with _connected(address) as client:
        topic = f"agentsim-{uuid4()}"
        token = trio.lowlevel.current_trio_token()
        feed = _Feed(picture)
        await trio.to_thread.run_sync(
            partial(client.subscribe_topic, topic, lambda event: token.run_sync_soon(feed.hear, event))
        )
        workers = sorted(await _workers(client))
        if not workers:
            raise Unavailable(address, "the cluster has no workers")
        async with trio.open_nursery() as nursery:
            for number, worker in enumerate(workers):
                part = replace(order, shard=number, shards=len(workers))
                nursery.start_soon(_run_on, client, worker, part, topic, feed)


async def _run_on(client: Any, worker: str, order: Order, topic: str, feed: _Feed) -> None:
    feed.names[order.shard] = worker
    submit = partial(client.submit, run_remote, order, topic, workers=[worker], pure=False, retries=0)
    future = await trio.to_thread.run_sync(submit)
    try:
        while not future.done():
            await trio.sleep(LOOK_S)
            if worker not in await _workers(client):
                feed.lose(order, "the worker has gone")
                return
        try:
            last = await trio.to_thread.run_sync(partial(future.result, timeout=CONNECT_S))
        except Exception as error:  # whatever went wrong there
            feed.lose(order, f"{type(error).__name__}: {error}"[:200])
            return
        await feed.end(order, last)
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(CONNECT_S):
            await trio.to_thread.run_sync(future.cancel)


class _Feed:
    """Brings the messages of each shard into their order: a result may overtake events."""

    def __init__(self, picture: Picture) -> None:
        self.names: dict[int, str] = {}
        self._picture = picture
        self._heard: dict[int, int] = {}
        self._news = trio.Event()

    def hear(self, event: tuple[float, list[Any]]) -> None:
        shard, message = event[1]
        self._heard[shard] = self._heard.get(shard, 0) + 1
        self._news.set()
        self._news = trio.Event()
        self._picture.hear(self.names[shard], message)

    async def end(self, order: Order, last: dict[str, Any]) -> None:
        with trio.move_on_after(LATE_EVENTS_S):
            while self._heard.get(order.shard, 0) < last["serial"] - 1:
                await self._news.wait()
        self._picture.hear(self.names[order.shard], last)

    def lose(self, order: Order, why: str) -> None:
        self._picture.lose(self.names[order.shard], len(order.numbers), why)


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Any]:
    try:
        from distributed import Client
    except ImportError:
        raise BadInput("--cluster", "Dask, which comes with `pip install distd[cluster]`", "none") from None
    connect = partial(Client, address, timeout=CONNECT_S, set_as_default=False)
    try:
        client = await trio.to_thread.run_sync(connect)
    except (OSError, ValueError) as error:
        raise Unavailable(address, f"no Dask scheduler answers: {error}") from None
    try:
        yield client
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(client.close)


async def _workers(client: Any) -> set[str]:
    info = await trio.to_thread.run_sync(partial(client.scheduler_info, n_workers=-1))
    return set(info["workers"])
