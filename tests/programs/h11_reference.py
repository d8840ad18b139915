"""Any head of a request as `distd.wire.http` parses it, compared with h11.

`compare_with_h11` is what property tests and the fuzzer share. distd may refuse what h11 accepts (it is stricter on
purpose: no bare LF, no folded lines, no list of lengths), but what it accepts, h11 must accept and read alike.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import h11

from distd.wire import http
from distd.wire.http import HeadError

if TYPE_CHECKING:
    from distd.wire.http import Head

END = b"\r\n\r\n"
ETAG = b'"5d41402abc4b2a76b9719d911017c592"'
MODIFIED_S = 784_111_777
SIZES = (0, 1, 5120, 2**40)
STATUSES = {200, 206, 304, 412, 416}
# Of these fields distd reads the first, as far as they may be given once only.
FIRST_ONLY = ("expect", "user_agent", "range", "if_range", "if_unmodified_since")
LISTED = ("if_match", "if_none_match")


class Disagreement(AssertionError):
    """A head of which distd and h11 disagree, or that distd answers wrongly."""

    def __init__(self, head: bytes, why: str) -> None:
        super().__init__(f"{why}: {head!r}")


def compare_with_h11(data: bytes) -> Head | None:
    """The head at the front of `data` as distd parses it, None when it refuses it. Raises `Disagreement`."""
    head = data.partition(END)[0]
    try:
        ours = http.parse_head(head)
    except HeadError as error:
        if error.status not in http.REASONS or not 400 <= error.status < 600:
            raise Disagreement(head, f"status {error.status}") from None
        return None
    _compare(head, ours)
    _check_target(head, ours)
    for size in SIZES:
        _check_selection(head, ours, size)
    return ours


def _compare(head: bytes, ours: Head) -> None:
    if ours.fields.transfer_encoding:
        return  # answered with a 411 whatever it is; h11 reads chunked
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 30)
    connection.receive_data(head + END)
    try:
        theirs = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise Disagreement(head, f"h11 refuses it ({error})") from None
    if not isinstance(theirs, h11.Request):
        raise Disagreement(head, f"h11 reads {theirs!r}")
    expected = _fields_of_h11(theirs)
    found = {
        "method": ours.method,
        "target": ours.target,
        "minor": ours.minor,
        **{name: getattr(ours.fields, name) for name in expected if hasattr(ours.fields, name)},
    }
    if found != expected:
        raise Disagreement(head, f"expected {expected}, got {found}")


def _fields_of_h11(request: h11.Request) -> dict[str, object]:
    values: dict[bytes, list[bytes]] = {}
    for name, value in request.headers:
        values.setdefault(name, []).append(value)
    minor = int(request.http_version[2:])
    options = {option.strip().lower() for value in values.get(b"connection", []) for option in value.split(b",")}
    lengths = values.get(b"content-length")
    fields: dict[str, object] = {
        "method": request.method,
        "target": request.target,
        "minor": minor,
        "keep_alive": b"close" not in options and (minor == 1 or b"keep-alive" in options),
        "content_length": int(lengths[0]) if lengths else None,
    }
    for field in FIRST_ONLY:
        given = values.get(field.replace("_", "-").encode())
        fields[field] = given[0] if given else (b"" if field == "user_agent" else None)
    for field in LISTED:
        given = values.get(field.replace("_", "-").encode())
        fields[field] = b",".join(given) if given else None
    return fields


def _check_target(head: bytes, ours: Head) -> None:
    path = http.path_of(ours.target)
    if not isinstance(path, bytes):
        raise Disagreement(head, f"path {path!r}")


def _check_selection(head: bytes, ours: Head, size: int) -> None:
    for stock_agent in (False, True):
        status, spans = http.select(ours.fields, size, ETAG, MODIFIED_S, stock_agent=stock_agent)
        if status not in STATUSES or (status == 304 and stock_agent):
            raise Disagreement(head, f"status {status}")
        if bool(spans) != (status == 206) or len(spans) > http.MAX_RANGES:
            raise Disagreement(head, f"{len(spans)} spans beside {status}")
        if any(not 0 <= start < stop <= size for start, stop in spans):
            raise Disagreement(head, f"spans {spans} of {size} bytes")
        by_start = sorted(spans)
        if any(stop > start for (_, stop), (start, _) in itertools.pairwise(by_start)):
            raise Disagreement(head, f"spans {spans} overlap")
