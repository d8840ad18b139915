"""HTTP/1.1 as the lane uses it: heads of requests and answers, conditions and ranges. Sans-IO.

The rules are those of RFC 9110 (semantics) and RFC 9112 (syntax). Where they leave a choice, the strict one is taken:
no bare LF, no folded lines, no second Content-Length. So a proxy in front cannot understand a head differently.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Final, NamedTuple

from distd.domain.errors import DistdError

MAX_RANGES: Final = 16
MAX_FIELDS: Final = 100

# How answers may be cached (ADR 16). A fragment is kept by caches, which ask after a second whether it is still the
# same: so they hold no withdrawn package. What is sent to a client that asks with If-Modified-Since goes into no cache:
# another client would get a 304 from there, which a stock agent takes for a failure.
NO_STORE: Final = b"Cache-Control: no-store\r\n"
ALWAYS_ASK: Final = b"Cache-Control: no-cache\r\nVary: If-Modified-Since\r\n"
ASK_AFTER_1_S: Final = b"Cache-Control: public, max-age=1, must-revalidate\r\nVary: If-Modified-Since\r\n"

REASONS: Final = {
    100: "Continue",
    200: "OK",
    206: "Partial Content",
    302: "Found",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


class HeadError(DistdError):
    """A head that cannot be served. `status`: of the answer; `why`: one line for its body."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why

    def __str__(self) -> str:
        return f"{self.status} {self.why}"


class Fields(NamedTuple):
    """The header fields of a request that the lane uses. Absent ones are None.

    `plain`: the request has no body, no condition and no range, and the connection is kept. `via`: a proxy sent it.
    """

    plain: bool
    keep_alive: bool
    content_length: int | None
    transfer_encoding: bool
    expect: bytes | None
    user_agent: bytes
    authorization: bytes
    range: bytes | None
    if_range: bytes | None
    if_match: bytes | None
    if_none_match: bytes | None
    if_modified_since: bool
    if_unmodified_since: bytes | None
    via: bool


class Head(NamedTuple):
    """A request's head: `target` as sent, `minor` the HTTP minor version (0 or 1)."""

    method: bytes
    target: bytes
    minor: int
    fields: Fields


_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_METHOD: Final = re.compile(_TOKEN)
# Origin form or absolute form (RFC 9112, 3.2). Servers behind the lane take other targets for paths.
_TARGET: Final = re.compile(rb"(?:/|https?://[!\"$-.0->@-~]+)[!-~]*", re.IGNORECASE)
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
# A name of labels that a server can take for one of DNS, an address, a port; or nothing.
_LABEL: Final = rb"[A-Za-z0-9\-_~!$&'()*+;=%]{1,63}"
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|" + _LABEL + rb"(?:\." + _LABEL + rb")*\.?)?(?::[0-9]*)?")
_SPECIAL: Final = frozenset(
    b"content-length transfer-encoding expect range".split()
    + b"if-match if-none-match if-modified-since if-unmodified-since".split()
)
_MINOR: Final = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}


def parse_head(head: bytes) -> Head:
    """The head of a request, without the empty line that ends it. Raises `HeadError`."""
    line, _, block = head.partition(b"\r\n")
    parts = line.split(b" ")
    if len(parts) != 3:
        raise HeadError(400, "request line: expected METHOD TARGET HTTP/1.1")
    method, target, version = parts
    minor = _MINOR.get(version)
    if minor is None:
        if _VERSION.fullmatch(version):
            raise HeadError(505, "HTTP version: expected 1.1 or 1.0")
        raise HeadError(400, "request line: expected METHOD TARGET HTTP/1.1")
    if not _METHOD.fullmatch(method):
        raise HeadError(400, "method: expected a token")
    if not _TARGET.fullmatch(target):
        raise HeadError(400, "target: expected a path, in visible ASCII")
    return Head(method, target, minor, parse_fields(block, minor))


