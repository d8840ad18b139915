"""HTTP requests, and what each of three servers makes of them.

A verdict is the statuses of the answers in order, and whether the connection is "kept" for a request behind them or
"closed". A 206 names its bytes, first-last as in Content-Range; "no HTTP/1" is anything without a status line. Here are
the lane's verdicts; where another server comes to another one, it stands in http_differences, by its reason.
"""

from typing import NamedTuple

PACKAGE = "1700000001"
FILE = b"/download/1700000001/1700000001-1"  # SMALL, which the lane keeps in memory
BIG = b"/download/1700000001/1700000001-2"  # LARGE, which it sends from the disk
SMALL = bytes(range(256)) * 20
LARGE = bytes(i * 7 % 251 for i in range(300_000))
MODIFIED_S = 784_111_777
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = b"Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = b"Sun, 06 Nov 1994 08:49:38 GMT"
ETAG = b"@ETAG@"  # stands for what the server itself calls FILE, with its quotes


class Case(NamedTuple):
    """`heads`: which answers are to a HEAD, from 0. `eof`: the client ends its side, or a server would wait."""

    name: str
    raw: bytes
    verdict: str
    heads: tuple[int, ...] = ()
    eof: bool = False


def ask(
    *fields: bytes, target: bytes = FILE, method: bytes = b"GET", version: bytes = b"HTTP/1.1", host: bytes = b"Host: h"
) -> bytes:
    """A request without a body; `host` may be empty, then there is none."""
    return b"\r\n".join((b" ".join((method, target, version)), *filter(None, (host,)), *fields, b"", b""))


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return ask(*fields, method=b"POST") + body


def head(*fields: bytes, target: bytes = FILE) -> bytes:
    return ask(*fields, method=b"HEAD", target=target)


