"""Refusing a connection that was handed over, without a task and without waiting."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import trio

from distd.domain.addresses import is_loopback
from distd.wire import problem

if TYPE_CHECKING:
    from distd.lane.streams import PlainStream, TlsStream


def refuse(stream: PlainStream | TlsStream, status: int, why: str, fields: str = "") -> None:
    """Send a problem (RFC 9457), as far as the kernel takes it at once, and close. `fields`: lines with their ends."""
    body = problem.body_of(status, why)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {problem.CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n{fields}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    with suppress(trio.BrokenResourceError):
        stream.send_nowait(head.encode() + body)
    stream.close()


def is_private(stream: PlainStream | TlsStream) -> bool:
    """Whether nobody between can read along: it is encrypted, or does not leave this machine."""
    return stream.is_encrypted or is_loopback(stream.address)
