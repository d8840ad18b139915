"""What any head of a request must come to, whoever made it up: the lane's parser beside h11's.

`verdict` is what property tests and the fuzzer share. The lane may refuse what h11 takes (it is stricter on purpose: no
bare LF, no folded lines, no list of lengths), but what it takes, h11 must take and read alike.
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
# Of these fields the lane looks at the first, as far as they may be given once only.
FIRST_ONLY = ("expect", "user_agent", "range", "if_range", "if_unmodified_since")
LISTED = ("if_match", "if_none_match")


class Disagreement(AssertionError):
    """The head, and what is wrong with what became of it."""

    def __init__(self, head: bytes, why: str) -> None:
        super().__init__(f"{why}: {head!r}")


def verdict(data: bytes) -> Head | None:
    """The head at the front of `data` as the lane reads it, None when it refuses it. Raises `Disagreement`."""
    head = data.partition(END)[0]
    try:
        ours = http.parse_head(head)
    except HeadError as error:
        if error.status not in http.REASONS or not 400 <= error.status < 600:
            raise Disagreement(head, f"status {error.status}") from None
        return None
    _compare(head, ours)
    _look_at_target(head, ours)
    for size in SIZES:
        _look_at_selection(head, ours, size)
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
        raise Disagreement(head, f"h11 takes it for {theirs!r}")
    expected = _as_h11_reads_it(theirs)
    found = {
        "method": ours.method,
        "target": ours.target,
        "minor": ours.minor,
        **{name: getattr(ours.fields, name) for name in expected if hasattr(ours.fields, name)},
    }
    if found != expected:
        raise Disagreement(head, f"expected {expected}, got {found}")


def _as_h11_reads_it(request: h11.Request) -> dict[str, object]:
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
    for name in FIRST_ONLY:
        found = values.get(name.replace("_", "-").encode())
        fields[name] = found[0] if found else (b"" if name == "user_agent" else None)
    for name in LISTED:
        found = values.get(name.replace("_", "-").encode())
        fields[name] = b",".join(found) if found else None
    return fields


def _look_at_target(head: bytes, ours: Head) -> None:
    path = http.path_of(ours.target)
    if not isinstance(path, bytes):
        raise Disagreement(head, f"path {path!r}")


def _look_at_selection(head: bytes, ours: Head, size: int) -> None:
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
