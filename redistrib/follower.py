"""Following the event stream of an origin, or of a mirror that passes it on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import BadInput, Corrupt, Unavailable
from distd.wire import mirror_events
from distd.wire.mirror_events import Heartbeat

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.lane.client.http_client import Client
    from distd.wire.mirror_events import Event, PackageChange, State
    from redistrib.mirror_dir import Identity

QUIET_S: Final = 50.0  # three beats: then the line is dead, whatever TCP thinks
FIRST_PAUSE_S: Final = 0.5
LAST_PAUSE_S: Final = 15.0  # so long may what the origin has to say wait, half as long again with the jitter


class Follower:
    """`apply(event)` gets each event in its order; `seq` is the number of the last one that was taken."""

    def __init__(
        self,
        client: Client,
        identity: Identity,
        apply: Callable[[State | PackageChange], None],
        seq: int,
        jitter: Callable[[], float],
        log: logging.Logger,
    ) -> None:
        """`jitter()` gives numbers from 0 to 1, so that mirrors that were cut off together do not come back so."""
        self.seq = seq
        self.connected = False
        self.refused = False
        self._client = client
        self._identity = identity
        self._apply = apply
        self._jitter = jitter
        self._log = log

    async def run(self) -> None:
        """For ever; what goes wrong is tried again, later each time."""
        pause_s = FIRST_PAUSE_S
        while True:
            begun_s = trio.current_time()
            try:
                await self._follow()
                why = "the stream ended"
            except (Unavailable, Corrupt, BadInput) as error:
                why = str(error)
            self.connected = False
            if trio.current_time() - begun_s > LAST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            wait_s = pause_s * (0.5 + self._jitter())
            self._log.warning("%s: %s; again in %.1f s", self._identity.origin, why, wait_s)
            await trio.sleep(wait_s)
            pause_s = min(2 * pause_s, LAST_PAUSE_S)

    async def _follow(self) -> None:
        url = f"{self._identity.origin}/api/v1/mirror/events?after={self.seq}"
        headers = [("Authorization", f"Bearer {self._identity.key}")]
        decoder = mirror_events.Decoder()
        with trio.move_on_after(QUIET_S) as patience:
            async with self._client.stream("GET", url, headers) as answer:
                self.refused = answer.status == 401
                if self.refused:
                    raise Unavailable(url, "the origin does not know this mirror (any more): was it revoked?")
                if answer.status != 200:
                    raise Unavailable(url, f"HTTP {answer.status}")
                self.connected = True
                self._log.info("following %s", self._identity.origin)
                async for data in answer:
                    patience.deadline = trio.current_time() + QUIET_S
                    for event in decoder.feed(data):
                        self._take(event)
        if patience.cancelled_caught:
            raise Unavailable(url, f"nothing has come for {QUIET_S:g} s")

    def _take(self, event: Event) -> None:
        if not isinstance(event, Heartbeat):
            self._apply(event)
        self.seq = event.seq
