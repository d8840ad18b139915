"""The turn context: what the objects of a lane know of the present turn, and what they all share.

It is handed down to those who need it, so that nobody has to know the lane. A turn is short: what it takes is no
matter to deadlines, and Date is in seconds, so the clocks are read once.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.lane.address_limits import AddressLimits
from distd.lane.body_rates import BodyRates
from distd.wire import http

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.lane.counters import Counts
    from distd.lane.limits import Limits

# A handshake costs most of a millisecond: further ones wait for the next turn.
TURN_HANDSHAKES: Final = 4
# When so many connections wait for their handshakes, no more are accepted under TLS: they wait in the kernel's queue,
# where no deadline runs, and beyond its end their SYNs are sent again later and later. Nobody is cut off half-way.
MAX_WAITING_HANDSHAKES: Final = 64
# A large file is copied through a buffer of this size, which stays in the processor's cache.
SCRATCH_BYTES: Final = 262_144


class Turn:
    """`now_s` is on trio's clock, `second` is Unix time. `alone`: only one connection is ready in this turn.

    `idle_deadline_s` is when a connection is over its limit that does nothing from now on, `ok_lines` the beginning of
    a 200's head, `buffered_bytes` the memory that bodies of requests take at present. `takes_handshakes`: connections
    may be accepted under TLS.
    """

    __slots__ = (
        "_waiting_handshakes",
        "addresses",
        "alone",
        "bodies",
        "buffered_bytes",
        "counts",
        "handshakes_left",
        "idle_deadline_s",
        "limits",
        "log",
        "now_s",
        "ok_lines",
        "scratch",
        "second",
        "stopping",
        "takes_handshakes",
    )

    def __init__(self, limits: Limits, counts: Counts, log: logging.Logger) -> None:
        self.counts = counts
        self.log = log
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self.alone = False
        self.stopping = False
        self.buffered_bytes = 0
        self.handshakes_left = 0
        self._waiting_handshakes = 0
        self.takes_handshakes = True
        self.second = 0
        self.ok_lines = b""
        self.now_s = self.idle_deadline_s = 0.0
        self.set_limits(limits)

    def set_limits(self, limits: Limits) -> None:
        """Other limits from now on."""
        self.limits = limits
        self.bodies = BodyRates(limits.large_body_bytes_per_s_per_address)
        each = limits.connections_per_address, limits.heads_per_s_per_address
        self.addresses = AddressLimits(*each) if any(each) else None

    def begin(self, now_s: float, ready: int) -> None:
        """A turn begins at `now_s`, in which so many connections are ready; 0: it goes on, or the clocks are read."""
        self.now_s = now_s
        self.idle_deadline_s = now_s + self.limits.idle_timeout_s
        self.alone = ready == 1
        if ready:  # the clocks are read within turns and between them too
            self.handshakes_left = TURN_HANDSHAKES
            self.takes_handshakes = self._waiting_handshakes < MAX_WAITING_HANDSHAKES
            self._waiting_handshakes = 0
        second = int(time.time())
        if second != self.second:
            self.second = second
            self.ok_lines = http.status_lines(200, second)

    def keep_counting(self, address: str) -> Callable[[], None]:
        """Count a connection of this address that the lane serves no longer, until the returned function is called."""
        addresses = self.addresses
        if addresses is None:
            return lambda: None
        addresses.hold(address)
        return partial(addresses.disconnect, address)

    def refresh(self) -> None:
        """Read the clocks outside the reactor's turns, where somebody else's callback has come in."""
        self.begin(trio.current_time(), 0)

    def status_lines(self, status: int) -> bytes:
        """The beginning of an answer's head, which is counted: status line, Server, Date."""
        self.counts.statuses[status] += 1
        return self.ok_lines if status == 200 else http.status_lines(status, self.second)

    def take_handshake(self) -> bool:
        """Whether a step of a handshake may be made in this turn; else it waits for a later one."""
        if not self.handshakes_left:
            self._waiting_handshakes += 1
            return False
        self.handshakes_left -= 1
        return True

    def reserve(self, size_bytes: int) -> bool:
        """Account for bytes of a request's body. False: all bodies together would take too much memory."""
        if self.buffered_bytes + size_bytes > self.limits.buffered_bytes:
            return False
        self.buffered_bytes += size_bytes
        return True
