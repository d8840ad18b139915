"""`/api/v1/uploads`: big files, in parts if need be, straight from the connection to the disk.

A raw ASGI application before Quart, which would hold a whole body in memory. The next bytes are asked for only when
the last ones are written, so a slow disk slows the client down and nothing grows.

    PUT    /api/v1/uploads/NAME      the file, or with `Content-Range: bytes 0-999/5000` a part of it
    GET    /api/v1/uploads/NAME      how much has come; /api/v1/uploads: of all
    DELETE /api/v1/uploads/NAME

201: it is whole, and `path` is where it lies. 202: `size_bytes` have come, go on there. 409: the part begins elsewhere,
and `size_bytes` says where it should. `Blake3: <hex>` is checked when the file is whole.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote

import trio

from distd.domain.errors import BadInput, Conflict, Corrupt, DistdError, TooLarge, Unavailable
from distd.storage.uploads import OffsetMismatch, Upload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from distd.storage.uploads import Uploads
    from distd.web.api.app import Logins

    T = TypeVar("T")
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]
    Application = Callable[[Any, Any, Any], Awaitable[None]]

PATH: Final = "/api/v1/uploads"
WRITE_BYTES: Final = 1_048_576  # gathered before a thread writes and hashes them
WRITERS: Final = 4  # threads, of all uploads together

_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
_BLAKE3: Final = re.compile("[0-9A-Fa-f]{64}")
_STATUS: Final = {TooLarge: 413, BadInput: 400, Conflict: 409, Corrupt: 422, Unavailable: 507}


class UploadsApi:
    """Answers for `PATH`; everything else is `app`'s."""

    def __init__(self, app: Application, uploads: Uploads, logins: Logins) -> None:
        self._app = app
        self._uploads = uploads
        self._logins = logins
        self._threads = trio.CapacityLimiter(WRITERS)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == PATH or path.startswith(f"{PATH}/")):
            await self._app(scope, receive, send)
            return
        try:
            status, content = await self._answer(scope, receive, send)
        except DistdError as error:
            status, content = _problem(error)
        except _Gone:
            return
        await _send(send, status, content)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> tuple[int, Any]:
        fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not await self._logins.check(*_credentials(fields.get("authorization", ""))):
            return 401, {"error": "expected an operator's name and password"}
        name = unquote(scope["path"].removeprefix(PATH).removeprefix("/"))
        match scope["method"], bool(name):
            case "GET" | "HEAD", False:
                return 200, await self._in_thread(self._uploads.all)
            case "GET" | "HEAD", True:
                found = await self._in_thread(self._uploads.state, name)
                return (200, found) if found else (404, {"error": f"nothing of {name} has come"})
            case "PUT", True:
                return await self._put(name, fields, receive)
            case "DELETE", True:
                removed = await self._in_thread(self._uploads.remove, name)
                return (200, {"name": name}) if removed else (404, {"error": f"nothing of {name} has come"})
        return 405, {"error": f"PUT, GET and DELETE of {PATH}/NAME, GET of {PATH}"}

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


class _Gone(Exception):
    """The client: nobody is there to be answered."""


class _Body:
    """A request's body in larger pieces."""

    def __init__(self, receive: Receive, length: int) -> None:
        self._receive = receive
        self._left = length
        self._is_last = False
        self._is_gone = False

    async def next(self) -> bytes:
        """Nothing at the end. When the client goes, what has come is given before `_Gone` is raised."""
        pieces: list[bytes] = []
        gathered_bytes = 0
        while gathered_bytes < WRITE_BYTES and not self._is_last:
            message = await self._receive()
            self._is_gone = message["type"] == "http.disconnect"
            self._is_last = self._is_gone or not message.get("more_body", False)
            pieces.append(message.get("body", b""))
            gathered_bytes += len(pieces[-1])
        self._left -= gathered_bytes
        if not gathered_bytes and (self._is_gone or self._left):
            raise _Gone
        return b"".join(pieces)


def _extent(fields: dict[str, str]) -> tuple[int, int, int]:
    """Where the body begins in the file, its length, and the length of the file."""
    text = fields.get("content-length")
    if text is None or not text.isdecimal():
        raise BadInput("Content-Length", "the length of the body", text)
    length = int(text)
    if "content-range" not in fields:
        return 0, length, length
    match = _RANGE.fullmatch(fields["content-range"])
    if match is None:
        raise BadInput("Content-Range", "bytes FIRST-LAST/TOTAL", fields["content-range"])
    first, last, total = map(int, match.groups())
    if last - first + 1 != length or last >= total:
        raise BadInput("Content-Range", f"{length} bytes, within the total", fields["content-range"])
    return first, length, total


def _credentials(field: str) -> tuple[str, str]:
    kind, _, encoded = field.partition(" ")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (name, password) if kind.lower() == "basic" else ("", "")


def _problem(error: DistdError) -> tuple[int, Any]:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    content: dict[str, Any] = {"error": str(error)}
    if isinstance(error, OffsetMismatch):
        content["size_bytes"] = error.size_bytes
    return status, content


async def _send(send: Send, status: int, content: Any) -> None:
    """The answer. Whatever of the body has not been read is not: the connection ends with it."""
    body = json.dumps(content, default=asdict).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="distd"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
