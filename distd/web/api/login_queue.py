"""The order in which passwords are checked: one at a time, and nobody waits behind a flood.

A check takes 50 ms of a core on purpose. Who has signed in from an address before comes first, then who comes from
addresses with the fewest wrong passwords, then the newest. The queue has few places, and an address fewer: when they
are taken, the oldest of the address that waits most makes room.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import trio

from distd.web.api.problems import TooManyAttempts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from distd.domain.login_pauses import LoginPauses

Found = TypeVar("Found")

MAX_WAITING: Final = 64
MAX_WAITING_PER_PEER: Final = 8
MAX_WAIT_S: Final = 10.0


@dataclass(eq=False, slots=True)
class _Waiting:
    """Somebody whose password is to be checked. `number`: who came later has a higher one."""

    peer: str
    name: str
    is_known: bool
    number: int
    is_refused: bool = False
    wake: trio.Event = field(default_factory=trio.Event)


class LoginQueue(Generic[Found]):
    """`verify(name, password)` is called for one at a time; what it returns is false where the password is wrong."""

    def __init__(self, verify: Callable[[str, str], Awaitable[Found]], pauses: LoginPauses) -> None:
        self._verify = verify
        self._pauses = pauses
        self._waiting: list[_Waiting] = []
        self._is_busy = False
        self._number = 0

    def __len__(self) -> int:
        return len(self._waiting)

    async def check(self, peer: str, name: str, password: str) -> Found:
        """What `verify` says of the password, after its turn has come.

        Raises `TooManyAttempts` where others take its place or it waits too long, and what `verify` raises.
        """
        await self._wait_for_turn(peer, name)
        self._is_busy = True
        try:
            good = await self._verify(name, password)
            if good:
                self._pauses.succeeded(peer, name)
            else:
                self._pauses.failed(peer, name, trio.current_time())
        finally:
            self._is_busy = False
            self._wake_all()
        return good

    async def _wait_for_turn(self, peer: str, name: str) -> None:
        self._number += 1
        mine = _Waiting(peer, name, self._pauses.is_known(peer, name), self._number)
        self._make_room(peer)
        self._waiting.append(mine)
        try:
            with trio.move_on_after(MAX_WAIT_S):
                while not mine.is_refused and (wait_s := self._wait_s(mine)) > 0:
                    with trio.move_on_after(wait_s):
                        await mine.wake.wait()
                    mine.wake = trio.Event()
                if not mine.is_refused:
                    return
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)
                self._wake_all()
        raise TooManyAttempts("log-in", "too many passwords are being tried; try again")

    def _make_room(self, peer: str) -> None:
        places = Counter(each.peer for each in self._waiting)
        if places[peer] < MAX_WAITING_PER_PEER:
            if len(self._waiting) < MAX_WAITING:
                return
            peer = max(places, key=places.__getitem__)
        leaving = min((each for each in self._waiting if each.peer == peer), key=_rank)
        leaving.is_refused = True
        leaving.wake.set()
        self._waiting.remove(leaving)

    def _wait_s(self, mine: _Waiting) -> float:
        """0: it is its turn. Infinite: until it is woken."""
        now_s = trio.current_time()
        pause_s = self._pauses.ready_s(mine.peer, mine.name) - now_s
        if self._is_busy or pause_s > 0:
            return math.inf if self._is_busy else pause_s
        ready = [each for each in self._waiting if self._pauses.ready_s(each.peer, each.name) <= now_s]
        first = max(ready, key=lambda each: (each.is_known, -self._pauses.failures(each.peer, now_s), each.number))
        return 0.0 if first is mine else math.inf

    def _wake_all(self) -> None:
        for each in self._waiting:
            each.wake.set()


def _rank(waiting: _Waiting) -> tuple[bool, int]:
    return waiting.is_known, waiting.number
