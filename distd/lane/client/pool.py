"""Very many HTTP clients in one trio task, on the reactor that the lane stands on too.

Each caller has one connection at a time, as a stock agent has: another host or port closes it.

Resource handling: connections are closed when `run` ends, however it ends. A caller whose connection is closed hears no
more of it.

Where all the connections that it may have are open, those that have been idle longest are closed to make room, as a
server might close them; while none is idle, requests wait for one.

Error handling: whatever goes wrong with an exchange is told once to `Caller.failed`, in few words; a status is no
error. A body never ends early without it. Where a kept-alive connection turns out to be closed when it is used again,
the request is sent once more over a new one. An invalid address or an unknown host fails as a refused connection does.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from distd.domain.lru import Lru
from distd.lane.client.link import Link, LinkContext, reason
from distd.lane.reactor import Reactor

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from distd.lane.client.link import Caller, Endpoint

EXPIRY_CHECK_S: Final = 2.0
MAX_LINKS: Final = 1_000_000
TIMEOUT_S: Final = 180.0  # without a byte: a stock agent's
ROOM_CHECK_S: Final = 0.01  # while requests wait for a connection
UNKNOWN_HOST_S: Final = 5.0  # an unknown host is not looked up again for so long,
UNKNOWN_HOST_FACTOR: Final = 20  # or for so many times as long as that took, for nothing else happens meanwhile
MAX_UNKNOWN_HOSTS: Final = 1024
INVALID_ADDRESS: Final = "invalid address"
ROOM_SHARE: Final = 16  # one in so many is closed at once, for to find the idle ones is to look at all
SLOW_BUFFER_BYTES: Final = 16_384
IP_BIND_ADDRESS_NO_PORT: Final = 24  # linux/in.h; the port is chosen at connect, so it may be used to many places


class _Request(NamedTuple):
    """A request that waits for a connection."""

    caller: Caller
    endpoint: Endpoint
    data: bytes
    keep: bool
    digest: Any
    limit_bytes_per_s: float


class ClientPool(Reactor):
    """The connections. `run` works until cancelled; everything else is called from its callbacks, or before it.

    Times are `time.monotonic`'s, which all processes of a machine share.
    """

    def __init__(
        self, context: ssl.SSLContext, source: Callable[[Caller], str] | None = None, max_links: int = MAX_LINKS
    ) -> None:
        """`source`: the address of loopback that a caller's connections come from, when they go to loopback.
        `max_links`: connections at once; to be less than the files that the process may open."""
        super().__init__(monotonic)
        self.now_s = monotonic()
        self._ssl_context = context
        self._source = source
        self._max_links = max_links
        self._shared = LinkContext(self, self.ask)
        self._waiting: deque[_Request] = deque()
        self._addresses: dict[Endpoint, tuple[int, Any]] = {}
        # Until when not to look it up again, and why.
        self._unknown: Lru[Endpoint, tuple[float, str]] = Lru(MAX_UNKNOWN_HOSTS)

    def ask(
        self,
        caller: Caller,
        endpoint: Endpoint,
        request: bytes,
        *,
        keep: bool = False,
        digest: Any = None,
        limit_bytes_per_s: float = 0.0,
    ) -> None:
        """Send `request` over the caller's connection, or a new one. `keep`: its body is wanted. `digest`: any object
        with `update`. The outcome is told later, never before this returns."""
        link = caller.link
        if link is not None and link.endpoint is not endpoint and link.endpoint != endpoint:
            link.close()
            link = None
        if link is not None:
            link.send(request, keep=keep, digest=digest)
            return
        new = _Request(caller, endpoint, request, keep, digest, limit_bytes_per_s)
        if not self._waiting:
            if len(self.targets) < self._max_links:
                self._begin(new)
                return
            self.at(self.now_s, self._make_room)
        self._waiting.append(new)

    @property
    def connections(self) -> int:
        """Connections made since the beginning."""
        return self._shared.connections

    @property
    def handshakes(self) -> int:
        """TLS handshakes made since the beginning."""
        return self._shared.handshakes

    @property
    def received_bytes(self) -> int:
        """Bytes received since the beginning, heads included."""
        return self._shared.received_bytes

    @property
    def open_links(self) -> int:
        """Connections that are open now."""
        return len(self.targets)

    @property
    def busy(self) -> int:
        """Exchanges that are under way, or wait for a connection."""
        return sum(link.busy for link in self._links()) + len(self._waiting)

    def callers(self) -> list[Caller]:
        """The callers whose exchanges are under way, or wait for a connection."""
        asking = [link.caller for link in self._links() if link.busy and link.caller is not None]
        return asking + [request.caller for request in self._waiting]

    async def run(self) -> None:
        """Work until cancelled; then no connection is open any more."""
        self.at(self.now_s + EXPIRY_CHECK_S, self._expire_links)
        try:
            await super().run()
        finally:
            for link in self._links():
                link.close()
            self.close()

    def _links(self) -> list[Link]:
        return cast("list[Link]", list(self.targets.values()))  # nothing else is in this reactor

    def _expire_links(self) -> None:
        late_s = self.now_s - TIMEOUT_S
        for link in self._links():
            if link.busy and link.heard_s < late_s:
                link.expire()
        self.at(self.now_s + EXPIRY_CHECK_S, self._expire_links)

    def _make_room(self) -> None:
        """Close idle connections for the requests that wait. It is a timer, and no part of `ask`: at its time no event
        is on its way to a connection that is closed here, whose descriptor the next one gets."""
        waiting = self._waiting
        if len(self.targets) >= self._max_links:
            idle = sorted((link for link in self._links() if not link.busy), key=attrgetter("heard_s"))
            for link in idle[: max(len(waiting), self._max_links // ROOM_SHARE)]:
                link.close()
        while waiting and len(self.targets) < self._max_links:
            self._begin(waiting.popleft())
        if waiting:
            self.at(self.now_s + ROOM_CHECK_S, self._make_room)

    def _begin(self, new: _Request) -> None:
        caller = new.caller
        try:
            link = self._connect(caller, new.endpoint, new.limit_bytes_per_s)
        except (OSError, ValueError) as error:
            why = reason(error) if isinstance(error, OSError) else INVALID_ADDRESS
            self.at(self.now_s, lambda: caller.failed(why, None))
            return
        link.send(new.data, keep=new.keep, digest=new.digest)

    def _connect(self, caller: Caller, endpoint: Endpoint, limit_bytes_per_s: float) -> Link:
        family, address = self._address(endpoint)
        sock: Any = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if limit_bytes_per_s:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
            if self._source is not None and str(address[0]).startswith("127."):
                sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                sock.bind((self._source(caller), 0))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if (
                endpoint.is_tls
            ):  # before it connects: while it does, which takes time off loopback, ssl calls it a fault
                sock = self._ssl_context.wrap_socket(sock, server_hostname=endpoint.host, do_handshake_on_connect=False)
            error = sock.connect_ex(address)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, os.strerror(error))
        except BaseException:
            sock.close()
            raise
        return Link(self._shared, caller, endpoint, sock, limit_bytes_per_s)

    def _address(self, endpoint: Endpoint) -> tuple[int, Any]:
        """Names are looked up once, here and now: a fleet asks few hosts. Raises `OSError`, `ValueError`."""
        found = self._addresses.get(endpoint)
        if found is not None:
            return found
        begun_s = monotonic()
        until_s, why = self._unknown.get(endpoint) or (0.0, "")
        if begun_s >= until_s:
            try:
                found = self._addresses[endpoint] = look_up(endpoint)
            except OSError as error:
                why = reason(error)
            else:
                return found
            now_s = monotonic()
            pause_s = max(UNKNOWN_HOST_S, UNKNOWN_HOST_FACTOR * (now_s - begun_s))
            self._unknown.put(endpoint, (now_s + pause_s, why))
        raise OSError(errno.EADDRNOTAVAIL, why)


def look_up(endpoint: Endpoint) -> tuple[int, Any]:
    """Family and address. IPv4 before IPv6: there is one try only. Raises `ValueError` for an invalid address (a port
    of 0 stands for one that could not be read), `OSError` for an unknown host."""
    if not endpoint.host or not 0 < endpoint.port < 65_536:
        raise ValueError(f"expected a host and a port from 1 to 65535, got {endpoint.host}:{endpoint.port}")
    known = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    family, _, _, _, address = min(known, key=lambda info: info[0] != socket.AF_INET)
    return family, address
