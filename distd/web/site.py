"""What the lane asks of the origin: agents' POSTs, tokens, fetches, and connections that are not its own."""

from __future__ import annotations

import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from distd.core import tokens
from distd.origin import answer as origin

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.lane import server as lane
    from distd.origin import fetches
    from distd.web.handover import HandOver

FLUSH_S: Final = 1.0
PRUNE_S: Final = 600.0
# Fetches that are told to the catalogue together; beyond it they are counted and dropped: they are news, not truth.
FETCHES_HELD: Final = 200_000

AgentBatcher = "Batcher[origin.Post, origin.Heard, origin.Reply]"


class LaneSite:
    """The lane's `Site`. All is called on the trio thread and returns at once."""

    def __init__(self, batcher: AgentBatcher, hand_over: HandOver, token_key: bytes, log: logging.Logger) -> None:
        # A token's MAC costs 13 µs; a site's computers ask with the same ones all the time.
        self.computer_of: Callable[[str], int | None] = lru_cache(maxsize=65_536)(partial(tokens.check, token_key))
        self._batcher = batcher
        self._hand_over = hand_over
        self._log = log
        self._fetches: dict[tuple[int, str], fetches.Fetch] = {}
        self._held = 0
        self._dropped = 0

    def post(self, post: lane.Post, answer: Callable[[int, bytes], None]) -> None:
        def settle(outcome: origin.Reply | Exception) -> None:
            if isinstance(outcome, origin.Reply):
                answer(outcome.status, outcome.body)
            else:
                answer(*self._refusal(post, outcome))

        self._batcher.put(origin.Post(post.body, post.address, post.user_agent, time.time()), settle)
