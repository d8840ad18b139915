"""`/api/v1/uploads`: large files, in parts if necessary, from the connection to the disk.

A raw ASGI application in front of Quart, which would hold a whole body in memory. The next bytes are asked for only
when the last ones are written: a slow disk slows the client down, and nothing grows.

    PUT    /api/v1/uploads/NAME      the file, or with `Content-Range: bytes 0-999/5000` a part of it
    GET    /api/v1/uploads/NAME      how much has come; /api/v1/uploads: of all
    DELETE /api/v1/uploads/NAME

201: it is whole, at `path`. 202: `size_bytes` have come, the next part begins there. 409: the part does not begin
where it should, which is at `size_bytes`. `Blake3: <hex>` is checked when the file is whole.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote

import trio

from distd.domain.errors import BadInput, DistdError
from distd.storage.uploads import OffsetMismatch, Upload
from distd.web.api.problems import CHALLENGE, CONTENT_TYPE, UNAUTHORIZED, content_of, content_of_error
from distd.wire import content_range

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from distd.storage.uploads import Uploads
    from distd.web.api.auth import Logins

    T = TypeVar("T")
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]
    Application = Callable[[Any, Any, Any], Awaitable[None]]

PATH: Final = "/api/v1/uploads"
WRITE_BYTES: Final = 1_048_576  # gathered before a thread writes and hashes them
MAX_THREADS: Final = 4  # that write, of all uploads together

_BLAKE3: Final = re.compile("[0-9A-Fa-f]{64}")


class UploadsApi:
    """Answers the requests for `PATH`, and gives all others to `app`."""

    def __init__(self, app: Application, uploads: Uploads, logins: Logins) -> None:
        self._app = app
        self._uploads = uploads
        self._logins = logins
        self._threads = trio.CapacityLimiter(MAX_THREADS)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == PATH or path.startswith(f"{PATH}/")):
            await self._app(scope, receive, send)
            return
        try:
            status, content = await self._answer(scope, receive, send)
        except DistdError as error:
            status, content = _failure(error)
        except _Disconnected:
            return
        await _send(send, status, content)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> tuple[int, Any]:
        fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not await self._logins.check(fields.get("authorization", "")):
            return 401, content_of(401, UNAUTHORIZED)
        name = unquote(scope["path"].removeprefix(PATH).removeprefix("/"))
        match scope["method"], bool(name):
            case "GET" | "HEAD", False:
                return 200, await self._in_thread(self._uploads.all)
            case "GET" | "HEAD", True:
                found = await self._in_thread(self._uploads.state, name)
                return (200, found) if found else (404, content_of(404, f"nothing of {name} has come"))
            case "PUT", True:
                return await self._put(name, fields, receive)
            case "DELETE", True:
                removed = await self._in_thread(self._uploads.remove, name)
                return (200, {"name": name}) if removed else (404, content_of(404, f"nothing of {name} has come"))
        return 405, content_of(405, f"expected PUT, GET or DELETE of {PATH}/NAME, or GET of {PATH}")

    async def _put(self, name: str, fields: dict[str, str], receive: Receive) -> tuple[int, Any]:
        first, length, total = _extent(fields)
        expected = fields.get("blake3", "")
        if expected and not _BLAKE3.fullmatch(expected):
            raise BadInput("Blake3", "64 hexadecimal digits", expected)
        with ExitStack() as stack:
            opened = self._uploads.open(name, first, total)
            part = await self._in_thread(stack.enter_context, opened)
            body = _Body(receive, length)
            while data := await body.next():
                await self._in_thread(part.append, data)
            if part.size_bytes < total:
                return 202, Upload(name, part.size_bytes)
            return 201, await self._in_thread(part.finish, expected)

    async def _in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        return await trio.to_thread.run_sync(partial(call, *arguments), limiter=self._threads)


class _Disconnected(Exception):
    """The client has disconnected: there is nobody to answer."""


class _Body:
    """A request's body in larger pieces."""

    def __init__(self, receive: Receive, length: int) -> None:
        self._receive = receive
        self._left = length
        self._is_last = False
        self._is_disconnected = False

    async def next(self) -> bytes:
        """b"" at the end. When the client disconnects, what has come is given before `_Disconnected` is raised."""
        pieces: list[bytes] = []
        gathered_bytes = 0
        while gathered_bytes < WRITE_BYTES and not self._is_last:
            message = await self._receive()
            self._is_disconnected = message["type"] == "http.disconnect"
            self._is_last = self._is_disconnected or not message.get("more_body", False)
            pieces.append(message.get("body", b""))
            gathered_bytes += len(pieces[-1])
        self._left -= gathered_bytes
        if not gathered_bytes and (self._is_disconnected or self._left):
            raise _Disconnected
        return b"".join(pieces)


def _extent(fields: dict[str, str]) -> tuple[int, int, int]:
    """Where the body begins in the file, its length, and the length of the file."""
    text = fields.get("content-length")
    if text is None or not text.isdecimal():
        raise BadInput("Content-Length", "the length of the body", text)
    length = int(text)
    field = fields.get("content-range")
    if field is None:
        return 0, length, length
    sent = content_range.parse(field)
    if sent is None or sent.total is None:
        raise BadInput("Content-Range", "bytes FIRST-LAST/TOTAL, within the total", field)
    if sent.length != length:
        raise BadInput("Content-Range", f"{length} bytes, as Content-Length says", field)
    return sent.first, length, sent.total


def _failure(error: DistdError) -> tuple[int, Any]:
    content = content_of_error(error)
    if isinstance(error, OffsetMismatch):
        content["size_bytes"] = error.size_bytes
    return content["status"], content


async def _send(send: Send, status: int, content: Any) -> None:
    """Send the answer. The rest of the body is not read: the connection ends with the answer."""
    body = json.dumps(content, default=asdict).encode()
    kind = "application/json" if status < 400 else CONTENT_TYPE
    fields = {"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    if status == 401:
        fields |= CHALLENGE
    if status == 405:
        fields["Allow"] = "GET, HEAD, PUT, DELETE"
    headers = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
