"""Very many HTTP clients in one trio task: the lane's shape, the other way round.

Each caller has one connection at a time, as a stock agent has: another host or port closes it. A private epoll set
tells which have something; plain callbacks take it, and mostly send the next request at once. Timers are a heap. The
task goes back to trio when nothing is ready, or after `HOLD_S`.

Resource handling: connections are closed when `run` ends, however it ends. A caller that is asked to `drop` its
connection hears no more of it.

Error handling: whatever goes wrong with an exchange is told once to `Caller.failed`, in few words; a status is no
error. A body never ends early without it. Where a kept-alive connection turns out to be closed when it is used again,
the request is sent once more over a new one.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import select
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import h11
import trio

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TURN_EVENTS: Final = 256
HOLD_S: Final = 0.005
SPIN_S: Final = 0.0002
SWEEP_S: Final = 2.0
PATIENCE_S: Final = 180.0  # without a byte: a stock agent's
RECEIVE_BYTES: Final = 262_144
MOST_HEAD_BYTES: Final = 65_536
MOST_KEPT_BYTES: Final = 67_108_864
SLOW_TICK_S: Final = 0.1
SLOW_BUFFER_BYTES: Final = 16_384

_IN: Final = select.EPOLLIN | select.EPOLLRDHUP
_OUT: Final = select.EPOLLOUT
IP_BIND_ADDRESS_NO_PORT: Final = 24  # linux/in.h; the port is chosen at connect, so it may be used to many places
_EMPTY: Final = frozenset({204, 304})
_HEAD, _TO_END, _CHUNKED = -1, -2, -3  # instead of the bytes that are left


class Place(NamedTuple):
    """Where to connect to."""

    host: str
    port: int
    is_tls: bool


class Caller(Protocol):
    """Who asks. It has one exchange at a time."""

    link: Link | None

    def answered(self, link: Link) -> None:
        """The answer has come whole. `link` tells of it until this returns."""

    def failed(self, why: str, link: Link | None) -> None:
        """`link` is closed, but still tells what it has heard of the answer. None: there was no connection."""


class Link:
    """A caller's connection. What may be looked at is of the last answer: `status`, `length`, the `body` if it was to
    be kept, and `field`s."""

    __slots__ = (
        "_buffer",
        "_closes",
        "_connecting",
        "_fields",
        "_head",
        "_kept",
        "_left",
        "_limit_bytes_per_s",
        "_out",
        "_request",
        "_shaken",
        "_sock",
        "_swarm",
        "body",
        "busy",
        "caller",
        "digest",
        "heard_s",
        "length",
        "place",
        "status",
        "used",
    )

    def __init__(self, swarm: Swarm, caller: Caller, place: Place, sock: Any, limit_bytes_per_s: float) -> None:
        self._swarm, self._sock, self.place = swarm, sock, place
        self.caller: Caller | None = caller
        self._limit_bytes_per_s = limit_bytes_per_s
        self._connecting, self._shaken = True, not place.is_tls
        self._out = self._request = b""
        self._buffer = b""
        self._left = _HEAD
        self._kept: list[bytes] | None = None
        self._closes = False
        self.digest: Any = None
        self.busy = False
        self.used = 0
        self.heard_s = 0.0
        self.status = self.length = 0
        self._head = self._fields = self.body = b""

    # --- asking

    def send(self, request: bytes, *, keep: bool, digest: Any) -> None:
        self._kept = [] if keep else None
        self.digest = digest
        self._request = request
        self.busy = True
        self.length = 0
        self.heard_s = self._swarm.now_s
        if self._connecting or not self._shaken:
            self._out = request
            return
        try:
            sent = self._sock.send(request)
        except (BlockingIOError, ssl.SSLWantWriteError):
            sent = 0
        except OSError as error:
            self._broken(error)
            return
        if sent < len(request):
            self._out = request[sent:]
            self._swarm.watch(self._sock, _IN | _OUT)

    def field(self, name: bytes) -> str:
        """Of the answer's head, by its name in lower case; empty when it has none."""
        return _value(self._head, self._fields, b"\r\n%s:" % name).decode("latin-1")

    # --- what epoll tells

    def ready(self, mask: int) -> None:
        try:
            if self._connecting and not self._connected():
                return
            if not self._shaken and not self._shake():
                return
            if self._out:
                self._flush()
            if mask & ~_OUT:
                self._receive()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return
        except OSError as error:
            self._broken(error)

    def _connected(self) -> bool:
        error = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self._connecting = False
        return True

    def _shake(self) -> bool:
        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            self._swarm.watch(self._sock, _IN)
            return False
        self._shaken = True
        self._swarm.handshakes += 1
        return True

    def _flush(self) -> None:
        sent = self._sock.send(self._out)
        self._out = self._out[sent:]
        if not self._out:
            self._swarm.watch(self._sock, _IN)

    def _receive(self) -> None:
        """All that has come. Under TLS nothing may stay in the SSL object, for epoll would not tell of it."""
        room, view = self._swarm.room, self._swarm.view
        most = max(int(self._limit_bytes_per_s * SLOW_TICK_S), 1) if self._limit_bytes_per_s else RECEIVE_BYTES
        while True:
            size = self._sock.recv_into(view, most)
            if not size:
                self._ended()
                return
            self._swarm.received_bytes += size
            if not self.busy:
                self.close()  # bytes that answer nothing
                return
            self.heard_s = self._swarm.now_s
            if self._left >= 0 and not self._buffer:
                self._take(view, 0, size)
            else:
                self._read_head(room, size)
            if self._limit_bytes_per_s and self.busy and self._sock is not None:
                self._pause()
                return
            if not self.place.is_tls or self._sock is None or not self.busy:
                return

    def _pause(self) -> None:
        self._swarm.watch(self._sock, 0)
        self._swarm.at(self._swarm.now_s + SLOW_TICK_S, self._go_on)

    def _go_on(self) -> None:
        if self._sock is not None:
            self._swarm.watch(self._sock, _IN)
            if self.place.is_tls:
                self.ready(_IN)

    def _read_head(self, room: bytearray, size: int) -> None:
        if self._left in (_TO_END, _CHUNKED):
            self._buffer += bytes(room[:size])
            self._read_framed(ended=False)
            return
        if self._buffer:
            room = bytearray(self._buffer) + room[:size]
            size, self._buffer = len(room), b""
        end = room.find(b"\r\n\r\n", 0, size)
        if end < 0:
            if size > MOST_HEAD_BYTES:
                raise OSError(errno.EPROTO, "no end of a head")
            self._buffer = bytes(room[:size])
            return
        self._head = bytes(room[:end])
        self._fields = fields = self._head.lower()
        status = fields[9:12]
        if not (fields.startswith(b"http/1.") and status.isdigit()):
            raise OSError(errno.EPROTO, "not HTTP")
        self.status = int(status)
        self._closes = b"\r\nconnection: close" in fields or fields[7:8] == b"0"
        is_chunked = b"\r\ntransfer-encoding:" in fields
        length = b"0" if self.status in _EMPTY else _value(fields, fields, b"\r\ncontent-length:")
        if is_chunked or not length:
            self._left = _CHUNKED if is_chunked else _TO_END
            self._closes = True
            self._buffer = bytes(room[:size])
            self._read_framed(ended=False)
            return
        if not length.isdigit():
            raise OSError(errno.EPROTO, "a length that is none")
        self.length = self._left = int(length)
        self._take(memoryview(room), end + 4, size)

    def _take(self, view: memoryview, start: int, stop: int) -> None:
        """Bytes of a body whose length is known."""
        if stop - start > self._left:
            raise OSError(errno.EPROTO, "more bytes than were promised")
        self._left -= stop - start
        if stop > start:
            if self.digest is not None:
                self.digest.update(view[start:stop])
            if self._kept is not None:
                self._kept.append(bytes(view[start:stop]))
                if self.length > MOST_KEPT_BYTES:
                    raise OSError(errno.EPROTO, f"a body of {self.length} bytes")
        if not self._left:
            self._done()

    def _read_framed(self, *, ended: bool) -> None:
        """An answer in chunks, or up to the connection's end: rare, and so read again with each piece."""
        if len(self._buffer) > MOST_KEPT_BYTES:
            raise OSError(errno.EPROTO, "a body without an end")
        http = h11.Connection(h11.CLIENT)
        http.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
        http.send(h11.EndOfMessage())
        http.receive_data(self._buffer)
        if ended:
            http.receive_data(b"")
        parts = []
        try:
            while (event := http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Data):
                    parts.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    body = b"".join(parts)
                    self.length = self._left = len(body)
                    self._buffer = b""
                    if body:
                        self._take(memoryview(body), 0, len(body))
                    else:
                        self._done()
                    return
        except h11.RemoteProtocolError as error:
            raise OSError(errno.EPROTO, str(error)) from None

    def _done(self) -> None:
        self.busy, self._left, self._buffer = False, _HEAD, b""
        self.used += 1
        self.body = b"".join(self._kept) if self._kept is not None else b""
        caller = self.caller
        if self._closes:
            self.close()
        if caller is not None:
            caller.answered(self)

    # --- ends

    def _ended(self) -> None:
        if self.busy and self._left == _TO_END:
            self._read_framed(ended=True)
            return
        self._lose("closed before an answer" if self._left == _HEAD else "closed within a body")

    def _broken(self, error: OSError) -> None:
        self._lose(reason(error))

    def _lose(self, why: str, *, again: bool = True) -> None:
        caller, was_busy = self.caller, self.busy
        is_stale = self.used and self._left == _HEAD and not self._buffer
        self.close()
        if caller is None or not was_busy:
            return
        if again and is_stale:
            self._swarm.ask(
                caller,
                self.place,
                self._request,
                keep=self._kept is not None,
                digest=self.digest,
                limit_bytes_per_s=self._limit_bytes_per_s,
            )
        else:
            caller.failed(why, self)

    def expire(self) -> None:
        self._lose("timed out", again=False)

    def close(self) -> None:
        """The caller hears no more of it."""
        if self._sock is None:
            return
        self._swarm.forget(self._sock)
        self._sock.close()
        self._sock = None
        if self.caller is not None:
            self.caller.link = None
            self.caller = None


