"""What a mirror answers beside fragments: health, metrics, and, for mirrors behind it, what only the origin can tell.

    GET  /healthz  /readyz  /metrics
    ANY  /api/v1/mirror/…     forwarded to the server that this mirror follows; body and answer are not changed

So a mirror of a mirror joins, follows and reports as any other does, and needs to reach its neighbour only.

A body is read of what is forwarded only, and all bodies together have `MAX_BUFFERED_BYTES`: who sends one is known to
the origin, not here.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

import h11
import trio

from distd.domain.errors import DistdError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distd.lane.client.http_client import Client
    from distd.lane.streams import PlainStream, TlsStream

    Stream = PlainStream | TlsStream

FORWARDED: Final = "/api/v1/mirror/"
MAX_HEAD_BYTES: Final = 16_384
MAX_BODY_BYTES: Final = 4_194_304
MAX_UNNAMED_BODY_BYTES: Final = 65_536  # of a request without Authorization: joining is one
MAX_BUFFERED_BYTES: Final = 16_777_216  # of all bodies that are in memory at once
MAX_BUFFERED_BYTES_PER_ADDRESS: Final = 8_388_608
REQUEST_TIMEOUT_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 1.0
RECEIVE_BYTES: Final = 65_536
MAX_CONNECTIONS: Final = 1000
NOT_FOUND: Final = b"this is a redistribution server: see /healthz, /readyz, /metrics\n"
TEXT: Final = "text/plain; charset=utf-8"

_FORWARDED_FIELDS: Final = (b"authorization", b"content-type")


class ControlPort:
    """Serves streams that the lane hands over, one request each, in `nursery`."""

    def __init__(
        self,
        client: Client,
        origin: str,
        metrics: Callable[[], bytes],
        is_ready: Callable[[], bool],
        nursery: trio.Nursery,
    ) -> None:
        """`origin`: the URL that this mirror follows; empty: it follows none."""
        self._client = client
        self._origin = origin
        self._metrics = metrics
        self._is_ready = is_ready
        self._nursery = nursery
        self._open = 0
        self._budget = _Budget()

    def serve(self, stream: Stream) -> None:
        """Answer the request of a stream, and close it."""
        if self._open >= MAX_CONNECTIONS:
            stream.close()
        else:
            self._nursery.start_soon(self._serve, stream)

    async def _serve(self, stream: Stream) -> None:
        self._open += 1
        try:
            await self._serve_request(stream)
            with trio.move_on_after(CLOSE_TIMEOUT_S):
                await stream.aclose()
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass
        finally:
            self._open -= 1
            stream.close()

    async def _serve_request(self, stream: Stream) -> None:
        with _Body(self._budget, _address_of(stream)) as body:
            try:
                with trio.fail_after(REQUEST_TIMEOUT_S):
                    request = await body.read(stream, self._takes_body)
            except _Refused as refused:
                with trio.move_on_after(CLOSE_TIMEOUT_S):
                    await _send(stream, refused.status, f"{refused.why}\n".encode())
                    await _drain(stream)
            else:
                await self._answer(stream, request, bytes(body.data))

    def _takes_body(self, request: h11.Request) -> bool:
        return bool(self._origin) and request.target.startswith(FORWARDED.encode()) and request.method != b"GET"

    async def _answer(self, stream: Stream, request: h11.Request, body: bytes) -> None:
        path = request.target.decode("ascii")
        if path.startswith(FORWARDED) and self._origin:
            await self._forward(stream, request, body, path)
            return
        match path.partition("?")[0], request.method:
            case "/healthz", b"GET":
                await _send(stream, 200, b"ok\n")
            case "/readyz", b"GET" if self._is_ready():
                await _send(stream, 200, b"ok\n")
            case "/readyz", b"GET":
                await _send(stream, 503, b"not in touch with the origin, or not all packages are here yet\n")
            case "/metrics", b"GET":
                await _send(stream, 200, self._metrics())
            case _:
                await _send(stream, 404, NOT_FOUND)

    async def _forward(self, stream: Stream, request: h11.Request, body: bytes, path: str) -> None:
        fields = [field for field in request.headers if field[0] in _FORWARDED_FIELDS]
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in fields]
        method, url = request.method.decode("ascii"), self._origin + path
        try:
            if method == "GET":
                await self._forward_stream(stream, url, headers)
            else:
                answer = await self._client.request(method, url, body=body, headers=headers)
                await _send(stream, answer.status, answer.body, answer.headers.get("content-type", "text/plain"))
        except Unavailable as error:
            await _send(stream, 502, f"{error}\n".encode())
        except DistdError as error:
            await _send(stream, 400, f"{error}\n".encode())

    async def _forward_stream(self, stream: Stream, url: str, headers: list[tuple[str, str]]) -> None:
        """An answer that may never end: each piece as it comes, until either side closes."""
        async with self._client.stream("GET", url, headers) as answer:
            kind = answer.headers.get("content-type", "text/plain")
            head = f"{_status_line(answer.status)}Content-Type: {kind}\r\n{_LAST_FIELDS}"
            await stream.send_all(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_wait_until_closed, stream, nursery.cancel_scope)
                # An answer that breaks off is not ended: the client sees that it is not whole.
                with suppress(Unavailable, trio.BrokenResourceError, trio.ClosedResourceError):
                    async for data in answer:
                        await stream.send_all(b"%x\r\n%s\r\n" % (len(data), data))
                    await stream.send_all(b"0\r\n\r\n")
                nursery.cancel_scope.cancel()


async def _wait_until_closed(stream: Stream, scope: trio.CancelScope) -> None:
    try:
        while await stream.receive_some(1024):
            pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


class _Refused(Exception):
    """A request that is answered before all of it has come."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why


