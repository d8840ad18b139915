"""Following the event stream of an origin, or of a mirror that forwards it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from distd.domain.backoff import Backoff
from distd.domain.errors import BadInput, Corrupt, Unavailable
from distd.wire.mirror_events import Decoder, Heartbeat

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.wire.mirror_events import PackageChange, State
    from redistrib.origin_client import OriginClient

SILENCE_S: Final = 50.0  # three heartbeats: then the connection is dead, whatever TCP says
FIRST_PAUSE_S: Final = 0.5
MAX_PAUSE_S: Final = 15.0  # half as long again with the jitter


class Follower:
    """Hands each event but heartbeats to `apply`, in order. `seq` is the number of the last one that has come."""

    def __init__(
        self,
        origin: OriginClient,
        apply: Callable[[State | PackageChange], None],
        jitter: Callable[[], float],
        log: logging.Logger,
    ) -> None:
        """`jitter()` gives numbers from 0 to 1, so that mirrors that were cut off together come back apart."""
        self.seq = 0
        self.connected = False
        self.refused = False
        self._origin = origin
        self._apply = apply
        self._backoff = Backoff(FIRST_PAUSE_S, MAX_PAUSE_S, jitter=jitter)
        self._log = log

    async def run(self) -> None:
        """Follow, for ever. After an error it connects again, later each time."""
        while True:
            started_s = trio.current_time()
            try:
                await self._follow()
                reason = "the stream ended"
            except Unavailable as error:
                reason = error.why  # the line names the server
            except (Corrupt, BadInput) as error:
                reason = str(error)
            self.connected = False
            if trio.current_time() - started_s > MAX_PAUSE_S:
                self._backoff.reset()
            pause_s = self._backoff.next_s()
            self._log.warning("%s: %s; next try in %.1f s", self._origin.url, reason, pause_s)
            await trio.sleep(pause_s)

    async def _follow(self) -> None:
        decoder = Decoder()
        with trio.move_on_after(SILENCE_S) as silence_limit:
            async with self._origin.open_events(self.seq) as answer:
                self.refused = answer.status == 401
                if self.refused:
                    raise Unavailable(answer.url, "the origin does not know this mirror (any more): was it revoked?")
                if answer.status != 200:
                    raise Unavailable(answer.url, f"HTTP {answer.status}")
                self.connected = True
                self._log.info("following %s", self._origin.url)
                async for data in answer:
                    silence_limit.deadline = trio.current_time() + SILENCE_S
                    for event in decoder.feed(data):
                        if not isinstance(event, Heartbeat):
                            self._apply(event)
                        self.seq = event.seq
        if silence_limit.cancelled_caught:
            raise Unavailable(self._origin.url, f"nothing has come for {SILENCE_S:g} s")