class Swarm:
    """The state. `run` works until cancelled; everything else is called from its callbacks, or before it."""

    def __init__(self, context: ssl.SSLContext, source: Callable[[Caller], str] | None = None) -> None:
        """`source`: the address of loopback that a caller's connections come from, when they go to loopback."""
        self._context = context
        self._source = source
        self._epoll = select.epoll()
        self._links: dict[int, Link] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._addresses: dict[Place, tuple[int, Any]] = {}
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
        if link is None:
            try:
                link = self._connect(caller, place, limit_bytes_per_s)
            except OSError as error:
                why = reason(error)
                self.at(self.now_s, lambda: caller.failed(why, None))
                return
        link.send(request, keep=keep, digest=digest)

    def at(self, due_s: float, call: Callable[[], None]) -> None:
        """Call it at that time (`time.monotonic`)."""
        self._serial += 1
        heapq.heappush(self._timers, (due_s, self._serial, call))

    @property
    def open_links(self) -> int:
        return len(self._links)

    @property
    def busy(self) -> int:
        """Exchanges that are under way."""
        return sum(link.busy for link in self._links.values())

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

    # --- for links

    def watch(self, sock: socket.socket, mask: int) -> None:
        self._epoll.modify(sock.fileno(), mask)

    def forget(self, sock: socket.socket) -> None:
        del self._links[sock.fileno()]
        with contextlib.suppress(OSError):
            self._epoll.unregister(sock.fileno())

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
            error = sock.connect_ex(address)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, os.strerror(error))
            if place.is_tls:
                sock = self._context.wrap_socket(sock, server_hostname=place.host, do_handshake_on_connect=False)
        except BaseException:
            sock.close()
            raise
        link = Link(self, caller, place, sock, limit_bytes_per_s)
        self._links[sock.fileno()] = link
        self._epoll.register(sock.fileno(), _OUT)
        self.connections += 1
        caller.link = link
        return link

    def _address(self, place: Place) -> tuple[int, Any]:
        """Names are looked up once, here and now: a fleet asks few hosts."""
        found = self._addresses.get(place)
        if found is None:
            family, _, _, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
            found = self._addresses[place] = (family, address)
        return found


def _value(head: bytes, fields: bytes, mark: bytes) -> bytes:
    """What stands behind `mark` in its line; empty when it is not there. `fields` is `head` in lower case."""
    start = fields.find(mark)
    if start < 0:
        return b""
    start += len(mark)
    end = fields.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


def reason(error: OSError) -> str:
    """In few words, the same for the same kind of fault."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"no such host: {error.strerror}"
    return (error.strerror or str(error)).lower()
