"""Attacks by heads of requests: floods, upgrades, strange targets, smuggling, log-ins."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from typing import TYPE_CHECKING, Final

import trio

from loadtests.attacks.messages import basic, request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.attacks.attacker import Attacker

HELD: Final = 1100
SMUGGLED: Final = b"GET /healthz?smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
# Each ends where one reader sees the end of the request and another one does not.
SMUGGLING: Final = (
    b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    % (5 + len(SMUGGLED)),
    b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
    b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
    b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 44\r\n\r\n",
    b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n",
    b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nX: y\r\n Content-Length: 44\r\n\r\n",
    b"GET /download/1/info HTTP/1.1\nHost: h\n\n",
    b"GET /download/1/info HTTP/1.1\r\nHost: h\r\nX: a\nContent-Length: 44\r\n\r\n",
    b"GET /download/1/info HTTP/1.1\r\nHost: h\rContent-Length: 44\r\n\r\n",
    b"PUT /api/v1/uploads/x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)
TARGETS: Final = (
    *(b"?a", b"*", b"//", b"/%00", b"/\x85", b"http://h/", b"http://h/healthz", b"https://other/api/v1/packages"),
    *(b"/download/../keys/ca.key", b"/download/%2e%2e/keys/ca.key", b"/api/v1/packages/%ff", b"h:443", b"/healthz#x"),
    *(b"/api/v1/computers?limit=\xc2\xa0", b"/api/v1/events?after=99999999999999999999", b"/" + b"a" * 8000),
)
HOSTS: Final = (b"h", b"x..", b"[::1", b"h:99999999", b"", b"a b", b"\xff", b"x" * 300)
LOGINS: Final = (
    *(b"Basic \xff\xfe", b"Basic w6k6w6k=", b"Basic /w==", b"Basic " + b"QUFB" * 3000, b"Basic", b"Basic Og=="),
    *(b"Bearer " + b"f" * 64, b"Bearer \xc3\xa9", b"Negotiate abc", b"", b"Digest username=admin"),
)


async def each(attacker: Attacker, requests: Sequence[bytes], count: int, at_once: int, *, tls: bool = False) -> None:
    """`count` exchanges, of the requests in turn."""

    async def one(number: int) -> None:
        address = attacker.site.https if tls else attacker.site.http
        await attacker.exchange(address, requests[number % len(requests)], tls=tls)

    await attacker.flood(count, at_once, one)


async def pipelining(attacker: Attacker) -> None:
    """Connections on which a thousand requests for small fragments stand behind each other."""
    path = f"/download/{attacker.site.package}/{attacker.site.package}-1"
    requests = f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode() * 50

    async def one(_number: int) -> None:
        with contextlib.suppress(OSError, trio.BrokenResourceError, trio.TooSlowError):
            async with attacker.connection(attacker.site.http) as stream, trio.open_nursery() as nursery:
                nursery.start_soon(attacker.receive, stream)
                for _ in range(20):
                    await attacker.send(stream, requests)

    await attacker.flood(100, 10, one)


async def upgrades(attacker: Attacker) -> None:
    """`Upgrade: h2c`, on connections that are kept."""
    fields = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    await attacker.hold(HELD, attacker.site.http, b"GET /healthz HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n")


async def prior_knowledge(attacker: Attacker) -> None:
    """HTTP/2 without asking, on connections that are kept."""
    await attacker.hold(HELD, attacker.site.http, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")


async def websockets(attacker: Attacker) -> None:
    """Websockets to paths that are none."""
    fields = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    paths = ("/", "/x", "/api/v1/events", "/api/v1/nothing")
    heads = [f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n".encode() + fields + b"\r\n" for path in paths]
    await each(attacker, heads, 1000, 20)


async def unknown_paths(attacker: Attacker) -> None:
    """Paths that nothing is behind, each another one."""

    async def one(_number: int) -> None:
        await attacker.exchange(attacker.site.http, request("GET", f"/{secrets.token_hex(8)}"))

    await attacker.flood(1500, 20, one)


async def strange_targets(attacker: Attacker) -> None:
    """Targets that are absolute or no paths, hosts that are none."""
    heads = [
        b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % pair
        for pair in itertools.chain(((target, b"h") for target in TARGETS), ((b"/healthz", host) for host in HOSTS))
    ]
    await each(attacker, heads, 1500, 20)


async def smuggling(attacker: Attacker) -> None:
    """Requests whose end is doubtful, each with a second one behind it."""
    await each(attacker, [pair + SMUGGLED for pair in SMUGGLING], 2000, 20)


async def oversized_heads(attacker: Attacker) -> None:
    """Heads of a megabyte, of one field and of very many, that do not end."""
    long = b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 1_000_000
    many = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"x%d: y\r\n" % number for number in range(100_000))
    await each(attacker, [long, many], 1000, 20)


async def many_fields(attacker: Attacker) -> None:
    """Heads within the limit, of as many fields as there is room for."""
    fields = b"".join(b"x%d:\r\n" % number for number in range(1900))
    await each(attacker, [request("GET", path, fields) for path in ("/healthz", "/download/1/1-1")], 1500, 20)


async def many_ranges(attacker: Attacker) -> None:
    """A thousand ranges of a large fragment, and entity tags without end."""
    path = f"/download/{attacker.site.large}/{attacker.site.large}-1"
    ranges = b"Range: bytes=" + b",".join(b"%d-%d" % (2 * n, 2 * n) for n in range(1300)) + b"\r\n"
    overlapping = b"Range: bytes=" + b",".join(b"%d-" % n for n in range(1500)) + b"\r\n"
    tags = b"If-None-Match: " + b", ".join(b'"%d"' % n for n in range(1500)) + b"\r\n"
    await each(attacker, [request("GET", path, fields) for fields in (ranges, overlapping, tags)], 1000, 10)


async def wrong_passwords(attacker: Attacker) -> None:
    """A hundred log-ins at once with wrong passwords, and again a hundred."""

    async def one(number: int) -> None:
        field = basic("admin" if number % 2 else f"operator{number}", secrets.token_hex(8))
        await attacker.exchange(attacker.site.https, request("GET", "/api/v1/packages", field), tls=True)

    await attacker.flood(300, 100, one)


async def strange_logins(attacker: Attacker) -> None:
    """Fields `Authorization` that are none."""
    fields = [b"Authorization: " + value + b"\r\n" for value in LOGINS]
    await each(attacker, [request("GET", "/api/v1/packages", field) for field in fields], 1500, 20, tls=True)


async def forged_tokens(attacker: Attacker) -> None:
    """Fragments by the paths of computers, whose tokens are guessed."""

    async def one(_number: int) -> None:
        heads = [
            f"GET /download/~{secrets.randbelow(36**3):x}-{secrets.token_hex(10)}/{attacker.site.package}/info"
            " HTTP/1.1\r\nHost: h\r\n\r\n".encode()
            for _ in range(100)
        ]
        for address in (attacker.site.http, attacker.site.mirror_http):
            await attacker.exchange(address, *heads, request("GET", "/download/"))

    await attacker.flood(200, 5, one)
