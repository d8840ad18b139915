"""However a stream of requests is cut into pieces, and whichever way they are served: the same answers."""

from __future__ import annotations

import itertools
import logging
import re
import socket
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from distd.lane.backend import Located
from distd.lane.file_cache import FileCache
from distd.lane.limits import Limits
from distd.lane.responder import Responder
from distd.lane.server import Lane
from tests.lane.conftest import INFO, LARGE, PACKAGE, SMALL, FakeBackend
from tests.lane.http_cases import CASES, ETAG
from tests.lane.http_cases import PACKAGE as PACKAGE_OF_CASES

TOKEN = "1a-0123456789abcdef0123"  # FakeBackend's
# Streams for the short way: what it serves, and what it must leave to the general one.
TARGETS = [
    *(f"/download/{PACKAGE}/{PACKAGE}-1", f"/download/{PACKAGE}/{PACKAGE}-2", f"/download/{PACKAGE}/info"),
    *(f"/download/~{TOKEN}/{PACKAGE}/{PACKAGE}-1", f"/download/~{TOKEN}/{PACKAGE}/manifest"),
    *(f"/download/~9-0123456789abcdef0123/{PACKAGE}/info", f"/download/{PACKAGE}/{PACKAGE}-01", "/download/1/2-3"),
    *(f"/download/{PACKAGE}/{PACKAGE}-9", f"/download/{PACKAGE}/{PACKAGE}-1?x", f"http://h/download/{PACKAGE}/info"),
]
FIELDS = [
    *("Accept: */*", "User-Agent: OCS-NG_unified_unix_agent_v2.10.0", "Range: bytes=5-9", "If-None-Match: *", "X:y"),
    *("Connection: keep-alive", "Connection: Keep-Alive, TE", "Content-Length: 0", "TE:", "Bad Name: x", "Host: i"),
]
REQUESTS = st.builds(
    lambda method, target, version, fields: "\r\n".join([f"{method} {target} {version}", "Host: h", *fields, "", ""]),
    st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "get"]),
    st.sampled_from(TARGETS),
    st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]),
    st.lists(st.sampled_from(FIELDS), max_size=3),
).map(str.encode)
STREAMS = st.lists(REQUESTS, min_size=1, max_size=8).map(b"".join)
CUTS = st.lists(st.floats(0, 1), max_size=12)


class ClosingBackend(FakeBackend):
    """Nobody takes what is not the lane's."""

    def may_be_redirected(self, package_id: Any) -> Any:
        return False

    def find(self, wanted: Any, answer: Any) -> Any:
        return Located(status=404)

    def refusal(self, path: Any, address: Any) -> None:
        return None

    def hand_over(self, stream: Any, path: Any) -> None:
        stream.socket.close()


class GeneralResponder(Responder):
    """Without the short way."""

    def match_fast_path(self, buffer: Any, end: Any) -> Any:
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    download = tmp_path_factory.mktemp("stream")
    for package in (PACKAGE, PACKAGE_OF_CASES):
        (download / package).mkdir(exist_ok=True)
        for name, content in {"info": INFO, f"{package}-1": SMALL, f"{package}-2": LARGE, "manifest": b"m"}.items():
            (download / package / name).write_bytes(content)
    return download


def no_manifest(package_id: Any) -> Any:
    raise OSError(package_id)


def answers(folder: Any, pieces: Any, responder: Any = Responder) -> Any:
    """All that a lane of its own sends for these pieces, one after the other, but for Date."""
    return trio.run(partial(_answers, folder, pieces, responder))


async def _answers(folder: Any, pieces: Any, responder: Any) -> Any:
    backend, files, log = ClosingBackend(), FileCache(folder, no_manifest), logging.getLogger("distd.lane")
    lane = Lane(backend, files, Limits(), log)
    lane.responder = responder(backend, files, lane.turn)
    listener = socket.create_server(("127.0.0.1", 0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run, [(listener, None)])
        with trio.fail_after(30):
            got = await _exchange(listener.getsockname(), pieces)
        nursery.cancel_scope.cancel()
    return re.sub(rb"Date: [^\r]*", b"Date:", got), backend.fetches


async def _exchange(address: Any, pieces: Any) -> Any:
    got = b""
    async with await trio.open_tcp_stream(*address) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(_send, stream, pieces)
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                got += data
        nursery.cancel_scope.cancel()
    return got


async def _send(stream: Any, pieces: Any) -> None:
    with suppress(trio.BrokenResourceError):
        for piece in pieces:
            await stream.send_all(piece)
            # The lane's task runs in between, so a piece is read before the next one is sent.
            for _ in range(3):
                await trio.lowlevel.checkpoint()
        await stream.send_eof()


def cut(data: Any, shares: Any) -> Any:
    places = sorted({int(share * len(data)) for share in shares} | {0, len(data)})
    return [data[start:stop] for start, stop in itertools.pairwise(places)]


@settings(max_examples=60, deadline=None)
@given(stream=STREAMS, shares=CUTS)
def test_pieces_make_no_difference(folder: Any, stream: Any, shares: Any) -> None:
    assert answers(folder, cut(stream, shares)) == answers(folder, [stream])


@settings(max_examples=60, deadline=None)
@given(stream=STREAMS)
def test_the_short_way_comes_to_what_the_general_one_does(folder: Any, stream: Any) -> None:
    assert answers(folder, [stream]) == answers(folder, [stream], GeneralResponder)


# An error ends what is sent; how much of what follows has been read by then is up to the pieces.
WHOLE = [case for case in CASES if len(case.raw) < 600 and " 4" not in case.verdict[3:]]


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
def test_byte_by_byte(folder: Any, case: Any) -> None:
    raw = case.raw.replace(ETAG, b'"x"')
    assert answers(folder, [raw[i : i + 1] for i in range(len(raw))]) == answers(folder, [raw])