# An agent sends the same fields with every request, and there are few kinds of agents: caching the last thousand blocks
# saves most of the parsing. The function is pure, so the cache cannot be stale.
@lru_cache(maxsize=1024)
def parse_fields(block: bytes, minor: int) -> Fields:
    """The header lines (CRLF between them, none at the end) of an HTTP/1.`minor` request. Raises `HeadError`."""
    values = _collect(block)
    hosts = values.get(b"host", [])
    if len(hosts) > 1 or (minor and not hosts) or (hosts and not _HOST.fullmatch(hosts[0])):
        raise HeadError(400, "Host: expected exactly one, the name or the address of a server")
    encodings = values.get(b"transfer-encoding", [])
    lengths = values.get(b"content-length", [])
    if lengths and encodings:
        raise HeadError(400, "Content-Length beside Transfer-Encoding")
    options = {option.strip().lower() for value in values.get(b"connection", []) for option in value.split(b",")}
    keep_alive = b"close" not in options and (minor == 1 or b"keep-alive" in options)
    return Fields(
        plain=keep_alive and minor == 1 and values.keys().isdisjoint(_SPECIAL),
        keep_alive=keep_alive,
        content_length=_content_length(lengths),
        transfer_encoding=bool(encodings),
        expect=_single(values, b"expect"),
        user_agent=_single(values, b"user-agent") or b"",
        authorization=_single(values, b"authorization") or b"",
        range=_single(values, b"range"),
        if_range=_single(values, b"if-range"),
        if_match=_listed(values, b"if-match"),
        if_none_match=_listed(values, b"if-none-match"),
        if_modified_since=b"if-modified-since" in values,
        if_unmodified_since=_single(values, b"if-unmodified-since"),
        via=b"via" in values,
    )


def _collect(block: bytes) -> dict[bytes, list[bytes]]:
    values: dict[bytes, list[bytes]] = {}
    lines = block.split(b"\r\n") if block else []
    if len(lines) > MAX_FIELDS:
        raise HeadError(431, f"header fields: expected at most {MAX_FIELDS}")
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise HeadError(400, "header field: expected NAME: VALUE on one line")
        values.setdefault(match[1].lower(), []).append(match[2])
    return values


def _content_length(lengths: list[bytes]) -> int | None:
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 19:
        raise HeadError(400, "Content-Length: expected one whole number")
    return int(lengths[0])


def _single(values: dict[bytes, list[bytes]], name: bytes) -> bytes | None:
    found = values.get(name)
    return found[0] if found else None


def _listed(values: dict[bytes, list[bytes]], name: bytes) -> bytes | None:
    found = values.get(name)
    return b",".join(found) if found else None


_SCHEME: Final = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_UPGRADE: Final = re.compile(rb"^(?:upgrade|http2-settings):[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)+")


def path_of(target: bytes) -> bytes:
    """The path of a target: without scheme, host and query, with %XX decoded once."""
    path = _origin_form(target).partition(b"?")[0]
    if b"%" in path:
        path = _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), path)
    return path


def _origin_form(target: bytes) -> bytes:
    """Path and query of a target in absolute form."""
    if target.startswith(b"/"):
        return target
    rest = _SCHEME.sub(b"", target, count=1)
    return rest if rest.startswith(b"/") else b"/" + rest


def for_another_server(head: bytes) -> bytes:
    """A request's head, which has been parsed, with its empty line, as a server behind this one is to get it.

    Its target is in origin form, so that both see the same path. Upgrade is left out: a server may ignore it (RFC 9110,
    7.8), and clients that offer h2c unasked get their answer. What is behind the lane would leave HTTP/1.1.
    """
    method, target, rest = head.split(b" ", 2)
    return b"%s %s %s" % (method, _origin_form(target), _UPGRADE.sub(b"", rest))


def without_empty_lines(data: bytes) -> bytes:
    """Without the empty lines before a request, which are overlooked (RFC 9112, 2.2)."""
    return _EMPTY_LINES.sub(b"", data, count=1)


# --- conditions and ranges -------------------------------------------------------------------------------------


class Selection(NamedTuple):
    """The part of a file to send: `spans` are half-open (start, stop), none unless the status is 206."""

    status: int
    spans: tuple[tuple[int, int], ...] = ()


WHOLE: Final = Selection(200)


def select(fields: Fields, size: int, etag: bytes, modified_s: int, *, stock_agent: bool) -> Selection:
    """Which answer a GET or HEAD of a file gets: 200, 206, 304, 412 or 416 (RFC 9110, section 13.2.2).

    `etag` is quoted and strong. If-Modified-Since is never evaluated, and If-None-Match is not for a stock agent that
    no proxy stands before: it takes a 304 for a failure and asks again for ever. A server may ignore If-Modified-Since
    (13.1.3), and If-None-Match comes from the proxy's cache, which passes on what it has.
    """
    if fields.if_match is not None:
        if not _matches(fields.if_match, etag, weak=False):
            return Selection(412)
    elif fields.if_unmodified_since is not None:
        limit_s = _timestamp(fields.if_unmodified_since)
        if limit_s is not None and modified_s > limit_s:
            return Selection(412)
    if fields.if_none_match is not None and not stock_agent and _matches(fields.if_none_match, etag, weak=True):
        return Selection(304)
    if fields.range is None or not _same(fields.if_range, etag, modified_s):
        return WHOLE
    spans = parse_range(fields.range, size)
    if spans is None:
        return WHOLE
    return Selection(206, spans) if spans else Selection(416)


