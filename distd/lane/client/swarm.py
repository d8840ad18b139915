"""Very many HTTP clients in one trio task: the lane's shape, the other way round.

Each caller has one connection at a time, as a stock agent has: another host or port closes it. A private epoll set
tells which have something; plain callbacks take it, and mostly send the next request at once. Timers are a heap. The
task goes back to trio when nothing is ready, or after `HOLD_S`.

Resource handling: connections are closed when `run` ends, however it ends. A caller that is asked to `drop` its
connection hears no more of it.

Where all the connections that it may have are open, those that have been idle longest are closed to make room, as a
server might close them; while none is idle, requests wait for one.

Error handling: whatever goes wrong with an exchange is told once to `Caller.failed`, in few words; a status is no
error. A body never ends early without it. Where a kept-alive connection turns out to be closed when it is used again,
the request is sent once more over a new one. A place that is none, or that has no such host, fails as one does where
nobody listens.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import select
import socket
import time
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import trio

from distd.lane.client.link import RECEIVE_BYTES, Link, reason

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from distd.lane.client.link import Caller, Place

TURN_EVENTS: Final = 256
HOLD_S: Final = 0.005
SPIN_S: Final = 0.0002
SWEEP_S: Final = 2.0
MOST_LINKS: Final = 1_000_000
PATIENCE_S: Final = 180.0  # without a byte: a stock agent's
CROWDED_S: Final = 0.01  # between looks for room
UNKNOWN_S: Final = 5.0  # a host that was not found is not looked up again for so long,
UNKNOWN_SHARE: Final = 20  # or for so many times as long as that took, for nothing else happens meanwhile
MOST_UNKNOWN: Final = 1024
NO_ADDRESS: Final = "an address that is none"
ROOM_SHARE: Final = 16  # one in so many is closed at once, for to find the idle ones is to look at all
SLOW_BUFFER_BYTES: Final = 16_384
IP_BIND_ADDRESS_NO_PORT: Final = 24  # linux/in.h; the port is chosen at connect, so it may be used to many places


class _Request(NamedTuple):
    """That waits for room."""

    caller: Caller
    place: Place
    data: bytes
    keep: bool
    digest: Any
    limit_bytes_per_s: float


class Swarm:
    """The state. `run` works until cancelled; everything else is called from its callbacks, or before it."""

    def __init__(
        self, context: ssl.SSLContext, source: Callable[[Caller], str] | None = None, most_links: int = MOST_LINKS
    ) -> None:
        """`source`: the address of loopback that a caller's connections come from, when they go to loopback.
        `most_links`: connections at once; to be less than the files that the process may open."""
        self._context = context
        self._source = source
        self._most_links = most_links
        self._waiting: deque[_Request] = deque()
        self._epoll = select.epoll()
        self._links: dict[int, Link] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._addresses: dict[Place, tuple[int, Any]] = {}
        self._unknown: dict[Place, tuple[float, str]] = {}  # until when not to look it up again, and why
        self.room = bytearray(RECEIVE_BYTES)
        self.view = memoryview(self.room)
        self.now_s = time.monotonic()
        self.handshakes = self.connections = self.received_bytes = 0

    # --- for callers

    def ask(
        self,
        caller: Caller,
        place: Place,
        request: bytes,
        *,
        keep: bool = False,
        digest: Any = None,
        limit_bytes_per_s: float = 0.0,
    ) -> None:
        """Send `request` over the caller's connection, or a new one. `keep`: its body is wanted. `digest`: any object
        with `update`. The outcome is told later, never before this returns."""
        link = caller.link
        if link is not None and link.place is not place and link.place != place:
            link.close()
            link = None
        if link is not None:
            link.send(request, keep=keep, digest=digest)
            return
        new = _Request(caller, place, request, keep, digest, limit_bytes_per_s)
        if not self._waiting:
            if len(self._links) < self._most_links:
                self._begin(new)
                return
            self.at(self.now_s, self._make_room)
        self._waiting.append(new)

    def at(self, due_s: float, call: Callable[[], None]) -> None:
        """Call it at that time (`time.monotonic`)."""
        self._serial += 1
        heapq.heappush(self._timers, (due_s, self._serial, call))

    @property
    def open_links(self) -> int:
        return len(self._links)

    @property
    def busy(self) -> int:
        """Exchanges that are under way, or wait for room."""
        return sum(link.busy for link in self._links.values()) + len(self._waiting)

    def callers(self) -> list[Caller]:
        """Those whose exchanges are under way, or wait for room."""
        asking = [link.caller for link in self._links.values() if link.busy and link.caller is not None]
        return asking + [one.caller for one in self._waiting]

    # --- the loop

    async def run(self) -> None:
        self.at(self.now_s + SWEEP_S, self._sweep)
        try:
            while True:
                pause_s = self._take_turns()
                if pause_s <= 0:
                    await trio.lowlevel.checkpoint()
                    continue
                with trio.move_on_after(pause_s):
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
        finally:
            for link in list(self._links.values()):
                link.close()
            self._epoll.close()

    def _take_turns(self) -> float:
        """Turn after turn while there is something to do, up to `HOLD_S`. Returns for how long there is nothing."""
        begun_s = quiet_s = self.now_s = time.monotonic()
        poll, links, timers = self._epoll.poll, self._links, self._timers
        while True:
            for _ in range(TURN_EVENTS):
                if not timers or timers[0][0] > self.now_s:
                    break
                heapq.heappop(timers)[2]()
                quiet_s = self.now_s
            events = poll(0, TURN_EVENTS)
            self.now_s = now_s = time.monotonic()
            if events:
                for fd, mask in events:
                    link = links.get(fd)
                    if link is not None:
                        link.ready(mask)
                quiet_s = now_s
            elif now_s - quiet_s >= SPIN_S or not links:
                return timers[0][0] - now_s if timers else 3600.0
            if now_s - begun_s > HOLD_S:
                return 0.0

    def _sweep(self) -> None:
        late_s = self.now_s - PATIENCE_S
        for link in [one for one in self._links.values() if one.busy and one.heard_s < late_s]:
            link.expire()
        self.at(self.now_s + SWEEP_S, self._sweep)

    def _make_room(self) -> None:
        """For the requests that wait. This is a timer, and no part of `ask`: at its time no event is on its way to a
        connection that is closed here, whose descriptor the next one gets."""
        waiting = self._waiting
        if len(self._links) >= self._most_links:
            idle = sorted((link for link in self._links.values() if not link.busy), key=attrgetter("heard_s"))
            for link in idle[: max(len(waiting), self._most_links // ROOM_SHARE)]:
                link.close()
        while waiting and len(self._links) < self._most_links:
            self._begin(waiting.popleft())
        if waiting:
            self.at(self.now_s + CROWDED_S, self._make_room)

    # --- for links

    def watch(self, sock: socket.socket, mask: int) -> None:
        self._epoll.modify(sock.fileno(), mask)

    def forget(self, sock: socket.socket) -> None:
        del self._links[sock.fileno()]
        with contextlib.suppress(OSError):
            self._epoll.unregister(sock.fileno())

    def _begin(self, new: _Request) -> None:
        caller = new.caller
        try:
            link = self._connect(caller, new.place, new.limit_bytes_per_s)
        except (OSError, ValueError) as error:
            why = reason(error) if isinstance(error, OSError) else NO_ADDRESS
            self.at(self.now_s, lambda: caller.failed(why, None))
            return
        link.send(new.data, keep=new.keep, digest=new.digest)

    def _connect(self, caller: Caller, place: Place, limit_bytes_per_s: float) -> Link:
        family, address = self._address(place)
        sock: Any = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if limit_bytes_per_s:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
            if self._source is not None and str(address[0]).startswith("127."):
                sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                sock.bind((self._source(caller), 0))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if place.is_tls:  # before it connects: while it does, which takes time off loopback, ssl calls it a fault
                sock = self._context.wrap_socket(sock, server_hostname=place.host, do_handshake_on_connect=False)
            error = sock.connect_ex(address)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, os.strerror(error))
        except BaseException:
            sock.close()
            raise
        link = Link(self, caller, place, sock, limit_bytes_per_s)
        self._links[sock.fileno()] = link
        self._epoll.register(sock.fileno(), select.EPOLLOUT)
        self.connections += 1
        caller.link = link
        return link

    def _address(self, place: Place) -> tuple[int, Any]:
        """Names are looked up once, here and now: a fleet asks few hosts. Raises `OSError`, `ValueError`."""
        found = self._addresses.get(place)
        if found is not None:
            return found
        begun_s = time.monotonic()
        until_s, why = self._unknown.get(place, (0.0, ""))
        if begun_s >= until_s:
            try:
                found = self._addresses[place] = look_up(place)
            except OSError as error:
                why = reason(error)
            else:
                return found
            self._remember(place, begun_s, why)
        raise OSError(errno.EADDRNOTAVAIL, why)

    def _remember(self, place: Place, begun_s: float, why: str) -> None:
        """That it was looked up in vain, from `begun_s` until now."""
        now_s = time.monotonic()
        if len(self._unknown) >= MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[place] = (now_s + max(UNKNOWN_S, UNKNOWN_SHARE * (now_s - begun_s)), why)


def look_up(place: Place) -> tuple[int, Any]:
    """Family and address. IPv4 before IPv6: there is one try only. Raises `ValueError` for what is no address (a port
    of 0 stands for one that could not be read), `OSError` where there is no such host."""
    if not place.host or not 0 < place.port < 65_536:
        raise ValueError(f"expected a host and a port from 1 to 65535, got {place.host}:{place.port}")
    known = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    family, _, _, _, address = min(known, key=lambda one: one[0] != socket.AF_INET)
    return family, address
