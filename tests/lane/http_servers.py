"""Three servers of the same folder, and what they make of a case of http_cases."""

from __future__ import annotations

import datetime
import logging
import os
import re
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import hypercorn.trio
import trio
from hypercorn.config import Config
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from distd.domain.errors import BadInput
from distd.domain.request_rates import RequestRates
from distd.lane.backend import Located
from distd.lane.file_cache import FileCache
from distd.lane.limits import Limits
from distd.lane.server import Lane
from distd.server.handover import open_hand_over
from distd.server.slots import Slots
from tests.lane.http_cases import ETAG, FILE, LARGE, MODIFIED_S, PACKAGE, SMALL
from tests.programs.nginx import nginx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

INFO = b'<DOWNLOAD ID="1700000001" />'
FILES = {"info": INFO, f"{PACKAGE}-1": SMALL, f"{PACKAGE}-2": LARGE}
PROBE = f"GET /download/{PACKAGE}/info HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
TIMEOUT_S = 20


class Backend:
    """No token is known, POSTs come back as they are, the rest is hypercorn's."""

    def __init__(self, hand_over: Any) -> None:
        self.serve = hand_over

    def refusal(self, path: Any, address: Any) -> None:
        return None

    def hand_over(self, stream: Any, path: Any) -> None:
        self.serve(stream, path)

    def may_be_redirected(self, package_id: Any) -> Any:
        return False

    def find(self, wanted: Any, answer: Any) -> Any:
        return Located(status=404)

    def computer_of(self, token: Any) -> None:
        return None

    def post(self, post: Any, answer: Any) -> None:
        answer(200, post.body)

    def fetched(self, *fetch: Any) -> None:
        pass


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The files by way of Werkzeug, which has rules of its own for conditions and ranges."""
    if scope["type"] == "lifespan":
        while True:
            await send({"type": (await receive())["type"] + ".complete"})
    while (await receive()).get("more_body"):
        pass
    response = _respond(scope)
    body = b"" if scope["method"] == "HEAD" else response.get_data()
    fields = [(name.lower().encode(), value.encode()) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status_code, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def _respond(scope: Any) -> Any:
    folder, _, name = scope["path"].rpartition("/")
    if folder != f"/download/{PACKAGE}" or name not in FILES:
        return Response("no such file\n", 404)
    if scope["method"] not in ("GET", "HEAD"):
        return Response("", 405)
    environ = {
        f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode("latin-1") for name, value in scope["headers"]
    }
    response = Response(FILES[name], headers={"Content-Length": str(len(FILES[name]))})
    response.set_etag("tag-" + name)
    response.last_modified = datetime.datetime.fromtimestamp(MODIFIED_S, datetime.UTC)
    try:
        return response.make_conditional(environ | {"REQUEST_METHOD": scope["method"]}, True, len(FILES[name]))
    except HTTPException as error:
        return error.get_response()


def write_files(folder: Any) -> Any:
    package = folder / "download" / PACKAGE
    package.mkdir(parents=True)
    for name, content in FILES.items():
        (package / name).write_bytes(content)
        os.utime(package / name, (MODIFIED_S, MODIFIED_S))
    return folder / "download"


def no_manifest(package_id: Any) -> Any:
    raise BadInput("the manifest", "one", package_id)


@asynccontextmanager
async def lane(folder: Any) -> AsyncIterator[Any]:
    log = logging.getLogger("distd.lane")
    files = FileCache(write_files(folder), no_manifest)
    listener = socket.create_server(("127.0.0.1", 0))
    slots, rates = Slots(1000, 1000), RequestRates(100_000)
    async with open_hand_over(application, slots, rates, log, 1) as hand_over, trio.open_nursery() as nursery:
        nursery.start_soon(Lane(Backend(hand_over.serve), files, Limits(), log).run, [(listener, None)])
        yield listener.getsockname()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def hypercorn_with_werkzeug(folder: Any) -> AsyncIterator[Any]:
    config = Config()
    config.errorlog = logging.getLogger("hypercorn")
    # Its own copy of the descriptor is hypercorn's to close.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config.bind = [f"fd://{os.dup(listener.fileno())}"]
        done = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: _serve(config, done, task_status))
            yield listener.getsockname()
            done.set()


async def _serve(config: Any, done: Any, task_status: Any) -> None:
    await hypercorn.trio.serve(application, config, shutdown_trigger=done.wait, task_status=task_status)


@asynccontextmanager
async def nginx_alone(folder: Any) -> AsyncIterator[Any]:
    async with nginx(folder / "nginx", write_files(folder)) as server:
        yield "127.0.0.1", int(server.http.rpartition(":")[2])


SERVERS = {"lane": lane, "hypercorn": hypercorn_with_werkzeug, "nginx": nginx_alone}


async def verdicts(server: Any, folder: Any, cases: Any) -> Any:
    """{name of the case: verdict} of one of SERVERS."""
    found: dict[str, Any] = {}

    async def ask(case: Any) -> None:
        with trio.move_on_after(TIMEOUT_S):
            found[case.name] = await _verdict(address, case, etag)

    async with SERVERS[server](folder) as address:
        etag = await _etag(address)
        for start in range(0, len(cases), 16):
            async with trio.open_nursery() as nursery:
                for case in cases[start : start + 16]:
                    nursery.start_soon(ask, case)
    return found


async def _etag(address: Any) -> Any:
    answer = await exchange(address, b"HEAD " + FILE + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    found = re.search(rb"(?i)\r\netag: (\S+)", answer)
    assert found is not None
    return found[1]


async def exchange(address: Any, raw: Any, *, eof: Any = False) -> Any:
    """All that comes for `raw`, to the end of the connection. `eof`: the client's own end comes behind `raw`."""
    stream = await trio.open_tcp_stream(*address)
    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(_send, stream, raw, eof)
        got = b""
        with suppress(trio.BrokenResourceError):  # closed with requests unread; what came before is still read
            async for data in stream:
                got += bytes(data)
        nursery.cancel_scope.cancel()
    return got