def parse_range(value: bytes, size: int) -> tuple[tuple[int, int], ...] | None:
    """The spans of a Range field for a file of `size` bytes: half-open, those past the end left out.

    None: the field is to be ignored (another unit, bad syntax, an empty file, more than `MAX_RANGES`). An empty
    tuple: nothing can be satisfied (416). Spans that overlap or touch are joined; the result is then sorted.
    """
    unit, _, ranges = value.partition(b"=")
    if unit.strip().lower() != b"bytes" or size == 0:
        return None
    texts = [text for text in (text.strip(b" \t") for text in ranges.split(b",")) if text]
    if not 1 <= len(texts) <= MAX_RANGES:
        return None
    spans = []
    for text in texts:
        span = _span(text, size)
        if span is None:
            return None
        if span[0] < span[1]:
            spans.append(span)
    return _merge(spans)


_SPAN: Final = re.compile(rb"([0-9]{0,19})-([0-9]{0,19})")


def _span(text: bytes, size: int) -> tuple[int, int] | None:
    """One range, or None for bad syntax. A span that cannot be satisfied comes back empty."""
    match = _SPAN.fullmatch(text)
    if match is None or match[0] == b"-":
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    if not last:
        return int(first), max(size, int(first))
    if int(last) < int(first):
        return None
    if int(first) >= size:
        return size, size
    return int(first), min(int(last) + 1, size)


def _merge(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(spans if len(merged) == len(spans) else merged)


def _matches(value: bytes, etag: bytes, *, weak: bool) -> bool:
    for text in value.split(b","):
        candidate = text.strip()
        if candidate == b"*" or candidate == etag or (weak and candidate == b"W/" + etag):
            return True
    return False


def _same(if_range: bytes | None, etag: bytes, modified_s: int) -> bool:
    if if_range is None:
        return True
    if if_range.startswith((b'"', b"W/")):
        return if_range == etag
    return if_range == http_date(modified_s)


def _timestamp(value: bytes) -> int | None:
    try:
        return int(parsedate_to_datetime(value.decode("ascii")).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


# --- heads out -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def http_date(at_s: int) -> bytes:
    """A Unix time as RFC 9110 writes it: b"Sun, 06 Nov 1994 08:49:37 GMT"."""
    return format_datetime(datetime.fromtimestamp(at_s, UTC), usegmt=True).encode("ascii")


def status_lines(status: int, now_s: int) -> bytes:
    """The beginning of every answer: status line, Server and Date."""
    return b"HTTP/1.1 %d %s\r\nServer: distd\r\nDate: %s\r\n" % (status, REASONS[status].encode(), http_date(now_s))


def file_fields(content_type: bytes, size: int, validators: bytes) -> bytes:
    """The fields that a 200 of a file always has, and the empty line."""
    return b"Content-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (content_type, size, validators)


def validators(etag: bytes, caching: bytes) -> bytes:
    """ETag, Accept-Ranges, and how the answer may be cached: `caching` is a line or two with their ends.

    There is no Last-Modified: with it a cache answers an agent's If-Modified-Since by a 304 of its own.
    """
    return b"ETag: %s\r\nAccept-Ranges: bytes\r\n%s" % (etag, caching)


def single_range_fields(content_type: bytes, span: tuple[int, int], size: int) -> bytes:
    """The fields of a 206 with one span, without the validators and the empty line."""
    start, stop = span
    return b"Content-Type: %s\r\nContent-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n" % (
        content_type,
        stop - start,
        start,
        stop - 1,
        size,
    )


def multipart(
    content_type: bytes, spans: tuple[tuple[int, int], ...], size: int, boundary: bytes
) -> tuple[bytes, list[bytes], bytes]:
    """A multipart/byteranges body: the answer's fields, the head of each part, the closing line (RFC 9110, 14.6)."""
    heads = [
        b"\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
        % (boundary, content_type, start, stop - 1, size)
        for start, stop in spans
    ]
    closing = b"\r\n--%s--\r\n" % boundary
    length = sum(map(len, heads)) + sum(stop - start for start, stop in spans) + len(closing)
    fields = b"Content-Type: multipart/byteranges; boundary=%s\r\nContent-Length: %d\r\n" % (boundary, length)
    return fields, heads, closing
