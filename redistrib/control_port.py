"""What a mirror answers beside fragments: health, metrics, and, for mirrors behind it, what only the origin can tell.

    GET  /healthz  /readyz  /metrics
    ANY  /api/v1/mirror/…     forwarded to the server that this mirror follows; body and answer are not changed

So a mirror of a mirror joins, follows and reports as any other does, and needs to reach its neighbour only.
"""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import h11
import trio

from distd.domain.errors import DistdError, TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.lane.client.http_client import Client
    from distd.lane.streams import PlainStream, TlsStream

    Stream = PlainStream | TlsStream

FORWARDED: Final = "/api/v1/mirror/"
MAX_HEAD_BYTES: Final = 16_384
MAX_BODY_BYTES: Final = 4_194_304
REQUEST_TIMEOUT_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 1.0
MAX_CONNECTIONS: Final = 1000
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
        try:
            with trio.fail_after(REQUEST_TIMEOUT_S):
                request, body = await _read(stream)
        except TooLarge:
            with trio.move_on_after(CLOSE_TIMEOUT_S):
                await _send(stream, 413, b"the body is too large\n")
        else:
            await self._answer(stream, request, body)

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
                await _send(stream, 404, b"this is a redistribution server: see /healthz, /readyz, /metrics\n")

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


async def _read(stream: Stream) -> tuple[h11.Request, bytes]:
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
    request, body = None, b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive_some(65_536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BODY_BYTES:
                raise TooLarge("body", f"at most {MAX_BODY_BYTES} bytes", len(body))
        elif request is not None and isinstance(event, h11.EndOfMessage):
            return request, body
        else:
            raise trio.BrokenResourceError("the client closed before its request was whole")


async def _send(stream: Stream, status: int, body: bytes, kind: str = TEXT) -> None:
    head = f"{_status_line(status)}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n{_LAST_FIELDS}\r\n"
    await stream.send_all(head.encode() + body)


def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n"


_LAST_FIELDS: Final = "Cache-Control: no-store\r\nConnection: close\r\n"
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