class _Budget:
    """The memory of all bodies, and how much of it each address has. `reserve` takes of it, `release` gives back."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def reserve(self, address: str, size_bytes: int) -> bool:
        """False: there is not so much left."""
        of_address = self._of[address] + size_bytes
        if of_address > MAX_BUFFERED_BYTES_PER_ADDRESS or self._of.total() + size_bytes > MAX_BUFFERED_BYTES:
            return False
        self._of[address] = of_address
        return True

    def release(self, address: str, size_bytes: int) -> None:
        self._of[address] -= size_bytes
        if not self._of[address]:
            del self._of[address]


class _Body:
    """The body of a request from `address`, gathered in `data`; at the end of the block its memory is free again."""

    def __init__(self, budget: _Budget, address: str) -> None:
        self.data = bytearray()
        self._budget = budget
        self._address = address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.release(self._address, len(self.data))

    async def read(self, stream: Stream, takes_body: Callable[[h11.Request], bool]) -> h11.Request:
        """Read a request, and its body if it may have one. Raises `_Refused`, `RemoteProtocolError`."""
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        request: h11.Request | None = None
        limit_bytes = 0
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some(RECEIVE_BYTES))
            elif isinstance(event, h11.Request):
                request, fields = event, dict(event.headers)
                limit_bytes = _limit_of(fields) if takes_body(request) else 0
                self._check(int(fields.get(b"content-length", b"0")), limit_bytes)
            elif isinstance(event, h11.Data):
                self._check(len(self.data) + len(event.data), limit_bytes)
                if not self._budget.reserve(self._address, len(event.data)):
                    raise _Refused(503, "too many requests are waiting")
                self.data += event.data
            elif request is not None and isinstance(event, h11.EndOfMessage):
                return request
            else:
                raise trio.BrokenResourceError("the client closed before its request was whole")

    @staticmethod
    def _check(size_bytes: int, limit_bytes: int) -> None:
        if size_bytes > limit_bytes and not limit_bytes:
            raise _Refused(404, NOT_FOUND.decode().rstrip())
        if size_bytes > limit_bytes:
            raise _Refused(413, f"body of a request: expected at most {limit_bytes} bytes, got {size_bytes} or more")


def _limit_of(fields: Mapping[bytes, bytes]) -> int:
    return MAX_BODY_BYTES if b"authorization" in fields else MAX_UNNAMED_BODY_BYTES


def _address_of(stream: Stream) -> str:
    try:
        return str(stream.socket.getpeername()[0])
    except (OSError, IndexError):  # it has gone; or it is of no network
        return ""


async def _drain(stream: Stream) -> None:
    """Throw away what still comes, so that no reset overtakes the answer."""
    while await stream.receive_some(RECEIVE_BYTES):
        pass


async def _send(stream: Stream, status: int, body: bytes, kind: str = TEXT) -> None:
    head = f"{_status_line(status)}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n{_LAST_FIELDS}\r\n"
    await stream.send_all(head.encode() + body)


def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n"


_LAST_FIELDS: Final = "Cache-Control: no-store\r\nConnection: close\r\n"
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
