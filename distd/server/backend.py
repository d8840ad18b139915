"""What the lane asks of the origin: agents' POSTs, tokens, fetches, and connections that are not its own."""

from __future__ import annotations

import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from distd.catalogue import event_log
from distd.domain.errors import BadInput, TooLarge, Unavailable
from distd.lane.backend import Located
from distd.origin.agents import posts as agents
from distd.origin.deployments import progress as fetches
from distd.server import mirror_streams
from distd.wire import tokens

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.catalogue.writer import Batcher, Writer
    from distd.lane import backend as lane
    from distd.lane.streams import PlainStream, TlsStream
    from distd.server.handover import HandOver
    from distd.server.mirror_streams import Followers
    from distd.server.steering import Steering

    Desk: TypeAlias = Batcher[agents.Post, agents.Heard, agents.Reply]

FLUSH_S: Final = 1.0
PRUNE_S: Final = 600.0
# Computers with news of their progress between two flushes. Beyond it news is dropped: the agents' results are what
# counts, and no amount of downloading may eat the memory.
PROGRESS_HELD: Final = 100_000


class LaneSite:
    """The lane's `Backend`. All is called on the trio thread and returns at once."""

    def __init__(
        self,
        desk: Desk,
        hand_over: HandOver,
        token_key: bytes,
        observe_post: Callable[[float], None],
        log: logging.Logger,
        steering: Steering,
        mirrors: Followers,
    ) -> None:
        """`observe_post(seconds)`: so long an agent has waited for the answer to its POST."""
        # A token's MAC costs 13 µs, and a site's computers come with the same ones all the time.
        self._computer_of = lru_cache(maxsize=65_536)(partial(tokens.check, token_key))
        self._desk = desk
        self._hand_over = hand_over
        self._log = log
        self._progress: dict[tuple[int, str], tuple[list[int], int]] = {}
        self.fragments_sent = 0
        self.fragment_bytes_sent = 0
        self._observe_post = observe_post
        self._steering = steering
        self._followers = mirrors

    def computer_of(self, token: str) -> int | None:
        return self._computer_of(token)

    def post(self, post: lane.Post, answer: Callable[[int, bytes], None]) -> None:
        begun_s = time.perf_counter()

        def settle(outcome: agents.Reply | Exception) -> None:
            self._observe_post(time.perf_counter() - begun_s)
            if isinstance(outcome, agents.Reply):
                answer(outcome.status, outcome.body)
            else:
                answer(self._refuse(post, outcome), f"{outcome}\n".encode())

        self._desk.put(agents.Post(post.body, post.address, post.user_agent, time.time()), settle)

    def _refuse(self, post: lane.Post, error: Exception) -> int:
        """The status of a POST that could not be answered, and its one line in the log."""
        match error:
            case TooLarge():
                status = 413
            case BadInput():
                status = 400
            case Unavailable():
                status = 503
            case _:
                self._log.error("%s: a fault in answering a POST", post.address, exc_info=error)
                return 500
        self._log.warning("%s: %d %s", post.address, status, error)
        return status

    def fetched(self, computer_id: int, package_id: str, number: int, size_bytes: int, address: str) -> None:
        self.fragments_sent += 1
        self.fragment_bytes_sent += size_bytes
        if computer_id == 0:
            return  # a path without a token: nobody's progress
        key = computer_id, package_id
        if key in self._progress:
            numbers, sent_bytes = self._progress[key]
            numbers.append(number)
            self._progress[key] = numbers, sent_bytes + size_bytes
        elif len(self._progress) < PROGRESS_HELD:
            self._progress[key] = [number], size_bytes

    def answered_elsewhere(self, package_id: str) -> bool:
        return package_id in self._steering.steered

    def find(self, wanted: lane.FileRequest, answer: Callable[[Located], None]) -> Located | None:
        if not self.answered_elsewhere(wanted.package_id):
            return Located(status=404)
        return self._steering.find(wanted, answer)

    def hand_over(self, stream: PlainStream | TlsStream, path: bytes) -> None:
        if path == mirror_streams.PATH:
            self._followers.take(stream)
        else:
            self._hand_over.take(stream)

    async def flush(self, writer: Writer) -> None:
        """Tell the catalogue whose fragments were sent since the last time."""
        progress, self._progress = self._progress, {}
        if not progress:
            return
        rows = [
            fetches.Fetched(computer_id, package_id, numbers, sent_bytes)
            for (computer_id, package_id), (numbers, sent_bytes) in progress.items()
        ]
        try:
            await writer.run(partial(fetches.record, fetches=rows, now_s=time.time()))
        except Unavailable as error:
            self._log.warning("progress of %d computers is not recorded: %s", len(rows), error)


async def keep_books(site: LaneSite, writer: Writer, keep_events: int) -> None:
    """Flush the progress every second and prune the event log now and then, for ever."""
    pruned_s = trio.current_time()
    while True:
        await trio.sleep(FLUSH_S)
        await site.flush(writer)
        if trio.current_time() - pruned_s > PRUNE_S:
            pruned_s = trio.current_time()
            await writer.run(partial(event_log.prune, keep=keep_events))
