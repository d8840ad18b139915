"""How many of the connections that the lane hands over may be open at the same time.

Each kind of request has slots of its own, so that no flood of one takes another's: operators get in while mirrors or
monitoring are attacked, and the other way round. Of each kind an address has a share. Most requests take milliseconds:
where there is no slot, one waits a little, and the newest gets the next slot, so that nobody stands behind a flood.
Before that they are spread over time: see `domain.request_rates`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from distd.domain.request_rates import RequestRates

HEALTH_SLOTS: Final = 64
MAX_WAITING: Final = 256
MAX_WAITING_PER_ADDRESS: Final = 16
MAX_WAIT_S: Final = 5.0
RATE: Final = "web_requests_per_s_per_address"
_HEALTH: Final = (b"/healthz", b"/readyz", b"/metrics")
_MIRRORS: Final = b"/api/v1/mirror/"


class Purpose(StrEnum):
    """What a connection is for, as its first request says."""

    HEALTH = "health"
    MIRRORS = "mirrors"
    OPERATORS = "operators"  # API, console, and what there is not


def purpose_of(path: bytes) -> Purpose:
    """The purpose of a request for this path."""
    if path in _HEALTH:
        return Purpose.HEALTH
    return Purpose.MIRRORS if path.startswith(_MIRRORS) else Purpose.OPERATORS


class Slots:
    """`total` for operators and as many for mirrors, `HEALTH_SLOTS` for monitoring; `per_address` of each kind."""

    def __init__(self, total: int, per_address: int) -> None:
        self._taken: Counter[Purpose] = Counter()
        self._by_address: Counter[tuple[Purpose, str]] = Counter()
        self.limit(total, per_address)

    def limit(self, total: int, per_address: int) -> None:
        """Other limits from now on; what is open stays."""
        self._totals = {Purpose.OPERATORS: total, Purpose.MIRRORS: total, Purpose.HEALTH: HEALTH_SLOTS}
        self._per_address = per_address

    def take(self, purpose: Purpose, address: str) -> str:
        """Take a slot: "". Else the name of the setting that forbids it; then none is taken."""
        total = self._totals[purpose]
        if self._by_address[purpose, address] >= min(self._per_address, total):
            return "web_connections_per_address"
        if self._taken[purpose] >= total:
            return "web_connections"
        self._taken[purpose] += 1
        self._by_address[purpose, address] += 1
        return ""

    def give_back(self, purpose: Purpose, address: str) -> None:
        """A connection that had a slot is closed."""
        self._taken[purpose] -= 1
        self._by_address[purpose, address] -= 1
        if not self._by_address[purpose, address]:
            del self._by_address[purpose, address]

    def __len__(self) -> int:
        return self._taken.total()


@dataclass(eq=False, slots=True)
class _Waiter:
    purpose: Purpose
    address: str
    has_slot: bool = False
    woken: trio.Event = field(default_factory=trio.Event)


class SlotQueue:
    """Those who wait for a slot of `slots`, after what `rates` makes them wait."""

    def __init__(self, slots: Slots, rates: RequestRates) -> None:
        self._slots = slots
        self._rates = rates
        self._waiting: list[_Waiter] = []

    def refusal(self, purpose: Purpose, address: str) -> str:
        """The name of the setting that forbids a request now, whatever it waits for; "": none."""
        return RATE if self._rates.is_refused(purpose, address, trio.current_time()) else ""

    async def take(self, purpose: Purpose, address: str) -> str:
        """As `Slots.take`, after `MAX_WAIT_S` at most, or the delay of its rate."""
        delay_s = self._rates.delay_s(purpose, address, trio.current_time())
        if delay_s == math.inf:
            return RATE
        await trio.sleep(delay_s)
        reached = self._slots.take(purpose, address)
        if not reached:
            return ""
        waiter = _Waiter(purpose, address)
        self._make_room(address)
        self._waiting.append(waiter)
        try:
            with trio.move_on_after(MAX_WAIT_S):
                await waiter.woken.wait()
        except trio.Cancelled:
            if waiter.has_slot:
                self.give_back(purpose, address)
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        return "" if waiter.has_slot else reached

    def give_back(self, purpose: Purpose, address: str) -> None:
        """A connection that had a slot is closed: the newest that may have one gets it."""
        self._slots.give_back(purpose, address)
        for waiter in reversed(self._waiting):
            if not self._slots.take(waiter.purpose, waiter.address):
                waiter.has_slot = True
                self._leave(waiter)
                return

    def _make_room(self, address: str) -> None:
        """The oldest goes, of this address where it has too many that wait."""
        of_address = [waiter for waiter in self._waiting if waiter.address == address]
        if len(of_address) >= MAX_WAITING_PER_ADDRESS:
            self._leave(of_address[0])
        elif len(self._waiting) >= MAX_WAITING:
            self._leave(self._waiting[0])

    def _leave(self, waiter: _Waiter) -> None:
        self._waiting.remove(waiter)
        waiter.woken.set()
