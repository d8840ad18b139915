"""Heads, conditions and ranges, against tables and against h11."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.wire.http import HeadError, for_another_server, http_date, parse_head, parse_range, path_of, select

ETAG = b'"abc"'
MODIFIED_S = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples


def head(*lines: Any) -> Any:
    return parse_head("\r\n".join(("GET / HTTP/1.1", "Host: h", *lines)).encode("latin-1"))


@pytest.mark.parametrize(
    ("lines", "field", "value"),
    [
        ([], "keep_alive", True),
        (["Connection: Close"], "keep_alive", False),
        (["Connection: TE, close", "TE: deflate,gzip;q=0.3"], "keep_alive", False),
        (["Connection: x", "Connection: close"], "keep_alive", False),
        (["Content-Length: 12"], "content_length", 12),
        (["content-LENGTH:0"], "content_length", 0),
        ([], "content_length", None),
        (["Transfer-Encoding: chunked"], "transfer_encoding", True),
        (["User-Agent: \t OCS-NG  x \t "], "user_agent", b"OCS-NG  x"),
        (["Authorization: Basic YTpi"], "authorization", b"Basic YTpi"),
        ([], "authorization", b""),
        (["If-None-Match: a", "If-None-Match: b"], "if_none_match", b"a,b"),
        (["X: caf\xe9", "Range: bytes=1-"], "range", b"bytes=1-"),
    ],
)
def test_fields(lines: Any, field: Any, value: Any) -> None:
    assert getattr(head(*lines).fields, field) == value


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"GET /", 400),
        (b"GET / HTTP/1.1 x\r\nHost: h", 400),
        (b"GET\t/ HTTP/1.1\r\nHost: h", 400),
        (b"G\x00T / HTTP/1.1\r\nHost: h", 400),
        (b"GET /\xe9 HTTP/1.1\r\nHost: h", 400),
        (b"GET / http/1.1\r\nHost: h", 400),
        (b"GET / HTTP/1.2\r\nHost: h", 505),
        (b"GET / HTTP/1.1\r\nHost h", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\n: x", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX:\x00", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\nY: b", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rY: b", 400),
        (b"GET / HTTP/1.1\r\nHost: a b", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1e3", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999", 400),
    ],
)
def test_bad_heads(raw: Any, status: Any) -> None:
    with pytest.raises(HeadError) as caught:
        parse_head(raw)
    assert caught.value.status == status


NAMES = st.sampled_from(["X", "Host", "Content-Length", "Range", "Connection", "Expect", "b@d", ""])
TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=12)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a/b", b"/a/b"),
        (b"/a?b", b"/a"),
        (b"/%7Ea%2fb", b"/~a/b"),
        (b"/%2541", b"/%41"),
        (b"/%", b"/%"),
        (b"/%zz", b"/%zz"),
        (b"http://host:80/a?b", b"/a"),
        (b"HTTPS://host", b"/"),
        (b"http://host?a", b"/"),
    ],
)
def test_path_of(target: Any, path: Any) -> None:
    assert path_of(target) == path


@pytest.mark.parametrize("target", [b"?a", b"*", b"h:80", b"a", b"%2fa", b"ftp://h/a", b"http:///a", b"http:a"])
def test_targets_that_are_no_path(target: Any) -> None:
    with pytest.raises(HeadError, match="expected a path"):
        parse_head(b"GET %s HTTP/1.1\r\nHost: h" % target)


@pytest.mark.parametrize(
    ("sent", "passed_on"),
    [
        (b"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n"),
        (b"GET http://x/a?b HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n"),
        (b"GET http://x?b HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /?b HTTP/1.1\r\nHost: h\r\n\r\n"),
        (
            b"GET / HTTP/1.1\r\nupGrade: h2c\r\nHTTP2-Settings: A\r\nHost: h\r\nX-Upgrade: y\r\nUpgrade:\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nX-Upgrade: y\r\n\r\n",
        ),
        (b"GET /\xff HTTP/1.0\r\n\r\n", b"GET /\xff HTTP/1.0\r\n\r\n"),
    ],
)
def test_heads_for_another_server(sent: bytes, passed_on: bytes) -> None:
    assert for_another_server(sent) == passed_on


@pytest.mark.parametrize(
    ("value", "size", "spans"),
    [
        (b"bytes=0-0", 10, ((0, 1),)),
        (b"bytes=0-9", 10, ((0, 10),)),
        (b"bytes=0-99", 10, ((0, 10),)),
        (b"bytes=9-", 10, ((9, 10),)),
        (b"bytes=-3", 10, ((7, 10),)),
        (b"bytes=-30", 10, ((0, 10),)),
        (b"BYTES=1-2", 10, ((1, 3),)),
        (b"bytes= 1-2 ,\t4-5,", 10, ((1, 3), (4, 6))),
        (b"bytes=4-5,1-2", 10, ((4, 6), (1, 3))),
        (b"bytes=0-5,3-7", 10, ((0, 8),)),
        (b"bytes=0-2,3-7,9-", 10, ((0, 8), (9, 10))),
        (b"bytes=0-,0-,0-,0-", 10, ((0, 10),)),
        (b"bytes=10-", 10, ()),
        (b"bytes=10-,11-12", 10, ()),
        (b"bytes=1-1,50-", 10, ((1, 2),)),
        (b"bytes=-0", 10, ()),
        (b"bytes=5-4", 10, None),
        (b"bytes=a-b", 10, None),
        (b"bytes=-", 10, None),
        (b"bytes=", 10, None),
        (b"bytes", 10, None),
        (b"bytes=1-2-3", 10, None),
        (b"bytes=+1-2", 10, None),
        (b"lines=1-2", 10, None),
        (b"bytes=0-0", 0, None),
        (b"bytes=" + b",".join(b"%d-%d" % (i * 3, i * 3) for i in range(17)), 100, None),
    ],
)
def test_parse_range(value: Any, size: Any, spans: Any) -> None:
    assert parse_range(value, size) == spans


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8), st.integers(1, 30))
def test_spans_hold_just_the_bytes_asked_for(pairs: Any, size: Any) -> None:
    pairs = [(min(pair), max(pair)) for pair in pairs]
    spans = parse_range(b"bytes=" + b",".join(b"%d-%d" % pair for pair in pairs), size)
    assert spans is not None
    asked = {i for first, last in pairs for i in range(first, last + 1) if i < size}
    assert {i for begin, stop in spans for i in range(begin, stop)} == asked
    assert sum(stop - begin for begin, stop in spans) == len(asked)


@pytest.mark.parametrize(
    ("lines", "stock", "status"),
    [
        ([], False, 200),
        (['If-None-Match: "abc"'], False, 304),
        (['If-None-Match: W/"abc"'], False, 304),
        (["If-None-Match: *"], False, 304),
        (['If-None-Match: "x", "abc"'], False, 304),
        (['If-None-Match: "x"'], False, 200),
        (['If-None-Match: "abc"'], True, 200),
        (["If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT"], False, 200),
        (['If-Match: "abc"'], False, 200),
        (['If-Match: W/"abc"'], False, 412),
        (['If-Match: "x"'], False, 412),
        (["If-Match: *"], False, 200),
        (["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], False, 200),
        (["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT"], False, 412),
        (["If-Unmodified-Since: yesterday"], False, 200),
        (["Range: bytes=1-2"], False, 206),
        (["Range: bytes=1-2"], True, 206),
        (["Range: bytes=99-"], False, 416),
        (["Range: bytes=1-2", 'If-Range: "abc"'], False, 206),
        (["Range: bytes=1-2", 'If-Range: W/"abc"'], False, 200),
        (["Range: bytes=1-2", 'If-Range: "x"'], False, 200),
        (["Range: bytes=99-", 'If-Range: "x"'], False, 200),
        (["Range: bytes=1-2", "If-Range: Sun, 06 Nov 1994 08:49:37 GMT"], False, 206),
        (["Range: bytes=1-2", "If-Range: Sun, 06 Nov 1994 08:49:38 GMT"], False, 200),
        (["Range: bytes=1-2", 'If-None-Match: "abc"'], False, 304),
        (["Range: bytes=1-2", 'If-Match: "x"'], False, 412),
    ],
)
def test_select(lines: Any, stock: Any, status: Any) -> None:
    assert select(head(*lines).fields, 10, ETAG, MODIFIED_S, stock_agent=stock).status == status


def test_http_date() -> None:
    assert http_date(MODIFIED_S) == b"Sun, 06 Nov 1994 08:49:37 GMT"
