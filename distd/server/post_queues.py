"""Agents' POSTs on their way to the catalogue: the short ones do not wait for the long ones.

A PROLOG or a result is a hundred bytes and is read in 20 µs, an inventory takes up to a thousand times as long. So each
kind has a queue, a thread and transactions of its own. What is read at once, and so the memory and the time that a
transaction takes, is bounded by bytes: what a body costs is in proportion to its size (`wire.ocs`).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from distd.catalogue.writer import MAX_BATCH, BatchLimits, open_batcher
from distd.origin.agents import requests
from distd.origin.agents.inventories import MIN_DIVIDED_BYTES
from distd.origin.installation import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue
    from distd.catalogue.writer import Batcher
    from distd.domain.settings import Settings
    from distd.origin.agents import posts
    from distd.origin.agents.catalogue_space import CatalogueSpace

    PostBatcher: TypeAlias = Batcher[requests.Post, requests.AgentRequest, posts.Reply]

# Bytes of a body. PROLOGs and results are shorter, even with the longest DEVICEIDs; hardly any inventory is.
MAX_SHORT_BYTES: Final = MIN_DIVIDED_BYTES - 1
SHORT_BATCH_BYTES: Final = 65_536
LONG_BATCH_BYTES: Final = 131_072
MAX_LONG_BATCH: Final = 32


class PostQueues:
    """Made by `open_post_queues`."""

    def __init__(self, short: PostBatcher, long: PostBatcher) -> None:
        self._short = short
        self._long = long

    def put(self, post: requests.Post, answer: Callable[[posts.Reply | Exception], None]) -> None:
        """Take a POST: see `Batcher.put`. Raises `Unavailable` when too many wait."""
        queue = self._short if len(post.body) <= MAX_SHORT_BYTES else self._long
        queue.put(post, answer)


@asynccontextmanager
async def open_post_queues(
    catalogue: Catalogue,
    answer: Callable[[Connection, Sequence[requests.AgentRequest]], Sequence[posts.Reply]],
    settings: Settings,
    space: CatalogueSpace,
) -> AsyncIterator[PostQueues]:
    """Running queues; at the end of the block what waits is still served. `answer`: `origin.agents.posts.answer`."""
    read_limits = requests.ReadLimits.of_settings(settings)
    waiting, waiting_bytes = settings.limits.waiting_posts, settings.limits.waiting_posts_mib * MIB
    short_limits = BatchLimits(waiting, waiting_bytes, MAX_BATCH, SHORT_BATCH_BYTES)
    long_limits = BatchLimits(waiting, waiting_bytes, MAX_LONG_BATCH, LONG_BATCH_BYTES)

    def read(post: requests.Post) -> requests.AgentRequest:
        space.require()
        return requests.read(post, read_limits)

    async with (
        open_batcher(catalogue, answer, read, limits=short_limits, size_of=_size_of) as short,
        open_batcher(catalogue, answer, read, limits=long_limits, size_of=_size_of, look_up=requests.look_up) as long,
    ):
        yield PostQueues(short, long)


def _size_of(post: requests.Post) -> int:
    return len(post.body)
