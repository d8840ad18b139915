"""Neighbours of a mirror in memory: servers without sockets, packages without an origin."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio
from blake3 import blake3

from distd.domain.errors import Unavailable
from distd.domain.records import Action, Fragment, Info, Manifest
from distd.lane.backend import FileRequest
from distd.lane.client.http_client import Client, Response, Stream
from distd.storage.data_dir import DataDir
from distd.storage.incoming import IncomingFragments
from distd.storage.quota import DiskLimits
from distd.wire import content_range, manifest, ocs_info
from redistrib.local_packages import LocalPackages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from cryptography import x509

    from distd.lane.client.http_client import Headers
    from distd.storage.pki import Signer

log = logging.getLogger("test")


async def pause(seconds: float) -> None:
    """What takes a neighbour so long, in virtual time."""
    with trio.move_on_after(seconds):
        await trio.sleep_forever()


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Reply:
    """An answer. In `pieces` a number is a pause in seconds, and an error is raised."""

    status: int = 200
    pieces: Sequence[bytes | float | Exception] = ()
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


Handler = Callable[[Request], Reply]


class FakeStream(Stream):
    def __init__(self, url: str, reply: Reply) -> None:
        self.url = url
        self.status = reply.status
        self.headers = reply.headers
        self.length = reply.length
        self._pieces = iter(reply.pieces)

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        for piece in self._pieces:
            if isinstance(piece, bytes):
                return piece
            if isinstance(piece, Exception):
                raise piece
            await pause(piece)
        raise StopAsyncIteration


class FakeClient(Client):
    """Asks `handlers`, by the beginning of URLs, the longest first; where there is none, the server is away."""

    def __init__(self) -> None:
        super().__init__(None, "test")
        self.handlers: dict[str, Handler] = {}
        self.requests: list[Request] = []

    def _reply(self, request: Request) -> Reply:
        self.requests.append(request)
        for start in sorted(self.handlers, key=len, reverse=True):
            if request.url.startswith(start):
                return self.handlers[start](request)
        raise Unavailable(request.url, "away")

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Headers = (),
        max_body_bytes: int = 0,
        downgrade: bool = True,
    ) -> Response:
        await trio.lowlevel.checkpoint()
        reply = self._reply(Request(method, url, dict(headers), body))
        content = b"".join([piece async for piece in FakeStream(url, reply)])
        return Response(reply.status, reply.headers, content, url)

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, headers: Headers = (), *, downgrade: bool = True
    ) -> AsyncIterator[Stream]:
        await trio.lowlevel.checkpoint()
        yield FakeStream(url, self._reply(Request(method, url, dict(headers))))

    def urls(self) -> list[str]:
        return [request.url for request in self.requests]


def file_handler(content: bytes, etag: str = "") -> Handler:
    """A web server's file, with ranges for those who know its ETag."""

    def answer(request: Request) -> Reply:
        headers = {"etag": etag} if etag else {}
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if not start or request.headers.get("If-Range") != etag:
            return Reply(200, [content], headers, len(content))
        headers["content-range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        assert content_range.parse(headers["content-range"]) is not None
        return Reply(206, [content[start:]], headers, len(content) - start)

    return answer


@dataclass(frozen=True)
class Package:
    """A package of an origin: what it has to serve, and what guarantees it."""

    id: str
    contents: tuple[bytes, ...]
    manifest: Manifest
    signed: bytes
    info: bytes

    @property
    def fragments(self) -> tuple[Fragment, ...]:
        return self.manifest.fragments

    def files(self) -> Iterator[tuple[str, bytes]]:
        yield "manifest", self.signed
        yield "info", self.info
        for fragment, content in zip(self.fragments, self.contents, strict=True):
            yield f"{self.id}-{fragment.number}", content

    def serve(self, client: FakeClient, base: str) -> None:
        """Have it at a download folder's URL."""
        for name, content in self.files():
            client.handlers[f"{base}/{self.id}/{name}"] = file_handler(content, f'"{blake3(content).hexdigest()}"')

    def install(self, data: DataDir) -> Path:
        """Have it on the disk; its folder."""
        folder = data.package(self.id)
        folder.mkdir()
        for name, content in self.files():
            (folder / name).write_bytes(content)
        return folder


def make_package(
    signer: Signer, package_id: str, *contents: bytes, version: int = 1, digest: str = "0" * 32
) -> Package:
    """A package of these fragments, signed. `digest`: what its info says, of all fragments together."""
    info = ocs_info.render(Info(package_id, 5, Action.STORE, "/tmp/x", len(contents), digest))
    fragments = tuple(Fragment(n, len(content), blake3(content).digest()) for n, content in enumerate(contents, 1))
    size = sum(map(len, contents))
    record = Manifest(package_id, version, size, b"", b"", b"", blake3(info).digest(), fragments)
    return Package(package_id, contents, record, manifest.sign(record, signer.key, signer.certificate_der), info)


def make_local(root: Path, ca: x509.Certificate, limits: DiskLimits = DiskLimits()) -> LocalPackages:  # noqa: B008 - a value
    """An empty mirror's disk."""
    data = DataDir(root)
    for folder in (data.download, data.fragments, root / "incoming"):
        folder.mkdir(parents=True)
    return LocalPackages(data, ca, IncomingFragments(data, root / "incoming"), limits)


def change_byte(path: Path, position: int = 0) -> None:
    """A bad disk: one byte of a file is another; its links, too."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    with path.open("r+b") as file:
        file.write(content)


def file_request(name: str, token: str = "") -> FileRequest:
    """An agent's request for a file of a package: "17-1", "17-info"."""
    package_id, _, file = name.partition("-")
    number = int(file) if file.isdecimal() else 0
    return FileRequest(f"{package_id}/{name if number else file}", package_id, number, token, 0, "10.0.0.1", "http")


def refuse(located: object) -> None:
    """In the place of an answer that is not to come."""
    raise AssertionError(located)
