"""Bytes in and out, over a socket in memory that takes as much as the test says."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any, cast

import pytest

from distd.lane.counters import Counts
from distd.lane.file_cache import OpenFile
from distd.lane.limits import Limits
from distd.lane.transport import FileTruncated, TlsTransport, Transport
from distd.lane.turn import Turn

if TYPE_CHECKING:
    from pathlib import Path

BODY = bytes(range(256)) * 200
BUDGET = 1_000_000


class MemorySocket:
    """`coming`: what recv() gives, piece by piece; `taken`: what send() took, at most `room` bytes in all."""

    def __init__(self, room: int = 10_000_000) -> None:
        self.coming: list[bytes] = []
        self.taken = b""
        self.room = room
        self.ended = self.closed = False

    def fileno(self) -> int:
        return -1

    def recv(self, max_bytes: int, flags: int = 0) -> bytes:
        if not self.coming:
            raise BlockingIOError
        return self.coming[0] if flags else self.coming.pop(0)

    def send(self, data: Any, flags: int = 0) -> int:
        size = min(len(data), self.room)
        if len(data) and not size:
            raise BlockingIOError
        self.room -= size
        self.taken += bytes(data[:size])
        return size

    def shutdown(self, how: int) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def turn() -> Turn:
    turn = Turn(Limits(), Counts(), logging.getLogger("distd.lane"))
    turn.begin(1000.0, 1)
    return turn


@pytest.fixture
def file(tmp_path: Path) -> OpenFile:
    path = tmp_path / "file"
    path.write_bytes(BODY)
    fd = os.open(path, os.O_RDONLY)
    return OpenFile(fd, os.fstat(fd), "17-1", b'"x"', 0.0)


def plain(sock: MemorySocket, turn: Turn) -> Transport:
    return Transport(cast("socket.socket", sock), turn)


def test_what_came_nothing_and_the_end_are_told_apart(turn: Turn) -> None:
    sock = MemorySocket()
    transport = plain(sock, turn)
    assert transport.receive() is None
    sock.coming += [b"bytes", b""]
    transport.check()
    assert transport.receive() == b"bytes"
    assert transport.receive() == b""


def test_what_the_peer_does_not_take_is_sent_later(turn: Turn) -> None:
    sock = MemorySocket(room=3)
    transport = plain(sock, turn)
    transport.pending = b"0123456789"
    assert not transport.transmit(BUDGET)
    assert (sock.taken, transport.pending, transport.sent) == (b"012", b"3456789", 3)
    sock.room = 100
    assert transport.transmit(BUDGET)
    assert (sock.taken, transport.sent) == (b"0123456789", 10)


def test_no_more_than_the_budget_is_sent(turn: Turn) -> None:
    sock = MemorySocket()
    transport = plain(sock, turn)
    transport.pending = b"0123456789"
    assert not transport.transmit(4)
    assert sock.taken == b"0123"
    assert not transport.transmit(0)
    assert transport.transmit(6 + 1)


def test_parts_of_a_file_in_their_order(turn: Turn, file: OpenFile) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = Transport(ours, turn)
        transport.pending = b"head "
        transport.file, transport.parts = file, [b" end", (1000, 1003), b" then ", (5, 10)]
        assert transport.transmit(BUDGET)
        expected = b"head " + BODY[5:10] + b" then " + BODY[1000:1003] + b" end"
        assert theirs.recv(1000) == expected
        assert transport.sent == len(expected)


def test_a_large_file_is_copied(turn: Turn, file: OpenFile) -> None:
    sock = MemorySocket()
    transport = plain(sock, turn)
    file.size = 5_000_000  # larger than it is: so it also ends early
    transport.file, transport.file_left_bytes = file, file.size
    with pytest.raises(FileTruncated):
        transport.transmit(10_000_000)
    assert sock.taken == BODY


def test_the_end_of_a_plain_connection(turn: Turn) -> None:
    sock = MemorySocket()
    transport = plain(sock, turn)
    transport.end_output()
    assert sock.ended
    transport.close()
    assert sock.closed


# --- TLS ---------------------------------------------------------------------------------------------------------


class Tls:
    """A TLS transport and a client, which pass their bytes on in memory."""

    def __init__(self, turn: Turn, certificate: Any) -> None:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate[0])
        client = ssl.create_default_context(cadata=certificate[1])
        self.sock = MemorySocket()
        self.transport = TlsTransport(cast("socket.socket", self.sock), turn, server)
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.coming, self.going, server_hostname="localhost")

    def pass_on(self) -> None:
        """What the client sends comes in, and what the transport has sent goes to the client."""
        data = self.going.read()
        if data:
            self.sock.coming.append(data)
        self.coming.write(self.sock.taken)
        self.sock.taken = b""

    def shake_hands(self) -> None:
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                self.client.do_handshake()
            self.pass_on()
            while self.sock.coming:
                assert self.transport.receive() is None
            self.pass_on()
        assert self.transport.handshake_done

    def read(self) -> bytes:
        self.pass_on()
        got = b""
        try:
            while piece := self.client.read(65_536):
                got += piece
        except ssl.SSLWantReadError:
            pass
        return got


@pytest.fixture
def tls(turn: Turn, certificate: Any) -> Tls:
    return Tls(turn, certificate)


def test_a_handshake_and_bytes_both_ways(tls: Tls, turn: Turn, file: OpenFile) -> None:
    tls.shake_hands()
    assert turn.counts.handshakes == 1
    tls.client.write(b"first")
    tls.client.write(b"second")
    tls.pass_on()
    assert tls.transport.receive() == b"firstsecond"
    assert tls.transport.receive() is None
    tls.transport.sent = 0
    tls.transport.pending, tls.transport.file, tls.transport.file_left_bytes = b"head ", file, file.size
    assert tls.transport.transmit(BUDGET)
    assert tls.transport.sent == len(tls.sock.taken) > len(BODY)
    assert tls.read() == b"head " + BODY


def test_without_a_handshake_left_in_the_turn_the_bytes_stay_where_they_are(tls: Tls, turn: Turn) -> None:
    with pytest.raises(ssl.SSLWantReadError):
        tls.client.do_handshake()
    tls.pass_on()
    turn.handshakes_left = 0
    assert tls.transport.receive() is None
    assert len(tls.sock.coming) == 1
    turn.begin(1001.0, 1)
    assert tls.transport.receive() is None
    assert tls.sock.coming == []


def test_what_is_encrypted_and_not_taken_goes_first_later(tls: Tls, file: OpenFile) -> None:
    tls.shake_hands()
    tls.sock.room = 100
    tls.transport.file, tls.transport.file_left_bytes = file, file.size
    assert not tls.transport.transmit(BUDGET)
    assert len(tls.transport.encrypted) > 0
    tls.sock.room = BUDGET
    assert tls.transport.transmit(BUDGET)
    assert tls.read() == BODY


def test_a_file_that_shrank_ends_a_tls_connection(tls: Tls, file: OpenFile) -> None:
    tls.shake_hands()
    file.size += 1
    tls.transport.file, tls.transport.file_left_bytes = file, file.size
    with pytest.raises(FileTruncated):
        tls.transport.transmit(BUDGET)


def test_bytes_that_are_not_tls_are_an_error_after_an_alert(tls: Tls) -> None:
    tls.sock.coming.append(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        tls.transport.receive()


def test_close_notify_unless_something_is_cut_off(tls: Tls, file: OpenFile) -> None:
    tls.shake_hands()
    tls.transport.close()
    assert tls.sock.closed
    tls.pass_on()
    assert tls.client.read(10) == b""  # closed properly


def test_without_close_notify_where_something_is_cut_off(tls: Tls, file: OpenFile) -> None:
    tls.shake_hands()
    tls.sock.room = 100
    tls.transport.pending = BODY
    assert not tls.transport.transmit(BUDGET)
    taken = tls.sock.taken
    tls.sock.room = BUDGET
    tls.transport.close()
    assert tls.sock.taken == taken
