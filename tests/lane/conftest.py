"""A lane on loopback with a small `download` folder, and a client that sends and reads bytes.

Time is virtual in the tests that take `autojump_clock`.
"""

from __future__ import annotations

import logging
import socket
import ssl
from array import array
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio
from blake3 import blake3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from distd.domain.errors import Unavailable
from distd.lane.backend import Located
from distd.lane.file_cache import FileCache
from distd.lane.limits import Limits
from distd.lane.server import Lane
from distd.wire.manifest import Digests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from distd.lane.backend import RefusedHandOver

PACKAGE = "1700000001"
SMALL = bytes(range(256)) * 20  # 5,120 bytes: kept in memory
LARGE = bytes(i * 7 % 251 for i in range(300_000))  # sent from the file
INFO = b'<DOWNLOAD ID="1700000001" />'


@dataclass
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes

    def __getitem__(self, name: Any) -> Any:
        return self.fields[name.lower()]


class Peer:
    """A client's end of a connection."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.buffer = bytearray()

    async def send(self, data: Any) -> None:
        await self.stream.send_all(data)

    async def ask(self, data: Any, *, head: Any = False) -> Any:
        await self.send(data)
        return await self.answer(head=head)

    async def answer(self, *, head: Any = False) -> Any:
        """The next answer; `head`: it is that of a HEAD, so it has no body."""
        while b"\r\n\r\n" not in self.buffer:
            await self._more()
        raw, _, rest = self.buffer.partition(b"\r\n\r\n")
        self.buffer = rest
        line, *lines = raw.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
        status = int(line.split()[1])
        length = 0 if head or status in (100, 304) else int(fields.get("content-length", 0))
        while len(self.buffer) < length:
            await self._more()
        body = bytes(self.buffer[:length])
        del self.buffer[:length]
        return Answer(status, fields, body)

    async def _more(self) -> None:
        data = await self.stream.receive_some(65536)
        if not data:
            raise EOFError(bytes(self.buffer))
        self.buffer += data

    async def ended(self) -> Any:
        """Whether the lane ends the connection, without another byte."""
        try:
            return not self.buffer and await self.stream.receive_some(1) == b""
        except trio.BrokenResourceError:
            return True


@dataclass
class FakeBackend:
    """One token, and POSTs that are answered when the test says so."""

    tokens: dict[str, int] = field(default_factory=lambda: {"1a-0123456789abcdef0123": 46})
    posts: list[Any] = field(default_factory=list)
    fetches: list[Any] = field(default_factory=list)
    streams: list[Any] = field(default_factory=list)
    refusals: dict[bytes, RefusedHandOver] = field(default_factory=dict)
    echo: bool = True
    full: bool = False

    def computer_of(self, token: Any) -> Any:
        return self.tokens.get(token)

    def post(self, post: Any, answer: Any) -> None:
        if self.full:
            raise Unavailable("the catalogue", "too many requests are waiting")
        self.posts.append((post, answer))
        if self.echo:
            answer(200, post.body)

    def fetched(self, *fetch: Any) -> None:
        self.fetches.append(fetch[:4])  # and the address

    def may_be_redirected(self, package_id: Any) -> Any:
        return False

    def find(self, wanted: Any, answer: Any) -> Any:
        return Located(status=404)

    def refusal(self, path: Any, address: Any) -> Any:
        return self.refusals.get(path)

    def hand_over(self, stream: Any, path: Any) -> None:
        self.streams.append(stream)


class Running:
    """A lane that runs, with the ways to reach it."""

    def __init__(self, lane: Any, backend: Any, files: Any, addresses: Any, ca: Any) -> None:
        self.lane = lane
        self.backend = backend
        self.files = files
        self.addresses = addresses
        self.ca = ca

    @asynccontextmanager
    async def connect(self, *, tls: Any = False) -> AsyncIterator[Any]:
        stream: trio.abc.Stream = await trio.open_tcp_stream(*self.addresses[tls])
        if tls:
            context = ssl.create_default_context(cadata=self.ca)
            stream = trio.SSLStream(stream, context, server_hostname="localhost", https_compatible=True)
        try:
            yield Peer(stream)
        finally:
            await trio.aclose_forcefully(stream)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for it."""
        with trio.fail_after(3600):
            while not condition():
                await trio.sleep(0.01)

    async def get(self, path: Any, fields: Any = "", *, tls: Any = False, method: Any = "GET") -> Any:
        async with self.connect(tls=tls) as peer:
            raw = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode("latin-1")
            return await peer.ask(raw, head=method == "HEAD")


LENGTHS = array("Q", [len(SMALL), len(LARGE)])
DIGESTS = Digests(PACKAGE, blake3(INFO).digest(), blake3(SMALL).digest() + blake3(LARGE).digest(), LENGTHS)


@pytest.fixture
def download(tmp_path: Path) -> Any:
    folder = tmp_path / "download"
    package = folder / PACKAGE
    package.mkdir(parents=True)
    (package / "info").write_bytes(INFO)
    (package / "manifest").write_bytes(b"signed")
    (package / f"{PACKAGE}-1").write_bytes(SMALL)
    (package / f"{PACKAGE}-2").write_bytes(LARGE)
    return folder


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A self-signed certificate of localhost: the path of the chain with its key, and the certificate as PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = built.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "chain.pem"
    path.write_bytes(pem + secret)
    return path, pem.decode()


@pytest.fixture
def start(download: Any, certificate: Any, nursery: Any) -> Any:
    """A function that starts a lane with the limits that it is given; the lane ends with the test."""

    async def start(**limits: Any) -> Any:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate[0])
        backend = FakeBackend()
        files = FileCache(download, lambda package_id: DIGESTS)
        lane = Lane(backend, files, Limits(**limits), logging.getLogger("distd.lane"))
        plain, secure = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
        nursery.start_soon(lane.run, [(plain, None), (secure, context)])
        return Running(lane, backend, files, (plain.getsockname(), secure.getsockname()), certificate[1])

    return start


@pytest.fixture
async def running(start: Any) -> Any:
    return await start()


@pytest.fixture(autouse=True)
def no_faults(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """No test may bring out a fault of the lane's own."""
    yield
    # `caplog.records` are those of the fixtures' end only.
    records = [record for when in ("setup", "call", "teardown") for record in caplog.get_records(when)]
    assert [record.getMessage() for record in records if record.exc_info] == []
