"""A connection of the lane in memory, for the fuzzer: what is answered to a stream of bytes that comes in pieces."""

from __future__ import annotations

import logging
import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unittest import mock

from distd.lane import connection
from distd.lane.connection import State
from distd.lane.turn import Turn
from tests.lane.http_cases import PACKAGE, SMALL
from tests.lane.test_connection import Peer

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATUS: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
BODY_BYTES: Final = 2048
BUFFERED_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Answers:
    """The statuses in their order; the bodies that the backend got; errors that were logged; what of bodies is still
    counted as buffered when the connection has ended."""

    statuses: list[int]
    posts: list[bytes]
    errors: list[str]
    kept_bytes: int


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.getMessage()} {record.exc_info[1] if record.exc_info else ''!r}")


@cache
def _folder() -> Path:
    """With a package; it is removed when the process ends."""
    made = tempfile.TemporaryDirectory(prefix="distd-fuzz-")
    _KEPT.append(made)
    package = Path(made.name) / PACKAGE
    package.mkdir()
    # Only what is kept in memory: a larger file would be sent by the kernel, for which there is no socket.
    for name, content in {"info": b"<DOWNLOAD />", f"{PACKAGE}-1": SMALL}.items():
        (package / name).write_bytes(content)
    return Path(made.name)


_KEPT: Final[list[tempfile.TemporaryDirectory[str]]] = []


def answers_to(pieces: Sequence[bytes]) -> Answers:
    """Send them on a new connection, then its end. What is another server's ends it too."""
    log, errors = logging.getLogger("distd.lane"), _Errors()
    log.addHandler(errors)
    try:
        with (
            mock.patch.object(connection, "open_stream", return_value=None),
            mock.patch.object(Turn, "refresh"),  # without trio there is no clock
        ):
            peer = Peer(_folder(), body_bytes=BODY_BYTES, buffered_bytes=BUFFERED_BYTES)
            taken = b"".join(_send(peer, piece) for piece in [*pieces, b""])
            peer.connection.close()
    finally:
        log.removeHandler(errors)
    statuses = [int(status) for status in _STATUS.findall(taken)]
    return Answers(statuses, [post.body for post, _ in peer.backend.posts], errors.messages, peer.turn.buffered_bytes)


def _send(peer: Peer, piece: bytes) -> bytes:
    taken = b"" if _has_ended(peer) else peer.send(piece)
    while peer.reactor.timers and not _has_ended(peer):
        _, call = peer.reactor.timers.pop(0)
        call()
        taken += peer.take()
    return taken


def _has_ended(peer: Peer) -> bool:
    return peer.connection.state is State.ENDED
