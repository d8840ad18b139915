"""Group commit: what is put in while a transaction runs makes up the next transaction.

A commit costs an fsync and a hop to a thread costs 0.15 ms, whether one item or hundreds go with it. There is no timer:
a single item is committed at once, and the busier the disk the larger the batches.

`Batcher` takes items, handles those that wait in one transaction, and gives each item its reply. `Writer` is a batcher
of any operations, each of which one task awaits.
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import trio

from distd.catalogue.dialect import is_transient
from distd.domain.errors import Unavailable, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Reply = TypeVar("Reply")
T = TypeVar("T")

MAX_BATCH: Final = 256  # items of one transaction: a large one delays the others that wait for a reply
NO_LIMIT: Final = sys.maxsize
MAX_WAITING_OPERATIONS: Final = 1024  # operations that may wait; further callers of `run` are refused
PAUSES_S: Final = (0.1, 0.4, 1.6)  # before the second, third and fourth try of a transaction


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How many items may wait, and bytes of them; how many items, and bytes of them, make up one transaction (one item
    always does, whatever its size)."""

    waiting: int
    waiting_bytes: int = NO_LIMIT
    batch: int = MAX_BATCH
    batch_bytes: int = NO_LIMIT


class Batcher(Generic[Item, Prepared, Reply]):
    """Items that wait for one transaction in common. Made by `open_batcher`.

    `prepare(item)` runs in the worker thread before BEGIN; one that raises costs its own item only, and never touches
    the database. `look_up(connection, prepared)` then reads for all of them, also before BEGIN; it gives in place of
    each what is to be handled, or what is wrong with it. `handle(connection, prepared)` gives one reply an item, in
    their order. When it raises, everything is rolled back and its items are tried one by one, so that an item that
    fails costs no other. `size_of(item)` is its size in bytes, for the limits.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        handle: Callable[[Connection, Sequence[Prepared]], Sequence[Reply]],
        prepare: Callable[[Item], Prepared],
        *,
        limits: BatchLimits,
        size_of: Callable[[Item], int],
        pauses_s: Sequence[float],
        look_up: Callable[[Connection, Sequence[Prepared]], Sequence[Prepared | Exception]] | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._handle = handle
        self._prepare = prepare
        self._look_up = look_up
        self._limits = limits
        self._size_of = size_of
        self._pauses_s = pauses_s
        self._waiting: deque[tuple[Item, Callable[[Reply | Exception], None]]] = deque()
        self._waiting_bytes = 0
        self._wake = trio.Event()
        self._closed = False
        self._thread = trio.CapacityLimiter(1)

    def put(self, item: Item, answer: Callable[[Reply | Exception], None]) -> None:
        """Take an item for the next transaction; `answer` is called on the trio thread when it is committed or has
        failed.

        Raises `Unavailable` when too many wait already. `answer` must not raise. Not for other threads.
        """
        if self._closed:
            raise Unavailable("catalogue", "the server is stopping")
        if len(self._waiting) >= self._limits.waiting:
            raise Unavailable("catalogue", f"{self._limits.waiting} already wait for it")
        size_bytes = self._size_of(item)
        if self._waiting and self._waiting_bytes + size_bytes > self._limits.waiting_bytes:
            raise Unavailable("catalogue", f"{self._waiting_bytes} bytes already wait for it")
        self._waiting_bytes += size_bytes
        self._waiting.append((item, answer))
        self._wake.set()

    def close(self) -> None:
        """No more items; those that wait are still served."""
        self._closed = True
        self._wake.set()

    async def serve(self) -> None:
        """Commits batch after batch until `close`. When cancelled, those that still wait get `Unavailable`."""
        try:
            while True:
                await self._wake.wait()
                if not self._waiting:
                    return  # closed, then
                await self._serve_batch()
        finally:
            self._closed = True
            self._refuse([answer for _, answer in self._waiting])

    async def _serve_batch(self) -> None:
        batch = self._take_batch()
        if not self._waiting and not self._closed:
            self._wake = trio.Event()
        try:
            outcomes = await self._work([item for item, _ in batch])
        except trio.Cancelled:
            self._refuse([answer for _, answer in batch])
            raise
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            answer(outcome)

    def _take_batch(self) -> list[tuple[Item, Callable[[Reply | Exception], None]]]:
        batch = [self._waiting.popleft()]
        batch_bytes = self._size_of(batch[0][0])
        while self._waiting and len(batch) < self._limits.batch:
            size_bytes = self._size_of(self._waiting[0][0])
            if batch_bytes + size_bytes > self._limits.batch_bytes:
                break
            batch_bytes += size_bytes
            batch.append(self._waiting.popleft())
        self._waiting_bytes -= batch_bytes
        return batch

    def _refuse(self, answers: Sequence[Callable[[Reply | Exception], None]]) -> None:
        for answer in answers:
            answer(Unavailable("catalogue", "the server is stopping"))

    async def _work(self, items: list[Item]) -> list[Reply | Exception]:
        """One outcome an item. A catalogue that is locked, full or failing is tried again after each pause; in an
        outage nobody waits."""
        for pause_s in self._pauses_s:
            try:
                return await self._in_thread(items)
            except Unreachable as error:
                return [error] * len(items)
            except Unavailable:
                await trio.sleep(pause_s)
        try:
            return await self._in_thread(items)
        except Unavailable as error:
            return [error] * len(items)

    async def _in_thread(self, items: list[Item]) -> list[Reply | Exception]:
        return await trio.to_thread.run_sync(self._commit, items, limiter=self._thread)

    def _commit(self, items: list[Item]) -> list[Reply | Exception]:
        prepared = [_attempt(partial(self._prepare, item)) for item in items]
        good = [outcome.value for outcome in prepared if outcome.error is None]
        if self._look_up is not None and good:
            with self._catalogue.read() as connection:
                found = iter(self._look_up(connection, good))
            prepared = [_looked_up(next(found)) if outcome.error is None else outcome for outcome in prepared]
            good = [outcome.value for outcome in prepared if outcome.error is None]
        replies = iter(self._transaction(good) if good else ())
        return [next(replies) if outcome.error is None else outcome.error for outcome in prepared]

    def _transaction(self, prepared: Sequence[Any]) -> Sequence[Reply | Exception]:
        try:
            with self._catalogue.write() as connection:
                return self._handle(connection, prepared)
        except Unavailable:
            raise
        except Exception as error:
            if len(prepared) == 1:
                return [error]
        return [self._alone(item) for item in prepared]

    def _alone(self, prepared: Any) -> Reply | Exception:
        try:
            return self._transaction([prepared])[0]
        except Unavailable as error:
            return error  # not raised: a second try of the batch would repeat those that are committed by now


class Writer:
    """Runs operations on the catalogue, many to a transaction. Made by `open_writer`."""

    def __init__(self, batcher: Batcher[Callable[[Connection], Any], Any, _Outcome]) -> None:
        self._batcher = batcher

    async def run(self, operation: Callable[[Connection], T]) -> T:
        """What `operation(connection)` gives, once it is committed.

        The operation runs in a thread, in a savepoint of its own: what it raises is raised here and spoils no other.
        It may be run again after a failure, so it has no effects but those on the connection. Raises `Unavailable`
        when too many wait, or the catalogue cannot be written. When cancelled, it may be committed nevertheless.
        """
        done = trio.Event()
        outcomes: list[_Outcome] = []

        def answer(outcome: _Outcome | Exception) -> None:
            outcomes.append(outcome if isinstance(outcome, _Outcome) else _Outcome(None, outcome))
            done.set()

        self._batcher.put(operation, answer)
        await done.wait()
        (outcome,) = outcomes
        if outcome.error is not None:
            raise outcome.error
        return outcome.value  # type: ignore[no-any-return]


def _no_size(_item: object) -> int:
    return 0


@asynccontextmanager
async def open_batcher(
    catalogue: Catalogue,
    handle: Callable[[Connection, Sequence[Prepared]], Sequence[Reply]],
    prepare: Callable[[Item], Prepared],
    *,
    limits: BatchLimits,
    size_of: Callable[[Item], int] = _no_size,
    pauses_s: Sequence[float] = PAUSES_S,
    look_up: Callable[[Connection, Sequence[Prepared]], Sequence[Prepared | Exception]] | None = None,
) -> AsyncIterator[Batcher[Item, Prepared, Reply]]:
    """A running batcher. At the end of the block it still serves what waits.

    Cancel the block to give that up: a transaction that runs is finished, the others' answers are `Unavailable`.
    """
    batcher = Batcher(catalogue, handle, prepare, limits=limits, size_of=size_of, pauses_s=pauses_s, look_up=look_up)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.serve)
        try:
            yield batcher
        finally:
            batcher.close()


@asynccontextmanager
async def open_writer(catalogue: Catalogue, *, pauses_s: Sequence[float] = PAUSES_S) -> AsyncIterator[Writer]:
    """A running writer; at the end of the block it still serves what waits."""
    async with open_batcher(
        catalogue, _run_all, _identity, limits=BatchLimits(MAX_WAITING_OPERATIONS), pauses_s=pauses_s
    ) as batcher:
        yield Writer(batcher)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a call gave, or what it raised."""

    value: Any
    error: Exception | None


def _attempt(call: Callable[[], Any]) -> _Outcome:
    try:
        return _Outcome(call(), None)
    except Exception as error:
        if is_transient(error):
            raise  # not the fault of this item: all are tried again
        return _Outcome(None, error)


def _looked_up(found: Any) -> _Outcome:
    return _Outcome(None, found) if isinstance(found, Exception) else _Outcome(found, None)


def _run_all(connection: Connection, operations: Sequence[Callable[[Connection], Any]]) -> list[_Outcome]:
    return [_run_in_savepoint(connection, operation) for operation in operations]


def _run_in_savepoint(connection: Connection, operation: Callable[[Connection], Any]) -> _Outcome:
    def in_savepoint() -> Any:
        with connection.begin_nested():
            return operation(connection)

    return _attempt(in_savepoint)


def _identity(operation: Callable[[Connection], Any]) -> Callable[[Connection], Any]:
    return operation
