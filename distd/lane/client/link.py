"""A caller's connection in a `ClientPool`: one request at a time goes out, and its answer is read as it comes.

Error handling: whatever goes wrong is told once to `Caller.failed`, in few words. Where a kept-alive connection turns
out to be closed when it is used again, its request goes to the context's `retry` instead.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import h11

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from distd.lane.reactor import Reactor

RECEIVE_BYTES: Final = 262_144
MAX_HEAD_BYTES: Final = 65_536
MAX_KEPT_BYTES: Final = 67_108_864
SLOW_TICK_S: Final = 0.1

_IN: Final = select.EPOLLIN | select.EPOLLRDHUP
_OUT: Final = select.EPOLLOUT
_EMPTY: Final = frozenset({204, 304})
_HEAD, _TO_END, _CHUNKED = -1, -2, -3  # instead of the bytes that are left


class Endpoint(NamedTuple):
    """Where to connect to."""

    host: str
    port: int
    is_tls: bool


class Caller(Protocol):
    """Who sends requests. It has one exchange at a time."""

    link: Link | None

    def answered(self, link: Link) -> None:
        """The answer has come whole. `link` tells of it until this returns."""

    def failed(self, why: str, link: Link | None) -> None:
        """`link` is closed, but still tells what it has heard of the answer. None: there was no connection."""


class LinkContext:
    """What the links of one reactor share: the buffer that all receive into, `view` being a view of it, and counters.

    `retry(caller, endpoint, request, keep=, digest=, limit_bytes_per_s=)` sends a request once more, over a new link.
    """

    __slots__ = ("buffer", "connections", "handshakes", "reactor", "received_bytes", "retry", "view")

    def __init__(self, reactor: Reactor, retry: Callable[..., None]) -> None:
        self.reactor = reactor
        self.retry = retry
        self.buffer = bytearray(RECEIVE_BYTES)
        self.view = memoryview(self.buffer)
        self.connections = self.handshakes = self.received_bytes = 0


class Link:
    """A caller's connection. What may be looked at is of the last answer: `status`, `length`, the `body` if it was to
    be kept, and `field`s."""

    __slots__ = (
        "_buffer",
        "_closes",
        "_connecting",
        "_context",
        "_fields",
        "_handshake_done",
        "_head",
        "_kept",
        "_left",
        "_limit_bytes_per_s",
        "_out",
        "_reactor",
        "_request",
        "_sock",
        "body",
        "busy",
        "caller",
        "digest",
        "endpoint",
        "heard_s",
        "length",
        "status",
        "used",
    )

    def __init__(
        self, context: LinkContext, caller: Caller, endpoint: Endpoint, sock: Any, limit_bytes_per_s: float
    ) -> None:
        """`sock` connects already, and is the link's from here on. `limit_bytes_per_s`: 0 is none."""
        self._context, self._sock, self.endpoint = context, sock, endpoint
        self._reactor = context.reactor
        self.caller: Caller | None = caller
        self._limit_bytes_per_s = limit_bytes_per_s
        self._connecting, self._handshake_done = True, not endpoint.is_tls
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
        context.connections += 1
        self._reactor.add(sock.fileno(), self, _OUT)
        caller.link = self

    # --- asking

    def send(self, request: bytes, *, keep: bool, digest: Any) -> None:
        """Send a request, as soon as it is connected. `keep`, `digest`: as `ClientPool.ask` has them."""
        self._kept = [] if keep else None
        self.digest = digest
        self._request = request
        self.busy = True
        self.length = 0
        self.heard_s = self._reactor.now_s
        if self._connecting or not self._handshake_done:
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
            self._reactor.modify(self._sock.fileno(), _IN | _OUT)

    def field(self, name: bytes) -> str:
        """Of the answer's head, by its name in lower case; empty when it has none."""
        return _value(self._head, self._fields, b"\r\n%s:" % name).decode("latin-1")

    # --- what epoll tells

    def ready(self, mask: int) -> None:
        """As `reactor.Target` has it."""
        try:
            if self._connecting and not self._connected():
                return
            if not self._handshake_done and not self._make_handshake():
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

    def _make_handshake(self) -> bool:
        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            self._reactor.modify(self._sock.fileno(), _IN)
            return False
        self._handshake_done = True
        self._context.handshakes += 1
        return True

    def _flush(self) -> None:
        sent = self._sock.send(self._out)
        self._out = self._out[sent:]
        if not self._out:
            self._reactor.modify(self._sock.fileno(), _IN)

    def _receive(self) -> None:
        """All that has come. Under TLS nothing may stay in the SSL object, for epoll would not tell of it."""
        context = self._context
        view = context.view
        max_bytes = max(int(self._limit_bytes_per_s * SLOW_TICK_S), 1) if self._limit_bytes_per_s else RECEIVE_BYTES
        while True:
            size = self._sock.recv_into(view, max_bytes)
            if not size:
                self._ended()
                return
            context.received_bytes += size
            if not self.busy:
                self.close()  # bytes that answer nothing
                return
            self.heard_s = self._reactor.now_s
            if self._left >= 0 and not self._buffer:
                self._take(view, 0, size)
            else:
                self._read_head(context.buffer, size)
            if self._limit_bytes_per_s and self.busy and self._sock is not None:
                self._pause()
                return
            if not self.endpoint.is_tls or self._sock is None or not self.busy:
                return

    def _pause(self) -> None:
        self._reactor.modify(self._sock.fileno(), 0)
        self._reactor.at(self._reactor.now_s + SLOW_TICK_S, self._go_on)

    def _go_on(self) -> None:
        if self._sock is not None:
            self._reactor.modify(self._sock.fileno(), _IN)
            if self.endpoint.is_tls:
                self.ready(_IN)

    def _read_head(self, data: bytearray, size: int) -> None:
        if self._left in (_TO_END, _CHUNKED):
            self._buffer += bytes(data[:size])
            self._read_framed(ended=False)
            return
        if self._buffer:
            data = bytearray(self._buffer) + data[:size]
            size, self._buffer = len(data), b""
        end = data.find(b"\r\n\r\n", 0, size)
        if end < 0:
            if size > MAX_HEAD_BYTES:
                raise OSError(errno.EPROTO, "a head that is too long")
            self._buffer = bytes(data[:size])
            return
        self._head = bytes(data[:end])
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
            self._buffer = bytes(data[:size])
            self._read_framed(ended=False)
            return
        if not length.isdigit():
            raise OSError(errno.EPROTO, "invalid Content-Length")
        self.length = self._left = int(length)
        self._take(memoryview(data), end + 4, size)

    def _take(self, view: memoryview, start: int, stop: int) -> None:
        """Bytes of a body whose length is known."""
        if stop - start > self._left:
            raise OSError(errno.EPROTO, "more bytes than Content-Length")
        self._left -= stop - start
        if stop > start:
            if self.digest is not None:
                self.digest.update(view[start:stop])
            if self._kept is not None:
                self._kept.append(bytes(view[start:stop]))
                if self.length > MAX_KEPT_BYTES:
                    raise OSError(errno.EPROTO, f"a body of {self.length} bytes")
        if not self._left:
            self._done()

    def _read_framed(self, *, ended: bool) -> None:
        """An answer in chunks, or up to the connection's end: rare, and so read again with each piece."""
        if len(self._buffer) > MAX_KEPT_BYTES:
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
        self._fail("closed before an answer" if self._left == _HEAD else "closed within a body")

    def _broken(self, error: OSError) -> None:
        self._fail(reason(error))

    def _fail(self, why: str, *, may_retry: bool = True) -> None:
        caller, was_busy = self.caller, self.busy
        is_stale = self.used and self._left == _HEAD and not self._buffer
        self.close()
        if caller is None or not was_busy:
            return
        if may_retry and is_stale:
            self._context.retry(
                caller,
                self.endpoint,
                self._request,
                keep=self._kept is not None,
                digest=self.digest,
                limit_bytes_per_s=self._limit_bytes_per_s,
            )
        else:
            caller.failed(why, self)

    def expire(self) -> None:
        """The answer has not come in time."""
        self._fail("timed out", may_retry=False)

    def close(self) -> None:
        """The caller hears no more of it."""
        if self._sock is None:
            return
        self._reactor.remove(self._sock.fileno())
        self._sock.close()
        self._sock = None
        if self.caller is not None:
            self.caller.link = None
            self.caller = None


def _value(head: bytes, fields: bytes, mark: bytes) -> bytes:
    """What stands behind `mark` in its line; empty when it is not there. `fields` is `head` in lower case."""
    start = fields.find(mark)
    if start < 0:
        return b""
    start += len(mark)
    end = fields.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


def reason(error: OSError) -> str:
    """A fault in few words, the same for the same kind."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"no such host: {error.strerror}"
    return (error.strerror or str(error)).lower()