async def _send(stream: Any, raw: Any, eof: Any) -> None:
    with suppress(trio.BrokenResourceError):  # the server has closed it already
        await stream.send_all(raw)
        if eof:
            await stream.send_eof()


async def _verdict(address: Any, case: Any, etag: Any) -> Any:
    """A request behind the case's own tells whether the connection is kept."""
    got = await exchange(address, case.raw.replace(ETAG, etag) + PROBE, eof=case.eof)
    words: list[str] = []
    while got:
        word, body, got = _answer(got, head=len(words) in case.heads)
        words.append(word)
    kept = bool(words) and word == "200" and body == INFO
    return " ".join((*words[:-1], "kept") if kept else (*words, "closed"))


def _answer(got: Any, *, head: Any) -> Any:
    """The first answer in `got`: its word, its body, and the rest."""
    if not got.startswith(b"HTTP/1."):
        return "no HTTP/1", got, b""
    lines, end, rest = got.partition(b"\r\n\r\n")
    assert end, got
    line, *pairs = lines.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (pair.partition(":") for pair in pairs)}
    status = line.split()[1]
    if head or status in ("100", "304"):
        return status, b"", rest
    if fields.get("transfer-encoding") == "chunked":
        body, rest = _chunks(rest)
    else:
        length = int(fields.get("content-length", len(rest)))
        body, rest = rest[:length], rest[length:]
        assert len(body) == length, line
    return _word(status, fields, body), body, rest


def _chunks(rest: Any) -> Any:
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
        if not length:
            return body, rest


def _word(status: Any, fields: Any, body: Any) -> Any:
    if status == "206":
        return "206:" + ",".join(_spans(fields, body))
    if status == "200" and body not in FILES.values():
        return f"200 of {len(body)} other bytes"
    return status


def _spans(fields: Any, body: Any) -> Any:
    """first-last of every part, once its bytes are seen to be the file's."""
    if "boundary=" not in fields["content-type"]:
        return [_span(fields["content-range"], body)]
    boundary = b"\r\n--" + fields["content-type"].partition("boundary=")[2].strip('"').encode()
    first, *parts, last = body.split(boundary)
    assert (first, last) == (b"", b"--\r\n"), (first, last)
    heads = (part.partition(b"\r\n\r\n") for part in parts)
    return [_span(_content_range(lines), data) for lines, _, data in heads]


def _content_range(lines: bytes) -> str:
    found = re.search(rb"(?i)content-range: (.*)", lines)
    assert found is not None, lines
    return found[1].decode().strip()


def _span(content_range: Any, body: Any) -> Any:
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", content_range)
    assert found is not None, content_range
    first, last, size = map(int, found.groups())
    whole = next(content for content in FILES.values() if len(content) == size)
    return f"{first}-{last}" if body == whole[first : last + 1] else f"{first}-{last} of other bytes"
