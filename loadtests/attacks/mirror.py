"""Attacks on a mirror, and by a stolen one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from distd.wire.packing import pack
from loadtests.attacks.messages import request

if TYPE_CHECKING:
    from loadtests.attacks.attacker import Attacker

REPORT: Final = "/api/v1/mirror/report"
FIELDS: Final = b"Content-Type: application/msgpack\r\n"
BODIES: Final = 150


def reports(package: str) -> list[dict[str, Any]]:
    """What no mirror can mean: numbers out of range, times that are none, lists without end."""
    return [
        {"seq": 1, "ready": [[package, 2**63 - 1], ["9" * 20, 2**63]]},
        {"seq": 2**62 - 1, "have": [[str(number), 1] for number in range(1000, 11_000)]},
        {"seq": 1, "now_s": math.nan, "at_s": math.inf, "batch": "nan", "access": [["", "::1", package, "1-9", 1]]},
        {"seq": 1, "now_s": 1e300, "at_s": -1e300, "batch": "far", "access": [["", "x" * 10_000, package, "1", 2**63]]},
        {"seq": 1, "faults": [[package, f"{package}-{number}", False] for number in range(10_000)]},
        {"seq": 1, "status": {"agents": 2**64 - 1, "free_bytes": -(2**63), "version": "\x1b[2J" * 10_000}},
        {"seq": 1, "batch": "many", "access": [["", "10.0.0.1", package, "1-999999999", -(2**63)]] * 10_000},
    ]


async def reports_out_of_range(attacker: Attacker) -> None:
    """Reports by a mirror's key, of numbers that are out of range."""
    fields = FIELDS + b"Authorization: Bearer " + attacker.site.mirror_key.encode() + b"\r\n"
    requests = [request("POST", REPORT, fields, pack(report)) for report in reports(attacker.site.package)]

    async def one(number: int) -> None:
        await attacker.exchange(attacker.site.https, requests[number % len(requests)], tls=True)

    await attacker.flood(70, 4, one)


async def bodies_at_control_port(attacker: Attacker) -> None:
    """Bodies of 4 MB for a mirror's control port, by nobody, for its own paths and for others."""
    requests = [request("POST", path, FIELDS, b"\0" * 4_190_000) for path in (REPORT, "/healthz", "/x")]

    async def one(number: int) -> None:
        await attacker.exchange(attacker.site.mirror_http, requests[number % len(requests)])

    await attacker.flood(BODIES, BODIES, one)


async def unknown_packages_at_mirror(attacker: Attacker) -> None:
    """Fragments of packages that are not there, of a mirror, and of the origin through it."""

    async def one(number: int) -> None:
        paths = (f"/download/{number}/{number}-1", f"/download/{attacker.site.package}/{attacker.site.package}-9999")
        heads = [f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode() * 50 for path in paths]
        await attacker.exchange(attacker.site.mirror_http, *heads, request("GET", "/download/"))

    await attacker.flood(100, 5, one)
