"""A small HTTP/1.1 client: heads through h11, bodies with a known length straight from the socket.

Resource handling: `async with open_client() as client` owns the kept-alive connections; nothing runs in the background.
A connection goes back for reuse only when its answer was read to the end.

Error handling: everything that a later try may mend (no connection, bad certificate, time-out, broken or short answer)
is `Unavailable`; a URL that cannot be asked for is `BadInput`; an answer over its limit is `TooLarge`. A status is no
error: the caller looks at it. A body never ends early without `Unavailable`.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Iterable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

import h11
import trio

from distd.domain.errors import BadInput, TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

CONNECT_S = 30  # name, connection and handshake together
IDLE_S = 60  # without a byte, either way
REDIRECTS = 5
MAX_BODY_BYTES = 4_194_304
RECEIVE_BYTES = 262_144
MAX_IDLE_PER_HOST = 4

_REDIRECT = frozenset({301, 302, 307, 308})
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_PORTS = {"http": 80, "https": 443}

Headers = Iterable[tuple[str, str]]


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As the Host field wants it: brackets around an IPv6 address, no default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class _Redirects(NamedTuple):
    """Where redirects may lead: from https to http; to the same host only."""

    downgrade: bool
    same_host: bool

    def check(self, url: str, target: str) -> None:
        """Raises `Unavailable` for a target that is not allowed, `BadInput` for one that is none."""
        if url.startswith("https:") and not target.startswith("https:") and not self.downgrade:
            raise Unavailable(url, f"a redirect away from https, to {target}")
        if self.same_host and _split(url)[0].host != _split(target)[0].host:
            raise Unavailable(url, f"a redirect to another host, to {target}")


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` by lower-case name; several of one name are joined by ", ". `url` is the last one after redirects."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str


class _Connection:
    """One kept-alive connection: its transport and the raw socket below."""

    __slots__ = ("origin", "socket", "stream", "used")

    def __init__(self, origin: _Origin, stream: trio.abc.Stream, socket: trio.socket.SocketType) -> None:
        self.origin = origin
        self.stream = stream
        self.socket = socket
        self.used = False

    def is_stale(self) -> bool:
        """Whether the idle connection has something to read: its end, or bytes that answer nothing."""
        poll = select.poll()
        poll.register(self.socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """At once, without close_notify: a body's length is known, so what is cut off cannot pass for its end."""
        self.socket.close()

    async def receive(self) -> bytes:
        with trio.fail_after(IDLE_S):
            return bytes(await self.stream.receive_some(RECEIVE_BYTES))

    async def send(self, data: bytes) -> None:
        # In pieces, so that the time-out is for each of them and a slow line may still carry a large body.
        for start in range(0, len(data), RECEIVE_BYTES):
            with trio.fail_after(IDLE_S):
                await self.stream.send_all(data[start : start + RECEIVE_BYTES])


