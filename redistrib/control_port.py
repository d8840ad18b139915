"""What a mirror answers beside fragments: health, metrics, and, for mirrors behind it, what only the origin can tell.

    GET  /healthz  /readyz  /metrics
    ANY  /api/v1/mirror/…     passed on to where this mirror follows, body and answer as they are

So a mirror of a mirror joins, follows and reports as any other does, and needs to reach its neighbour only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import h11
import trio

from distd.domain.errors import DistdError, TooLarge, Unavailable

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.lane.client.http_client import Client
    from distd.lane.streams import PlainStream, TlsStream

    Stream = PlainStream | TlsStream

PASSED_ON: Final = "/api/v1/mirror/"
HEAD_BYTES: Final = 16_384
BODY_BYTES: Final = 4_194_304
REQUEST_S: Final = 30.0
MOST: Final = 1000  # connections at once
_KEPT: Final = (b"authorization", b"content-type")


class Door:
    """Serves streams that the lane hands over, one request each."""

    def __init__(
        self,
        client: Client,
        origin: str,
        metrics: Callable[[], bytes],
        is_ready: Callable[[], bool],
        nursery: trio.Nursery,
        log: logging.Logger,
    ) -> None:
        """`origin`: the URL that this mirror follows; empty: it follows nobody."""
        self._client = client
        self._origin = origin
        self._metrics = metrics
        self._is_ready = is_ready
        self._nursery = nursery
        self._log = log
        self._open = 0

    def take(self, stream: Stream) -> None:
        if self._open >= MOST:
            stream.socket.close()
        else:
            self._nursery.start_soon(self._serve, stream)

    async def _serve(self, stream: Stream) -> None:
        self._open += 1
        try:
            with trio.fail_after(REQUEST_S):
                request, body = await _read(stream)
            await self._answer(stream, request, body)
            with trio.move_on_after(1):
                await stream.aclose()
        except TooLarge:
            with trio.move_on_after(1):
                await _send(stream, 413, b"the body is too large\n")
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass
        finally:
            self._open -= 1
            stream.socket.close()

    async def _answer(self, stream: Stream, request: h11.Request, body: bytes) -> None:
        path = request.target.decode("ascii")
        if path.startswith(PASSED_ON) and self._origin:
            await self._pass_on(stream, request, body, path)
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

    async def _pass_on(self, stream: Stream, request: h11.Request, body: bytes, path: str) -> None:
        headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers if name in _KEPT]
        method, url = request.method.decode("ascii"), self._origin + path
        try:
            if method == "GET":
                await self._pass_stream(stream, url, headers)
            else:
                answer = await self._client.request(method, url, body=body, headers=headers)
                await _send(stream, answer.status, answer.body, answer.headers.get("content-type", "text/plain"))
        except Unavailable as error:
            await _send(stream, 502, f"{error}\n".encode())
        except DistdError as error:
            await _send(stream, 400, f"{error}\n".encode())

    async def _pass_stream(self, stream: Stream, url: str, headers: list[tuple[str, str]]) -> None:
        """An answer that may never end: as it comes, until either side goes."""
        async with self._client.stream("GET", url, headers) as answer, trio.open_nursery() as nursery:
            kind = answer.headers.get("content-type", "text/plain")
            head = f"HTTP/1.1 {answer.status} Passed On\r\nContent-Type: {kind}\r\nConnection: close\r\n"
            await stream.send_all(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            nursery.start_soon(_until_gone, stream, nursery.cancel_scope)
            async for data in answer:
                await stream.send_all(b"%x\r\n%s\r\n" % (len(data), data))
            await stream.send_all(b"0\r\n\r\n")
            nursery.cancel_scope.cancel()


async def _until_gone(stream: Stream, scope: trio.CancelScope) -> None:
    try:
        while await stream.receive_some(1024):
            pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


async def _read(stream: Stream) -> tuple[h11.Request, bytes]:
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
    request, body = None, b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive_some(65_536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_BYTES:
                raise TooLarge("body", f"at most {BODY_BYTES} bytes", len(body))
        elif request is not None and isinstance(event, h11.EndOfMessage):
            return request, body
        else:
            raise trio.BrokenResourceError("it went before its request came")


async def _send(stream: Stream, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
    head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Passed On')}\r\nContent-Type: {kind}\r\n"
    await stream.send_all(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)


_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    413: "Content Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
