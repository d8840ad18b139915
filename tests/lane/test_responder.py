"""Requests in, answers out, as values: no connection, no socket."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import Unavailable
from distd.lane.backend import LOCAL, FileRequest, Located, Post
from distd.lane.counters import Counts
from distd.lane.file_cache import FileCache
from distd.lane.limits import Limits
from distd.lane.responder import Request, Responder, is_own
from distd.lane.turn import Turn
from distd.wire.http import ALWAYS_ASK, ASK_AFTER_1_S, NO_STORE, parse_head, path_of
from tests.lane.conftest import INFO, LARGE, PACKAGE, SMALL, FakeBackend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from distd.lane.answers import Answer, Delivery

TOKEN = "1a-0123456789abcdef0123"  # FakeBackend's
FIRST = f"/download/{PACKAGE}/{PACKAGE}-1"


class SteeringBackend(FakeBackend):
    """Fragments with a token are answered elsewhere: at once with `located`, or later where it is None."""

    located: Located | None = None
    later: Callable[[Located], None] | None = None
    asked: FileRequest | None = None

    def may_be_redirected(self, package_id: Any) -> bool:
        return True

    def find(self, wanted: Any, answer: Any) -> Located | None:
        self.asked, self.later = wanted, answer
        return self.located


class Setup:
    """A responder with its neighbours; `replies` are the answers that came later."""

    def __init__(self, folder: Path, backend: FakeBackend) -> None:
        self.backend = backend
        self.turn = Turn(Limits(), Counts(), logging.getLogger("distd.lane"))
        self.turn.begin(1000.0, 1)
        self.responder = Responder(backend, FileCache(folder, _no_manifest), self.turn)
        self.replies: list[Answer] = []

    def ask(self, target: str, fields: str = "", method: str = "GET", body: bytes = b"") -> Answer | None:
        head = parse_head(f"{method} {target} HTTP/1.1\r\nHost: h\r\n{fields}".encode().removesuffix(b"\r\n"))
        request = Request(head, path_of(head.target), body, "10.0.0.1", "http")
        return self.responder.respond(request, self.replies.append)


def _no_manifest(package_id: str) -> Any:
    raise OSError(package_id)


@pytest.fixture
def setup(download: Path) -> Setup:
    return Setup(download, FakeBackend())


@pytest.fixture
def steering(download: Path) -> Setup:
    return Setup(download, SteeringBackend())


@pytest.mark.parametrize(
    ("path", "own"),
    [
        (b"/ocsinventory", True),
        (b"/download/x", True),
        (b"/download", False),
        (b"/ocsinventory/", False),
        (b"/", False),
    ],
)
def test_which_paths_are_its_own(path: bytes, own: bool) -> None:
    assert is_own(path) == own


def test_a_small_file_is_answered_from_memory_and_a_large_one_by_its_spans(setup: Setup) -> None:
    small, large = setup.ask(FIRST), setup.ask(FIRST[:-1] + "2")
    assert small is not None
    assert large is not None
    assert small.status == large.status == 200
    assert small.lines.endswith(b"\r\n\r\n" + SMALL)
    assert not small.parts
    assert large.parts == [(0, len(LARGE))]
    assert large.lines.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("target", "fields", "method", "delivery"),
    [
        (FIRST, "", "GET", (0, PACKAGE, 1, len(SMALL))),
        (f"/download/~{TOKEN}/{PACKAGE}/{PACKAGE}-1", "", "GET", (46, PACKAGE, 1, len(SMALL))),
        (FIRST, "Range: bytes=100-\r\n", "GET", (0, PACKAGE, 1, len(SMALL))),
        (FIRST, "Range: bytes=100-200\r\n", "GET", None),
        (FIRST, "", "HEAD", None),
        (f"/download/{PACKAGE}/info", "", "GET", None),
        # A cache that has it passes it on to the computer: no byte goes out from here.
        (f"/download/~{TOKEN}/{PACKAGE}/{PACKAGE}-1", "Via: 1.1 p\r\nIf-None-Match: *\r\n", "GET", (46, PACKAGE, 1, 0)),
        (f"/download/~{TOKEN}/{PACKAGE}/{PACKAGE}-1", "If-None-Match: *\r\n", "GET", None),
        (FIRST, "Via: 1.1 p\r\nIf-None-Match: *\r\n", "GET", None),
    ],
)
def test_what_counts_as_a_delivery(
    setup: Setup, target: str, fields: str, method: str, delivery: Delivery | None
) -> None:
    answer = setup.ask(target, fields, method)
    assert answer is not None
    assert answer.delivery == delivery


@pytest.mark.parametrize(
    ("target", "method", "status", "content"),
    [
        (f"/download/~2-0123456789abcdef0123/{PACKAGE}/info", "GET", 403, b"unknown token\n"),
        ("/download/17/info", "GET", 404, b"no such package, info or fragment\n"),
        ("/download/", "GET", 404, b"no such package, info or fragment\n"),
        ("/download/17/info", "HEAD", 404, b""),
        (FIRST, "DELETE", 405, b""),
        ("/ocsinventory", "GET", 405, b""),
    ],
)
def test_errors(setup: Setup, target: str, method: str, status: int, content: bytes) -> None:
    answer = setup.ask(target, method=method)
    assert answer is not None
    assert answer.status == status
    assert answer.lines.partition(b"\r\n\r\n")[2] == content


AGENT = "User-Agent: OCS-NG_unified_unix_agent_v2.10.0\r\n"
SINCE = "If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT\r\n"
SAME = "If-None-Match: *\r\n"
VIA = "Via: 1.1 proxy\r\n"


@pytest.mark.parametrize("number", [1, 2], ids=["from memory", "from the file"])
@pytest.mark.parametrize(
    ("fields", "status", "caching"),
    [
        ("", 200, ASK_AFTER_1_S),
        (AGENT, 200, ASK_AFTER_1_S),
        (AGENT + SINCE, 200, NO_STORE),
        (AGENT + VIA + SINCE, 200, NO_STORE),
        (AGENT + SAME, 200, ASK_AFTER_1_S),
        (AGENT + VIA + SAME, 304, ASK_AFTER_1_S),
        (AGENT + VIA + SAME + SINCE, 304, ASK_AFTER_1_S),
        (AGENT + VIA + 'If-None-Match: "x"\r\n', 200, ASK_AFTER_1_S),
        ("Range: bytes=1-2\r\n", 206, ASK_AFTER_1_S),
        ("Range: bytes=1-2\r\n" + SINCE, 206, NO_STORE),
        ("Range: bytes=999999-\r\n", 416, NO_STORE),
        ('If-Match: "x"\r\n', 412, NO_STORE),
    ],
)
def test_how_a_fragment_may_be_cached(setup: Setup, number: int, fields: str, status: int, caching: bytes) -> None:
    answer = setup.ask(f"{FIRST[:-1]}{number}", fields)
    assert answer is not None
    assert answer.status == status
    head = answer.lines.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert caching in head
    assert head.count(b"Cache-Control") == 1
    assert b"Last-Modified" not in head  # with it a cache has 304s of its own
    assert b"ETag" in head


def test_info_and_manifest_are_asked_for_always(setup: Setup) -> None:
    for name in ("info", "manifest"):
        answer = setup.ask(f"/download/{PACKAGE}/{name}")
        assert answer is not None
        assert ALWAYS_ASK in answer.lines


def test_errors_are_not_cached(setup: Setup) -> None:
    for target in ("/download/17/info", f"/download/~2-0123456789abcdef0123/{PACKAGE}/info", "/ocsinventory"):
        answer = setup.ask(target)
        assert answer is not None
        assert NO_STORE in answer.lines


async def test_a_post_is_answered_later(setup: Setup) -> None:
    setup.backend.echo = False
    setup.turn.begin(-1.0, 1)
    assert setup.ask("/ocsinventory", "User-Agent: x\r\n", "POST", b"body") is None
    ((post, answer),) = setup.backend.posts
    assert post == Post(b"body", "10.0.0.1", "x")
    answer(200, b"reply")
    answer(400, b"bad")
    answer(503, b"later")
    good, bad, later = setup.replies
    assert good.lines.endswith(b"\r\n\r\nreply")
    assert b"application/x-compressed" in good.lines
    assert (bad.status, b"text/plain" in bad.lines) == (400, True)
    assert [b"Retry-After: 10\r\n" in answer.lines for answer in setup.replies] == [False, False, True]
    assert later.status == 503
    assert setup.turn.now_s > 0  # the answer's time is now, not that of the turn in which it was asked for


async def test_a_post_that_must_log_in_is_asked_to(setup: Setup) -> None:
    setup.backend.echo = False
    setup.ask("/ocsinventory", "Authorization: Basic YTpi\r\n", "POST", b"body")
    ((post, answer),) = setup.backend.posts
    assert post.authorization == "Basic YTpi"
    answer(401, b"log in", b'WWW-Authenticate: Basic realm="x"\r\n')
    (asked,) = setup.replies
    assert asked.status == 401
    assert b'WWW-Authenticate: Basic realm="x"\r\n' in asked.lines


def test_a_post_too_many_is_told_when_to_come_again(setup: Setup) -> None:
    setup.backend.full = True
    answer = setup.ask("/ocsinventory", method="POST", body=b"x")
    assert answer is not None
    assert answer.status == 503
    assert b"Retry-After: 10\r\n" in answer.lines
    assert str(Unavailable("the catalogue", "too many requests are waiting")).encode() in answer.lines


STEERED = f"/download/~{TOKEN}/{PACKAGE}/{PACKAGE}-1"


@pytest.mark.parametrize(
    ("located", "status", "words"),
    [
        (Located(location="http://mirror/x"), 302, b"Location: http://mirror/x\r\n"),
        (LOCAL, 200, b"\r\n\r\n"),
        (Located(status=404), 404, b"no such package"),
        (Located(status=503, why="it has not come yet"), 503, b"it has not come yet"),
    ],
)
async def test_what_the_backend_locates_at_once_or_later(
    steering: Setup, located: Located, status: int, words: bytes
) -> None:
    backend = steering.backend
    assert isinstance(backend, SteeringBackend)
    backend.located = located
    answer = steering.ask(STEERED)
    backend.located = None
    assert steering.ask(STEERED) is None
    assert backend.asked == FileRequest(f"{PACKAGE}/{PACKAGE}-1", PACKAGE, 1, TOKEN, 46, "10.0.0.1", "http")
    assert backend.later is not None
    steering.turn.begin(-1.0, 1)
    backend.later(located)
    assert steering.turn.now_s > 0  # the answer's time is now
    assert [answer] == steering.replies
    assert answer is not None
    assert answer.status == status
    assert words in answer.lines


@pytest.mark.parametrize("name", ["info", "manifest"])
def test_what_is_no_fragment_has_no_number(steering: Setup, name: str) -> None:
    backend = steering.backend
    assert isinstance(backend, SteeringBackend)
    assert steering.ask(f"/download/17/{name}") is None
    assert backend.asked == FileRequest(f"17/{name}", "17", 0, "", 0, "10.0.0.1", "http")


def test_without_a_token_nothing_is_answered_elsewhere(steering: Setup) -> None:
    answer = steering.ask(FIRST)
    assert answer is not None
    assert answer.status == 200


def common(setup: Setup, request: bytes) -> tuple[bytes, int] | None:
    """Of the short way: the fields of the file found, and the computer."""
    found = setup.responder.match_fast_path(request, request.find(b"\r\n\r\n"))
    return None if found is None else (found[0].fields, found[1])


def test_the_common_request_takes_the_short_way(setup: Setup, steering: Setup) -> None:
    request = f"GET {STEERED} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    found = common(setup, request)
    assert found is not None
    assert found[0].endswith(SMALL)
    assert found[1] == 46
    info = common(setup, f"GET /download/{PACKAGE}/info HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert info is not None
    assert info[0].endswith(INFO)
    assert common(steering, request) is None
    setup.turn.stopping = True
    assert common(setup, request) is None


@pytest.mark.parametrize(
    "request_",
    [
        f"GET {FIRST} HTTP/1.1\r\nHost: h\r\n",  # it has not come whole
        f"GET {FIRST} HTTP/1.1\r\n\r\n",
        f"HEAD {FIRST} HTTP/1.1\r\nHost: h\r\n\r\n",
        f"GET {FIRST} HTTP/1.0\r\nHost: h\r\n\r\n",
        f"GET {FIRST}?x HTTP/1.1\r\nHost: h\r\n\r\n",
        f"GET {FIRST} HTTP/1.1\r\nHost: h\r\nRange: bytes=1-\r\n\r\n",
        f"GET {FIRST} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        f"GET /download/{PACKAGE}/{PACKAGE}-9 HTTP/1.1\r\nHost: h\r\n\r\n",
        f"GET /download/~2-0123456789abcdef0123/{PACKAGE}/info HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
def test_others_do_not(setup: Setup, request_: str) -> None:
    assert common(setup, request_.encode()) is None
