"""Refusing a connection that was handed over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.lane.refusal import is_private, refuse

if TYPE_CHECKING:
    from distd.lane.streams import PlainStream


@pytest.mark.parametrize("tls", [False, True])
async def test_the_answer_is_a_problem_and_the_connection_ends(running: Any, tls: bool) -> None:
    async with running.connect(tls=tls) as peer:
        await peer.send(b"GET /api HTTP/1.1\r\nHost: h\r\n\r\n")
        await running.until(lambda: running.backend.streams)
        (stream,) = running.backend.streams
        refuse(stream, 429, "too many", "Retry-After: 1\r\n")
        answer = await peer.answer()
        assert (answer.status, answer["retry-after"], answer["connection"]) == (429, "1", "close")
        assert json.loads(answer.body)["detail"] == "too many"
        assert await peer.ended()
        assert stream.socket.fileno() == -1


async def test_a_peer_that_is_gone_is_no_fault(running: Any) -> None:
    async with running.connect() as peer:
        await peer.send(b"GET /api HTTP/1.1\r\nHost: h\r\n\r\n")
        await running.until(lambda: running.backend.streams)
    (stream,) = running.backend.streams
    for _ in range(3):
        refuse(stream, 503, "too many")
        await trio.lowlevel.checkpoint()


class Known:
    """As much of a stream as is looked at."""

    def __init__(self, address: str, *, is_encrypted: bool) -> None:
        self.address = address
        self.is_encrypted = is_encrypted


@pytest.mark.parametrize(
    ("address", "is_encrypted", "expected"),
    [("10.0.0.7", True, True), ("10.0.0.7", False, False), ("127.0.0.1", False, True), ("", False, False)],
)
def test_what_nobody_between_can_read(address: str, is_encrypted: bool, expected: bool) -> None:
    stream: PlainStream = Known(address, is_encrypted=is_encrypted)  # type: ignore[assignment]
    assert is_private(stream) is expected
