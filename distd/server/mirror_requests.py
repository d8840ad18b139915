"""The little of HTTP that the event stream to mirrors needs: read one request, answer it by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import h11
import trio

from distd.web.api.answer_fields import ANSWER_FIELDS
from distd.wire import problem

if TYPE_CHECKING:
    from http import HTTPStatus

    from distd.lane.streams import PlainStream, TlsStream

MAX_HEAD_BYTES: Final = 16_384

_FIELDS: Final = "".join(f"{name}: {value}\r\n" for name, value in ANSWER_FIELDS.items())
ACCEPTED: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.distd.events\r\n"
    f"{_FIELDS}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
).encode()


@dataclass(frozen=True, slots=True)
class EventRequest:
    """A mirror asks for the events after number `after`. `authorization`: the value of the field; "": it sent none."""

    method: str
    target: str
    after: int
    authorization: str


async def read_request(stream: PlainStream | TlsStream) -> EventRequest:
    """Read one request. Raises `h11.RemoteProtocolError`, and `BrokenResourceError` when the mirror disconnects."""
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
    while not isinstance(event := http.next_event(), h11.Request):
        data = await stream.receive_some(MAX_HEAD_BYTES)
        if not data:
            raise trio.BrokenResourceError("it disconnected before its request was complete")
        http.receive_data(data)
    text = parse_qs(urlsplit(event.target.decode("ascii")).query).get("after", ["0"])[0]
    after = int(text) if text.isdecimal() and len(text) < 19 else 0
    authorization = dict(event.headers).get(b"authorization", b"").decode("latin-1")
    return EventRequest(event.method.decode("ascii"), event.target.decode("ascii"), after, authorization)


async def refuse(stream: PlainStream | TlsStream, status: HTTPStatus, why: str) -> None:
    """Send an error and its reason as a problem. Raises `BrokenResourceError`."""
    body = problem.body_of(status, why)
    extra = {401: 'WWW-Authenticate: Bearer realm="distd"\r\n', 405: "Allow: GET\r\n"}.get(status, "")
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: {problem.CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n{extra}{_FIELDS}Connection: close\r\n\r\n"
    )
    await stream.send_all(head.encode() + body)


def chunk(data: bytes) -> bytes:
    """A chunk of the answer's body."""
    return b"%x\r\n%s\r\n" % (len(data), data)