class Stream:
    """An answer whose body is still coming: `async for chunk in response`. `length` is None for a chunked one.

    `connection` is the client's.
    """

    __slots__ = ("_buffered", "_done", "_http", "_left", "connection", "headers", "length", "status", "url")

    def __init__(self, url: str, method: str, connection: _Connection, http: h11.Connection, head: h11.Response):
        self.url = url
        self.status = head.status_code
        self.headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        self.length = self._body_length(method)
        self._left = self.length
        self._buffered = b"" if self.length is None else http.trailing_data[0]
        self.connection = connection
        self._http = http
        self._done = False

    def _body_length(self, method: str) -> int | None:
        if method == "HEAD" or self.status in (204, 304):
            return 0
        if "transfer-encoding" in self.headers or "content-length" not in self.headers:
            return None
        return int(self.headers["content-length"])  # h11 has seen that it is one number

    @property
    def is_framed(self) -> bool:
        """Whether the answer itself says where its body ends."""
        return self.length is not None or "transfer-encoding" in self.headers

    @property
    def is_reusable(self) -> bool:
        """Whether the connection may carry another request: all is read, nothing more has come, it is to stay."""
        if not self._done or self._buffered or self._http.their_state is h11.MUST_CLOSE:
            return False
        return "close" not in self.headers.get("connection", "").lower() and self._http.their_http_version == b"1.1"

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        with _unavailable(self.url):
            chunk = await (self._next_framed() if self._left is None else self._next_counted(self._left))
        if not chunk:
            self._done = True
            raise StopAsyncIteration
        return chunk

    async def _next_counted(self, left: int) -> bytes:
        if not left:
            return b""
        data = self._buffered or await self.connection.receive()
        if not data:
            raise Unavailable(self.url, f"the body ended {left} bytes early, of {self.length}")
        chunk, self._buffered = data[:left], data[left:]
        self._left = left - len(chunk)
        return chunk

    async def _next_framed(self) -> bytes:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self.connection.receive())
            elif isinstance(event, h11.Data):
                return bytes(event.data)
            else:
                self._buffered = self._http.trailing_data[0]
                return b""

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body. Raises `TooLarge` as soon as it is over the limit."""
        parts, size = [], 0
        async for chunk in self:
            size += len(chunk)
            if size > limit_bytes:
                raise TooLarge(self.url, f"at most {limit_bytes} bytes", f"{self.length or size} bytes or more")
            parts.append(chunk)
        return b"".join(parts)


class Client:
    """Made by `open_client`. Requests may run side by side; each has a connection to itself."""

    def __init__(self, ssl_context: ssl.SSLContext | None, user_agent: str) -> None:
        self._ssl_context = ssl_context
        self._user_agent = user_agent
        self._idle: dict[_Origin, list[_Connection]] = {}

    def reconfigure_tls(self, change: Callable[[ssl.SSLContext], None]) -> None:
        """Change how servers are trusted; idle connections, which were made before, are closed."""
        if self._ssl_context is not None:
            change(self._ssl_context)
        self.close()
        self._idle.clear()

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Headers = (),
        max_body_bytes: int = MAX_BODY_BYTES,
        downgrade: bool = True,
        same_host: bool = False,
    ) -> Response:
        """Ask and read the whole answer. `downgrade`: whether a redirect may lead from https to http; `same_host`:
        none may lead to another host."""
        allowed = _Redirects(downgrade, same_host)
        async with self._open(method, url, headers, body, allowed) as answer:
            return Response(answer.status, answer.headers, await answer.read(max_body_bytes), answer.url)

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, headers: Headers = (), *, downgrade: bool = True, same_host: bool = False
    ) -> AsyncIterator[Stream]:
        """An answer to iterate over, as sent: a coded body, or one without a marked end, is `Unavailable`."""
        async with self._open(method, url, headers, b"", _Redirects(downgrade, same_host)) as answer:
            if not answer.is_framed:
                raise Unavailable(url, "the answer does not say how long it is")
            coding = answer.headers.get("content-encoding", "identity")
            if coding.lower() != "identity":
                raise Unavailable(url, f"expected the bytes as they are, got content-encoding {coding}")
            yield answer

    @asynccontextmanager
    async def _open(
        self, method: str, url: str, headers: Headers, body: bytes, allowed: _Redirects
    ) -> AsyncIterator[Stream]:
        headers = list(headers)
        for _ in range(REDIRECTS + 1):
            async with self._exchange(method, url, headers, body) as answer:
                target = _redirect_target(answer, method)
                if target is None:
                    yield answer
                    return
                await answer.read(MAX_BODY_BYTES)
            allowed.check(url, target)
            url = target
        raise Unavailable(url, f"more than {REDIRECTS} redirects")

    @asynccontextmanager
    async def _exchange(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes
    ) -> AsyncIterator[Stream]:
        origin, target = _split(url)
        fields = [("Host", origin.authority), ("User-Agent", self._user_agent), *headers]
        if body or method == "POST":
            fields.append(("Content-Length", str(len(body))))
        try:
            request = h11.Request(method=method, target=target, headers=fields)
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            raise BadInput("request", "header fields and a path that HTTP can carry", str(error)) from None
        answer = await self._first_answer(origin, url, request, body)
        connection = answer.connection
        try:
            yield answer
        finally:
            kept = self._idle.setdefault(origin, [])
            if answer.is_reusable and len(kept) < MAX_IDLE_PER_HOST:
                connection.used = True
                kept.append(connection)
            else:
                connection.close()

    async def _first_answer(self, origin: _Origin, url: str, request: h11.Request, body: bytes) -> Stream:
        """The answer's head. A reused connection may have died unseen: what may be asked twice is asked once more."""
        connection = self._reuse(origin) or await self._connect(origin, url)
        try:
            return await _ask(connection, url, request, body)
        except Unavailable:
            if not connection.used or request.method.decode() not in _IDEMPOTENT:
                raise
        return await _ask(await self._connect(origin, url), url, request, body)

    def _reuse(self, origin: _Origin) -> _Connection | None:
        kept = self._idle.get(origin, [])
        while kept:
            connection = kept.pop()
            if not connection.is_stale():
                return connection
            connection.close()
        return None

    async def _connect(self, origin: _Origin, url: str) -> _Connection:
        with _unavailable(url, f"no connection within {CONNECT_S} s"), trio.fail_after(CONNECT_S):
            try:
                transport = await trio.open_tcp_stream(origin.host, origin.port)
            except ValueError as error:  # also UnicodeError: a name that no host can have
                raise Unavailable(url, f"no such host: {error}") from None
            if origin.scheme == "http":
                return _Connection(origin, transport, transport.socket)
            context = self._ssl_context or ssl.create_default_context()
            secure = trio.SSLStream(transport, context, server_hostname=origin.host, https_compatible=True)
            try:
                await secure.do_handshake()
            except BaseException:
                transport.socket.close()
                raise
            return _Connection(origin, secure, transport.socket)

    def close(self) -> None:
        """Close the kept connections."""
        for kept in self._idle.values():
            for connection in kept:
                connection.close()


