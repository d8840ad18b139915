"""Attacks by connections: very many, silent, slow, half open, or such that nobody reads from."""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
import subprocess
from typing import TYPE_CHECKING, Final

import trio

from loadtests.attacks.messages import basic
from loadtests.many_connections import client_hello

if TYPE_CHECKING:
    from loadtests.attacks.attacker import Attacker

SILENT: Final = 1100
OPENSSL: Final = "openssl"
DOWNLOADS: Final = 8  # requests for the large package on one connection


async def silent(attacker: Attacker) -> None:
    """Connections that send nothing."""
    await attacker.hold(SILENT, attacker.site.http)


async def silent_at_mirror(attacker: Attacker) -> None:
    """The same at a mirror, behind the beginning of a request for its control port."""
    await attacker.hold(SILENT, attacker.site.mirror_http, b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")


async def unfinished_uploads(attacker: Attacker) -> None:
    """Heads of uploads without a log-in, whose bodies do not come: these connections are handed over."""
    head = b"PUT /api/v1/uploads/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n"
    await attacker.hold(SILENT, attacker.site.http, head)


async def half_open_tls(attacker: Attacker) -> None:
    """Handshakes that end in the middle of the client's first message."""
    hello = client_hello()
    await attacker.hold(500, attacker.site.https, hello[: len(hello) // 2])


async def handshakes(attacker: Attacker) -> None:
    """Whole TLS handshakes, each closed at once."""

    async def one(_number: int) -> None:
        with contextlib.suppress(OSError, trio.BrokenResourceError, trio.TooSlowError):
            async with attacker.connection(attacker.site.https, tls=True):
                pass

    await attacker.flood(2000, 20, one)


async def renegotiations(attacker: Attacker) -> None:
    """TLS 1.2 connections that ask for a new handshake again and again, and TLS 1.3 ones for new keys."""
    words = (("-tls1_2", b"R\n"), ("-tls1_3", b"K\n"))
    async with trio.open_nursery() as nursery:
        for number in range(attacker.many(10)):
            version, word = words[number % 2]
            nursery.start_soon(_renegotiate, attacker, version, word)


async def _renegotiate(attacker: Attacker, version: str, word: bytes) -> None:
    """One such connection, by `openssl s_client`: Python's ssl can ask for neither."""
    command = [OPENSSL, "s_client", "-connect", attacker.site.https, version, "-brief"]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    attacker.connected += 1
    try:
        await trio.sleep(0.5)  # until it is connected it takes no commands
        for _ in range(attacker.many(2000)):
            await process.stdin.send_all(word)
            attacker.sent_bytes += len(word)
            await trio.sleep(0.005)  # it takes what has come at once for one command
    except trio.BrokenResourceError:
        pass  # the server has refused
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def tls_noise(attacker: Attacker) -> None:
    """Random bytes instead of a handshake."""

    async def one(_number: int) -> None:
        await attacker.exchange(attacker.site.https, b"\x16\x03\x01" + secrets.token_bytes(500))

    await attacker.flood(3000, 50, one)


async def slow_heads(attacker: Attacker) -> None:
    """Slowloris: heads that come byte by byte."""
    head = b"GET /download/1/1-1 HTTP/1.1\r\nHost: h\r\nX-Slow: " + b"x" * 1000
    await attacker.drip(400, attacker.site.http, head, at=20, pause_s=0.5)


async def slow_bodies(attacker: Attacker) -> None:
    """Bodies of agents' POSTs that come byte by byte, behind a megabyte that came at once."""
    head = b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n"
    data = head + b"\0" * 1_001_000
    await attacker.drip(100, attacker.site.http, data, at=len(data) - 1000, pause_s=0.5)


async def never_reading(attacker: Attacker) -> None:
    """Requests for large fragments of which nothing is read."""
    path = f"/download/{attacker.site.large}/{attacker.site.large}-1"
    request = f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode() * DOWNLOADS
    async with trio.open_nursery() as nursery:
        for address, tls in ((attacker.site.http, False), (attacker.site.https, True)):
            nursery.start_soon(_not_reading, attacker, address, tls, request)


async def _not_reading(attacker: Attacker, address: str, tls: bool, request: bytes) -> None:
    await attacker.hold(150, address, request, tls=tls, read=False)


async def resets(attacker: Attacker) -> None:
    """Connections that are reset behind half a request."""

    async def one(_number: int) -> None:
        with contextlib.suppress(OSError, trio.BrokenResourceError, trio.TooSlowError):
            async with attacker.connection(attacker.site.http) as stream:
                await attacker.send(stream, b"GET /download/1/1-1 HTTP/1.1\r\nHo")
                assert isinstance(stream, trio.SocketStream)
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    await attacker.flood(5000, 50, one)


async def unread_event_streams(attacker: Attacker) -> None:
    """Event streams, with an operator's log-in and with a mirror's key, of which nothing is read."""
    operator = basic(*attacker.site.logins[0])
    stolen = ((b"/api/v1/events", operator + b"Accept: text/event-stream\r\n"), (b"/api/v1/mirror/events", b""))
    async with trio.open_nursery() as nursery:
        for path, fields in stolen:
            more = fields or b"Authorization: Bearer " + attacker.site.mirror_key.encode() + b"\r\n"
            head = b"GET %s?after=0 HTTP/1.1\r\nHost: h\r\n%s\r\n" % (path, more)
            nursery.start_soon(_unread, attacker, head)


async def _unread(attacker: Attacker, head: bytes) -> None:
    await attacker.hold(100, attacker.site.https, head, tls=True, read=False)
