"""All attacks. Each is bounded in number, and ended after some seconds by who runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.attacks import bodies, connections, heads, mirror

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from loadtests.attacks.attacker import Attacker


@dataclass(frozen=True, slots=True)
class Attack:
    """`at`: the address of the site that it goes to. `sends`: a regular expression of what comes there, enciphered or
    deciphered; empty: nothing. `prepare`: makes what takes long to make."""

    name: str
    run: Callable[[Attacker], Awaitable[None]]
    sends: bytes = b""
    at: str = "http"
    prepare: Callable[[], object] = bytes


_BODY: Final = rb"POST /ocsinventory HTTP/1\.1\r\n(?s:.)*\r\n\r\nx[\x01\x5e\x9c\xda]"

ALL: Final = (
    Attack("1,100 silent connections", connections.silent),
    Attack("1,100 uploads without bodies", connections.unfinished_uploads, b"PUT /api/v1/uploads"),
    Attack("half-open TLS", connections.half_open_tls, rb"^\x16\x03", "https"),
    Attack("TLS handshakes", connections.handshakes, rb"^\x16\x03", "https"),
    Attack("TLS renegotiations, key updates", connections.renegotiations, rb"^\x16\x03", "https"),
    Attack("no TLS on the HTTPS port", connections.tls_noise, rb"^\x16\x03", "https"),
    Attack("heads byte by byte (slowloris)", connections.slow_heads, b"GET /download/1/1-"),
    Attack("bodies byte by byte", connections.slow_bodies, b"Content-Length: 4000000\r\n\r\n\\0"),
    Attack("300 that never read", connections.never_reading, b"(GET /download/[^ ]* HTTP/1.1\r\nHost: h\r\n\r\n){8}"),
    Attack("resets within a head", connections.resets, b"\r\nHo$"),
    Attack("200 event streams that nobody reads", connections.unread_event_streams, b"/events\\?after=0", "https"),
    Attack("pipelining", heads.pipelining, b"(GET /download/[^ ]* HTTP/1.1\r\nHost: h\r\n\r\n){1000}"),
    Attack("1,100 × Upgrade: h2c", heads.upgrades, b"Upgrade: h2c\r\n"),
    Attack("1,100 × HTTP/2 without asking", heads.prior_knowledge, rb"^PRI \* HTTP/2\.0"),
    Attack("websockets to unknown paths", heads.websockets, b"Upgrade: websocket\r\n"),
    Attack("unknown paths", heads.unknown_paths, b"^GET /[0-9a-f]{16} "),
    Attack("absolute and strange targets", heads.strange_targets, rb"^GET (\?a|http://h/) "),
    Attack("request smuggling", heads.smuggling, b"(?s:.)GET /healthz\\?smuggled "),
    Attack("heads of a megabyte", heads.oversized_heads, b"x{100000}|(x[0-9]+: y\r\n){10000}"),
    Attack("1,900 fields", heads.many_fields, b"(x[0-9]+:\r\n){1900}"),
    Attack("1,000 ranges", heads.many_ranges, b"Range: bytes=([0-9]+-[0-9]*,){1000}"),
    Attack(
        "300 wrong passwords",
        heads.wrong_passwords,
        b"Authorization: Basic YWRtaW46|Authorization: Basic b3Bl",
        "https",
    ),
    Attack("log-ins that are none", heads.strange_logins, b"Authorization: Basic \xff\xfe\r\n", "https"),
    Attack("forged tokens", heads.forged_tokens, rb"^GET /download/~[0-9a-f]+-[0-9a-f]{20}/"),
    Attack("zlib bombs", bodies.zlib_bombs, _BODY, prepare=bodies.bomb),
    Attack("XML: deep", bodies.deep_xml, _BODY, prepare=bodies.deep),
    Attack("XML: wide", bodies.wide_xml, _BODY, prepare=bodies.wide),
    Attack("XML: 70,000 attributes, endless tags", bodies.wide_tags, _BODY, prepare=bodies.tags),
    Attack("XML: entities", bodies.entities, _BODY),
    Attack("21 inventories of 32 MiB", bodies.huge_inventories, _BODY, prepare=bodies.huge),
    Attack("100 inventories of 4 MiB", bodies.large_inventories, _BODY, prepare=bodies.large),
    Attack("histories of 100,000 packages", bodies.long_histories, _BODY, prepare=bodies.histories),
    Attack("20,000 new DEVICEIDs", bodies.new_computers, _BODY),
    Attack("invented results", bodies.invented_results, _BODY),
    Attack("bodies for the API without a log-in", bodies.bodies_without_login, b"POST /api/v1/packages HTTP", "https"),
    Attack("a stolen mirror's reports", mirror.reports_out_of_range, b"POST /api/v1/mirror/report HTTP", "https"),
    Attack(
        "150 bodies at a mirror's control port",
        mirror.bodies_at_control_port,
        b"POST [^ ]+ HTTP/1.1\r\n",
        "mirror_http",
    ),
    Attack("1,100 silent ones at a mirror", connections.silent_at_mirror, b"^POST /x ", "mirror_http"),
    Attack("unknown packages at a mirror", mirror.unknown_packages_at_mirror, b"^GET /download/[0-9]+/", "mirror_http"),
)
BY_NAME: Final[Mapping[str, Attack]] = {attack.name: attack for attack in ALL}