@asynccontextmanager
async def open_client(ssl_context: ssl.SSLContext | None = None, user_agent: str = "distd") -> AsyncIterator[Client]:
    """A client whose connections live until the block is left. `ssl_context` None trusts the system's CAs."""
    client = Client(ssl_context, user_agent)
    try:
        yield client
    finally:
        client.close()


async def _ask(connection: _Connection, url: str, request: h11.Request, body: bytes) -> Stream:
    http = h11.Connection(h11.CLIENT)
    data = (http.send(request) or b"") + (http.send(h11.Data(data=body)) or b"" if body else b"")
    data += http.send(h11.EndOfMessage()) or b""
    try:
        with _unavailable(url):
            await connection.send(data)
            while not isinstance(event := http.next_event(), h11.Response):
                if event is h11.NEED_DATA:
                    http.receive_data(await connection.receive())
            return Stream(url, request.method.decode(), connection, http, event)
    except BaseException:
        connection.close()
        raise


@contextmanager
def _unavailable(url: str, late: str = f"no byte for {IDLE_S} s") -> Iterator[None]:
    """Raise the faults of network and peer as the one error that callers know. `late` is said of a time-out."""
    try:
        yield
    except trio.TooSlowError:
        raise Unavailable(url, late) from None
    except h11.RemoteProtocolError as error:
        raise Unavailable(url, f"broken HTTP: {error}") from error
    except (OSError, trio.BrokenResourceError) as error:
        raise Unavailable(url, _reason(error)) from error


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the one that names the certificate or the refusal."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, BaseExceptionGroup):
        return _reason(error.exceptions[0])
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}"
    if isinstance(error, OSError) and error.strerror:  # trio puts the address into its text
        return error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
    return str(error) or type(error).__name__


def _redirect_target(answer: Stream, method: str) -> str | None:
    location = answer.headers.get("location")
    if location is None or answer.status not in _REDIRECT or method not in ("GET", "HEAD"):
        return None
    try:
        return urljoin(answer.url, location)
    except ValueError as error:
        raise Unavailable(answer.url, f"a redirect to what is no URL, {location}: {error}") from None


def _split(url: str) -> tuple[_Origin, str]:
    """Origin and request target of an http or https URL. Raises `BadInput`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadInput("URL", "http://host[:port]/path or https://…", url, str(error)) from None
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or not plain:
        raise BadInput("URL", "http://host[:port]/path or https://…", url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme]), target
