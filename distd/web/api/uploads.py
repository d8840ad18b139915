"""`/api/v1/uploads`: large files, in parts if necessary, from the connection to the disk.

A raw ASGI application in front of Quart, which would hold a whole body in memory. The next bytes are asked for only
when the last ones are written: a slow disk slows the client down, and nothing grows.

    PUT    /api/v1/uploads/NAME      the file, or with `Content-Range: bytes 0-999/5000` a part of it
    GET    /api/v1/uploads/NAME      how much has come; /api/v1/uploads: of all
    DELETE /api/v1/uploads/NAME

201: it is whole, at `path`. 202: `size_bytes` have come, the next part begins there. 409: the part does not begin
where it should, which is at `size_bytes`; or there is a whole upload of this name, which is replaced only with
`If-Match: *` (412: there is none). `Blake3: <hex>` is checked when the file is whole. How this stands in the API's
description: `upload_description`.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import trio

from distd.domain.errors import BadInput, DistdError
from distd.domain.permissions import Act
from distd.storage.uploads import OffsetMismatch, Upload
from distd.web.api.answer_fields import ANSWER_FIELDS
from distd.web.api.auth import demand, header_fields
from distd.web.api.problems import UNAUTHORIZED, LengthRequired, UnsupportedCoding, content_of_error, fields_of
from distd.web.api.queries import check_names
from distd.web.api.upload_description import PATH, RemovedUpload, UploadPage
from distd.wire import content_range
from distd.wire.problem import CONTENT_TYPE, content_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from distd.storage.uploads import Uploads
    from distd.web.api.auth import SignedIn

    T = TypeVar("T")
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]
    Application = Callable[[Any, Any, Any], Awaitable[None]]

WRITE_BYTES: Final = 1_048_576  # gathered before a thread writes and hashes them
MAX_THREADS: Final = 4  # that write, of all uploads together

_BLAKE3: Final = re.compile("[0-9A-Fa-f]{64}")


class Askers(Protocol):
    """What knows who asks."""

    async def check(self, headers: Mapping[str, str], address: str) -> SignedIn | None:
        """Who sent a request with these header fields (names in lower case) from there; None: nobody who is known."""


class UploadsApi:
    """Answers the requests for `path`, and gives all others to `app`."""

    def __init__(self, app: Application, uploads: Uploads, askers: Askers, path: str = PATH) -> None:
        self._app = app
        self._uploads = uploads
        self._askers = askers
        self._path = path
        self._threads = trio.CapacityLimiter(MAX_THREADS)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == self._path or path.startswith(f"{self._path}/")):
            await self._app(scope, receive, send)
            return
        try:
            status, content = await self._answer(scope, receive, send)
        except DistdError as error:
            status, content = _failure(error)
        except _Disconnected:
            return
        await self._send(send, scope, status, content)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> tuple[int, Any]:
        fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        signed_in = await self._askers.check(header_fields(scope["headers"]), _address(scope))
        if signed_in is None:
            return 401, content_of(401, UNAUTHORIZED)
        demand(signed_in, Act.UPLOADS_WRITE if scope["method"] in ("PUT", "DELETE") else Act.UPLOADS_READ)
        check_names(None, scope.get("query_string", b""))
        name = self._name_in(scope)
        match scope["method"], bool(name):
            case "OPTIONS", _:
                return 204, None
            case "GET" | "HEAD", False:
                found_all = await self._in_thread(self._uploads.all)
                return 200, UploadPage(found_all, None, len(found_all))
            case "GET" | "HEAD", True:
                found = await self._in_thread(self._uploads.state, name)
                return (200, found) if found else (404, content_of(404, f"nothing of {name} has come"))
            case "PUT", True:
                return await self._put(name, fields, receive)
            case "DELETE", True:
                removed = await self._in_thread(self._uploads.remove, name)
                return (200, RemovedUpload(name)) if removed else (404, content_of(404, f"nothing of {name} has come"))
        return 405, content_of(405, f"expected one of {self._methods_for(scope)}")

    async def _put(self, name: str, fields: dict[str, str], receive: Receive) -> tuple[int, Any]:
        first, length, total = _extent(fields)
        expected = fields.get("blake3")
        if expected is not None and not _BLAKE3.fullmatch(expected):
            raise BadInput("Blake3", "64 hexadecimal digits", expected)
        replace = "if-match" in fields
        if replace and fields["if-match"] != "*":
            raise BadInput("If-Match", "*, as uploads have no ETags", fields["if-match"])
        if replace and await self._in_thread(self._uploads.state, name) is None:
            return 412, content_of(412, f"there is no upload {name} to replace")
        with ExitStack() as stack:
            opened = self._uploads.open(name, first, total, replace=replace)
            part = await self._in_thread(stack.enter_context, opened)
            body = _Body(receive, length)
            while data := await body.next():
                await self._in_thread(part.append, data)
            if part.size_bytes < total:
                return 202, Upload(name, part.size_bytes)
            return 201, await self._in_thread(part.finish, expected or "")

    async def _in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        return await trio.to_thread.run_sync(partial(call, *arguments), limiter=self._threads)

    def _name_in(self, scope: Any) -> str:
        """The name in the path, which is decoded already; empty for the path of the list."""
        name: str = scope["path"].removeprefix(self._path).removeprefix("/")
        return name

    def _methods_for(self, scope: Any) -> str:
        return "GET, HEAD, PUT, DELETE, OPTIONS" if self._name_in(scope) else "GET, HEAD, OPTIONS"

    async def _send(self, send: Send, scope: Any, status: int, content: Any) -> None:
        """Send the answer. The rest of the body is not read: the connection ends with the answer."""
        body = b"" if status == 204 else json.dumps(content, default=asdict).encode()
        fields = {**ANSWER_FIELDS, **fields_of(status)}
        if status != 204:
            kind = "application/json" if status < 400 else CONTENT_TYPE
            fields |= {"Content-Type": kind, "Content-Length": str(len(body))}
        if status in (204, 405):
            fields["Allow"] = self._methods_for(scope)
        if scope["method"] == "HEAD":
            body = b""
        headers = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Disconnected(Exception):
    """The client has disconnected: there is nobody to answer."""


class _Body:
    """A request's body in larger pieces, which are gathered in one buffer: memory for a new one of each costs more."""

    def __init__(self, receive: Receive, length: int) -> None:
        self._receive = receive
        self._left = length
        self._is_last = False
        self._is_disconnected = False
        self._buffer = bytearray()
        self._piece = memoryview(b"")

    async def next(self) -> memoryview:
        """The next piece, until this is called again; empty at the end.

        When the client disconnects, what has come is given before `_Disconnected` is raised.
        """
        self._piece.release()
        gathered_bytes = 0
        while gathered_bytes < WRITE_BYTES and not self._is_last:
            message = await self._receive()
            self._is_disconnected = message["type"] == "http.disconnect"
            self._is_last = self._is_disconnected or not message.get("more_body", False)
            received = message.get("body", b"")
            self._buffer[gathered_bytes : gathered_bytes + len(received)] = received
            gathered_bytes += len(received)
        self._left -= gathered_bytes
        if not gathered_bytes and (self._is_disconnected or self._left):
            raise _Disconnected
        self._piece = memoryview(self._buffer)[:gathered_bytes]
        return self._piece


def _extent(fields: dict[str, str]) -> tuple[int, int, int]:
    """Where the body begins in the file, its length, and the length of the file."""
    coding = fields.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedCoding("Content-Encoding", "the file as it is", coding)
    text = fields.get("content-length")
    if text is None or not text.isdecimal():
        raise LengthRequired("Content-Length", "the length of the body", text or "none")
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


def _address(scope: Any) -> str:
    """The client's; "" where it is not known, as over a Unix socket."""
    return (scope.get("client") or ("",))[0]