CASES = [
    # --- plain requests and how long a connection lives
    Case("GET", ask(), "200 kept"),
    Case("GET of a big file", ask(target=BIG), "200 kept"),
    Case("HEAD", head(), "200 kept", heads=(0,)),
    Case("GET of what is not there", ask(target=FILE + b"9"), "404 kept"),
    Case("pipelined GETs", ask() * 3, "200 200 200 kept"),
    Case("more pipelined GETs than a turn serves", ask() * 40, "200 " * 40 + "kept"),
    Case("pipelined, mixed methods", ask() + head() + ask(target=BIG) + ask(method=b"DELETE") + ask(),
         "200 200 200 405 200 kept", heads=(1,)),
    Case("pipelined behind a POST", post(b"Content-Length: 5", body=b"hello") + ask(), "405 200 kept"),
    Case("pipelined behind a bad head", ask() + ask(b"b d: x") + ask(), "200 400 closed"),
    Case("pipelined behind a close", ask(b"Connection: close") + ask(), "200 closed"),
    Case("pipelined ranges",
         ask(b"Range: bytes=0-1") + ask(b"Range: bytes=-2") + ask(), "206:0-1 206:5118-5119 200 kept"),
    Case("Connection: close", ask(b"Connection: close"), "200 closed"),
    Case("Connection: Close", ask(b"Connection: Close"), "200 closed"),
    Case("Connection of several options", ask(b"Connection: TE, close", b"TE: trailers"), "200 closed"),
    Case("Connection without close", ask(b"Connection: foo, keep-alive ,", b"Foo: x"), "200 kept"),
    Case("Connection: closed", ask(b"Connection: closed"), "200 kept"),
    Case("two Connection fields", ask(b"Connection: keep-alive", b"Connection: close"), "200 closed"),
    Case("Upgrade to h2c",
         ask(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"), "200 kept"),
    # --- versions
    Case("HTTP/1.0", ask(version=b"HTTP/1.0"), "200 closed"),
    Case("HTTP/1.0 without Host", ask(version=b"HTTP/1.0", host=b""), "200 closed"),
    Case("HTTP/1.0 with keep-alive", ask(b"Connection: keep-alive", version=b"HTTP/1.0"), "200 kept"),
    Case("HTTP/1.0 with Keep-Alive, close", ask(b"Connection: Keep-Alive, close", version=b"HTTP/1.0"), "200 closed"),
    Case("HTTP/0.9", b"GET " + FILE + b"\r\n", "400 closed"),
    Case("HTTP/1.2", ask(version=b"HTTP/1.2"), "505 closed"),
    Case("HTTP/2.0", ask(version=b"HTTP/2.0"), "505 closed"),
    Case("HTTP/1", ask(version=b"HTTP/1"), "400 closed"),
    Case("HTTP/1.10", ask(version=b"HTTP/1.10"), "400 closed"),
    Case("HTTP/01.1", ask(version=b"HTTP/01.1"), "400 closed"),
    Case("http/1.1", ask(version=b"http/1.1"), "400 closed"),
    Case("ICY/1.1", ask(version=b"ICY/1.1"), "400 closed"),
    Case("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 closed", eof=True),
    # --- methods
    Case("lower-case method", ask(method=b"get"), "405 kept"),
    Case("unknown method", ask(method=b"BREW"), "405 kept"),
    Case("DELETE", ask(method=b"DELETE"), "405 kept"),
    Case("TRACE", ask(method=b"TRACE"), "405 kept"),
    Case("OPTIONS", ask(method=b"OPTIONS"), "405 kept"),
    Case("a method that is no token", ask(method=b"G(T"), "400 closed"),
    Case("no method", b" " + ask()[4:], "400 closed"),
    # --- targets
    Case("absolute form", ask(target=b"http://h" + FILE), "200 kept"),
    Case("absolute form, https and a port", ask(target=b"HTTPS://h:443" + FILE), "200 kept"),
    Case("absolute form, another host than Host", ask(target=b"http://other" + FILE), "200 kept"),
    Case("absolute form, no path", ask(target=b"http://h"), "404 closed"),
    Case("absolute form, another scheme", ask(target=b"ftp://h" + FILE), "400 closed"),
    Case("absolute form, a CR in the host", ask(target=b"http://h\r" + FILE), "400 closed"),
    Case("asterisk form", ask(target=b"*", method=b"OPTIONS"), "400 closed"),
    Case("asterisk form of GET", ask(target=b"*"), "400 closed"),
    Case("authority form", ask(target=b"h:80", method=b"CONNECT"), "400 closed"),
    Case("a target without a slash", ask(target=FILE[1:]), "400 closed"),
    Case("a query alone", ask(target=b"?a"), "400 closed"),
    Case("a query", ask(target=FILE + b"?a=b"), "200 kept"),
    Case("a fragment identifier", ask(target=FILE + b"#a"), "404 kept"),
    Case("percent-encoded", ask(target=b"/%64ownload/%31700000001/1700000001%2D1"), "200 kept"),
    Case("percent-encoded slash", ask(target=b"/download/1700000001%2f1700000001-1"), "200 kept"),
    Case("percent-encoded twice", ask(target=FILE + b"%2531"), "404 kept"),
    Case("percent without digits", ask(target=FILE + b"%zz"), "404 kept"),
    Case("percent-encoded NUL", ask(target=FILE + b"%00"), "404 kept"),
    Case("percent-encoded question mark", ask(target=FILE + b"%3fa"), "404 kept"),
    Case("percent-encoded CRLF", ask(target=FILE + b"%0d%0aX:y"), "404 kept"),
    Case("dots that stay inside", ask(target=b"/download/1700000001/../1700000001/1700000001-1"), "404 kept"),
    Case("dots that lead out", ask(target=b"/download/../../../etc/passwd"), "404 kept"),
    Case("percent-encoded dots that lead out", ask(target=b"/download/%2e%2e/%2e%2e/%2e%2e/etc/passwd"), "404 kept"),
    Case("dots below the folder that lead out", ask(target=b"/download/1700000001/../../etc/passwd"), "404 kept"),
    Case("one dot", ask(target=b"/download/./1700000001/1700000001-1"), "404 kept"),
    Case("backslashes that lead out", ask(target=b"/download/..\\..\\etc\\passwd"), "404 kept"),
    Case("two slashes", ask(target=b"/download//1700000001/1700000001-1"), "404 kept"),
    Case("two slashes at the front", ask(target=b"/" + FILE), "404 closed"),
    Case("a slash at the end", ask(target=FILE + b"/"), "404 kept"),
    Case("the folder", ask(target=b"/download/1700000001/"), "404 kept"),
    Case("NUL in the target", ask(target=FILE + b"\0"), "400 closed"),
    Case("a byte over 127 in the target", ask(target=FILE + b"\xe9"), "400 closed"),
    Case("a space in the target", ask(target=FILE + b" x"), "400 closed"),
    Case("a tab in the target", ask(target=FILE + b"\tx"), "400 closed"),
    Case("two spaces before the target", ask(target=b" " + FILE), "400 closed"),
    Case("a long target", ask(target=FILE + b"?" + b"a" * 7000), "200 kept"),
    Case("a very long target", ask(target=FILE + b"?" + b"a" * 30_000), "431 closed"),
    # --- Host
    Case("no Host", ask(host=b""), "400 closed"),
    Case("an empty Host", ask(host=b"Host:"), "200 kept"),
    Case("two Hosts", ask(b"Host: h"), "400 closed"),
    Case("two Hosts in HTTP/1.0", ask(b"Host: i", version=b"HTTP/1.0"), "400 closed"),
    Case("a Host with a space", ask(host=b"Host: a b"), "400 closed"),
    Case("a Host with a path", ask(host=b"Host: h/x"), "400 closed"),
    Case("a Host with a user", ask(host=b"Host: u@h"), "400 closed"),
    Case("a Host with a port", ask(host=b"Host: h:80"), "200 kept"),
    Case("an IPv6 Host", ask(host=b"Host: [::1]:80"), "200 kept"),
    Case("a Host with an empty label", ask(host=b"Host: x.."), "400 closed"),
    Case("a Host with a long label", ask(host=b"Host: " + b"x" * 64), "400 closed"),
    Case("a Host that ends with a dot", ask(host=b"Host: h."), "200 kept"),
    Case("a Host that leads out", ask(host=b"Host: ../.."), "400 closed"),
    # --- header fields
    Case("no space behind the colon", ask(b"X:y"), "200 kept"),
    Case("an empty field", ask(b"X:"), "200 kept"),
    Case("bytes over 127 in a value", ask(b"X: caf\xe9"), "200 kept"),
    Case("space before the colon", ask(b"X : y"), "400 closed"),
    Case("space before Content-Length's colon", post(b"Content-Length : 5", body=b"hello"), "400 closed"),
    Case("no name", ask(b": y"), "400 closed"),
    Case("no colon", ask(b"X"), "400 closed"),
    Case("a name that is no token", ask(b"X@: y"), "400 closed"),
    Case("an underscore in a name", ask(b"X_y: z"), "200 kept"),
    Case("obs-fold", ask(b"X: y", b" z"), "400 closed"),
    Case("obs-fold in the first field", ask(host=b" Host: h"), "400 closed"),
    Case("obs-fold in Range", ask(b"Range: bytes=0-", b"\t1"), "400 closed"),
    Case("NUL in a value", ask(b"X: a\0b"), "400 closed"),
    Case("NUL in a name", ask(b"X\0: y"), "400 closed"),
    Case("a control character in a value", ask(b"X: a\x01b"), "400 closed"),
    Case("bare CR in a value", ask(b"X: a\rY: b"), "400 closed"),
    Case("bare CR for line ends", ask().replace(b"\r\n", b"\r") + b"\r\n\r\n", "400 closed"),
    Case("bare LF in a field", ask(b"X: a\nRange: bytes=0-1"), "400 closed"),
    Case("bare LF for line ends", ask().replace(b"\r\n", b"\n"), "400 closed"),
    Case("bare LF for the last line end", ask()[:-2] + b"\n", "400 closed"),
    Case("CR CR LF", ask(b"X: y\r"), "400 closed"),
    Case("CRLF injected by a value", ask(b"X: a\r\n\r\nGET " + BIG + b" HTTP/1.1\r\nHost: h"), "200 200 kept"),
    Case("a field of 7,000 bytes", ask(b"X: " + b"y" * 7000), "200 kept"),
    Case("a huge field", ask(b"X: " + b"y" * 40_000), "431 closed"),
    Case("a huge head of small fields", ask(*[b"X: " + b"y" * 500] * 90), "431 closed"),
    Case("too many fields", ask(*[b"X: y"] * 150), "431 closed"),
    Case("an empty line first", b"\r\n" + ask(), "200 kept"),
    Case("two empty lines first", b"\r\n\r\n" + ask(), "200 kept"),
    Case("nine empty lines first", b"\r\n" * 9 + ask(), "200 kept"),
    Case("an empty line between requests", ask() + b"\r\n" + ask(), "200 200 kept"),
    Case("nothing but noise", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", "400 closed"),
    # --- bodies
    Case("POST", post(b"Content-Length: 5", body=b"hello"), "405 kept"),
    Case("POST without a length", post(), "405 kept"),
    Case("Content-Length 0", ask(b"Content-Length: 0"), "200 kept"),
    Case("body on a GET", ask(b"Content-Length: 5") + b"hello", "200 kept"),
    Case("a request for a body", post(b"Content-Length: %d" % len(ask()), body=ask()), "405 kept"),
    Case("garbage behind a body", post(b"Content-Length: 5", body=b"hellogarbage\r\n\r\n"), "405 400 closed"),
    Case("an empty line behind a body", post(b"Content-Length: 5", body=b"hello\r\n"), "405 kept"),
    Case("two Content-Lengths that differ",
         post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"), "400 closed"),
    Case("two Content-Lengths alike", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), "400 closed"),
    Case("a list of Content-Lengths", post(b"Content-Length: 5, 5", body=b"hello"), "400 closed"),
    Case("Content-Length with a plus", post(b"Content-Length: +5", body=b"hello"), "400 closed"),
    Case("Content-Length with a minus", post(b"Content-Length: -5", body=b"hello"), "400 closed"),
    Case("Content-Length with spaces around", post(b"Content-Length:  5 \t", body=b"hello"), "405 kept"),
    Case("Content-Length with a space inside", post(b"Content-Length: 0 5", body=b"hello"), "400 closed"),
    Case("Content-Length with zeros before", post(b"Content-Length: 005", body=b"hello"), "405 kept"),
    Case("Content-Length in hexadecimal", post(b"Content-Length: 0x5", body=b"hello"), "400 closed"),
    Case("Content-Length with an underscore", post(b"Content-Length: 0_5", body=b"hello"), "400 closed"),
    Case("an empty Content-Length", post(b"Content-Length:", body=b""), "400 closed"),
    Case("Content-Length over 64 bits",
         post(b"Content-Length: 18446744073709551621", body=b"hello"), "400 closed", eof=True),
    Case("Content-Length over the limit", post(b"Content-Length: 99999999999", body=b"hello"), "413 closed", eof=True),
    Case("chunked POST", post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"), "411 closed"),
    Case("Transfer-Encoding on a GET", ask(b"Transfer-Encoding: chunked") + b"0\r\n\r\n", "411 closed"),
    Case("Transfer-Encoding with Content-Length",
         post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), "400 closed"),
    Case("Content-Length with Transfer-Encoding",
         post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"), "400 closed"),
    Case("an unknown Transfer-Encoding", post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), "411 closed"),
    Case("Transfer-Encoding in HTTP/1.0",
         ask(b"Transfer-Encoding: chunked", method=b"POST", version=b"HTTP/1.0") + b"0\r\n\r\n", "411 closed"),
    Case("Expect with a body", post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"), "100 405 kept"),
    Case("Expect without a body", ask(b"Expect: 100-continue"), "200 kept"),
    Case("Expect of something else", post(b"Expect: a-miracle", b"Content-Length: 5", body=b"hello"), "417 closed"),
    # --- ranges
    Case("Range", ask(b"Range: bytes=0-9"), "206:0-9 kept"),
    Case("Range of a big file", ask(b"Range: bytes=100000-299998", target=BIG), "206:100000-299998 kept"),
    Case("Range of one byte", ask(b"Range: bytes=5119-5119"), "206:5119-5119 kept"),
    Case("Range of all", ask(b"Range: bytes=0-"), "206:0-5119 kept"),
    Case("open Range", ask(b"Range: bytes=5000-"), "206:5000-5119 kept"),
    Case("suffix Range", ask(b"Range: bytes=-10"), "206:5110-5119 kept"),
    Case("suffix Range longer than the file", ask(b"Range: bytes=-9999"), "206:0-5119 kept"),
    Case("suffix Range of nothing", ask(b"Range: bytes=-0"), "416 kept"),
    Case("Range that ends past the end", ask(b"Range: bytes=5000-9999"), "206:5000-5119 kept"),
    Case("Range that begins past the end", ask(b"Range: bytes=5120-"), "416 kept"),
    Case("Range that runs backwards", ask(b"Range: bytes=9-0"), "200 kept"),
    Case("Range of huge numbers", ask(b"Range: bytes=0-99999999999999999999"), "200 kept"),
    Case("Range of another unit", ask(b"Range: lines=0-9"), "200 kept"),
    Case("Range in capitals", ask(b"RANGE: BYTES=0-9"), "206:0-9 kept"),
    Case("Range without a number", ask(b"Range: bytes=-"), "200 kept"),
    Case("Range without a unit", ask(b"Range: 0-9"), "200 kept"),
    Case("Range of letters", ask(b"Range: bytes=a-b"), "200 kept"),
    Case("Range with spaces", ask(b"Range: bytes= 0-9 , 20-29"), "206:0-9,20-29 kept"),
    Case("empty Range", ask(b"Range:"), "200 kept"),
    Case("two Range fields", ask(b"Range: bytes=0-9", b"Range: bytes=20-29"), "206:0-9 kept"),
    Case("two ranges", ask(b"Range: bytes=0-9,20-29"), "206:0-9,20-29 kept"),
    Case("two ranges of a big file", ask(b"Range: bytes=0-9,-10", target=BIG), "206:0-9,299990-299999 kept"),
    Case("ranges in disorder", ask(b"Range: bytes=20-29,0-9"), "206:20-29,0-9 kept"),
    Case("ranges that overlap", ask(b"Range: bytes=0-9,5-14"), "206:0-14 kept"),
    Case("ranges that touch", ask(b"Range: bytes=0-9,10-19"), "206:0-19 kept"),
    Case("the same range many times", ask(b"Range: bytes=" + b",".join([b"0-"] * 16)), "206:0-5119 kept"),
    Case("ranges, one past the end", ask(b"Range: bytes=0-9,9000-"), "206:0-9 kept"),
    Case("ranges, all past the end", ask(b"Range: bytes=9000-,9999-"), "416 kept"),
    Case("ranges, one of bad syntax", ask(b"Range: bytes=0-9,x"), "200 kept"),
    Case("too many ranges", ask(b"Range: bytes=" + b",".join(b"%d-%d" % (i, i) for i in range(0, 80, 2))), "200 kept"),
    Case("HEAD with Range", head(b"Range: bytes=0-9"), "200 kept", heads=(0,)),
    # --- conditions
    Case("If-Range, its ETag", ask(b"Range: bytes=0-9", b"If-Range: " + ETAG), "206:0-9 kept"),
    Case("If-Range, another ETag", ask(b"Range: bytes=0-9", b'If-Range: "x"'), "200 kept"),
    Case("If-Range, a weak ETag", ask(b"Range: bytes=0-9", b"If-Range: W/" + ETAG), "200 kept"),
    Case("If-Range, its date", ask(b"Range: bytes=0-9", b"If-Range: " + DATE), "206:0-9 kept"),
    Case("If-Range, an earlier date", ask(b"Range: bytes=0-9", b"If-Range: " + BEFORE), "200 kept"),
    Case("If-Range, a later date", ask(b"Range: bytes=0-9", b"If-Range: " + AFTER), "200 kept"),
    Case("If-Range without Range", ask(b'If-Range: "x"'), "200 kept"),
    Case("If-Match", ask(b"If-Match: " + ETAG), "200 kept"),
    Case("If-Match, a list", ask(b'If-Match: "x", ' + ETAG), "200 kept"),
    Case("If-Match, any", ask(b"If-Match: *"), "200 kept"),
    Case("If-Match, another", ask(b'If-Match: "x"'), "412 kept"),
    Case("If-Match, weak", ask(b"If-Match: W/" + ETAG), "412 kept"),
    Case("If-None-Match", ask(b"If-None-Match: " + ETAG), "304 kept"),
    Case("If-None-Match, weak", ask(b"If-None-Match: W/" + ETAG), "304 kept"),
    Case("If-None-Match, a list", ask(b'If-None-Match: "x", ' + ETAG), "304 kept"),
    Case("If-None-Match, any", ask(b"If-None-Match: *"), "304 kept"),
    Case("If-None-Match, another", ask(b'If-None-Match: "x"'), "200 kept"),
    Case("If-None-Match before Range", ask(b"Range: bytes=0-9", b"If-None-Match: " + ETAG), "304 kept"),
    Case("If-None-Match of a stock agent",
         ask(b"If-None-Match: " + ETAG, b"User-Agent: OCS-NG_unified_unix_agent_v2.10.0"), "200 kept"),
    Case("If-None-Match of a HEAD", head(b"If-None-Match: " + ETAG), "304 kept", heads=(0,)),
    Case("If-Modified-Since, its date", ask(b"If-Modified-Since: " + DATE), "200 kept"),
    Case("If-Modified-Since, an earlier date", ask(b"If-Modified-Since: " + BEFORE), "200 kept"),
    Case("If-Unmodified-Since, its date", ask(b"If-Unmodified-Since: " + DATE), "200 kept"),
    Case("If-Unmodified-Since, an earlier date", ask(b"If-Unmodified-Since: " + BEFORE), "412 kept"),
    Case("If-Unmodified-Since, no date", ask(b"If-Unmodified-Since: yesterday"), "200 kept"),
    Case("If-Unmodified-Since beside If-Match",
         ask(b"If-Match: " + ETAG, b"If-Unmodified-Since: " + BEFORE), "200 kept"),
]  # fmt: skip
