"""The HTTP client against a server that sends exactly the bytes it is told to."""

from __future__ import annotations

import datetime
import ssl
from contextlib import asynccontextmanager, suppress
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from distd.domain.errors import BadInput, TooLarge, Unavailable
from distd.lane.client.http_client import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

HANG = b"HANG"


class Script:
    """A server: each connection answers its requests with the next lists of chunks, then closes."""

    def __init__(self, *connections: Iterable[bytes | list[bytes]]) -> None:
        self.connections = [list(one) for one in connections]
        self.requests: list[list[str]] = []
        self.base = ""

    async def handle(self, stream: trio.abc.Stream) -> None:
        heard: list[str] = []
        self.requests.append(heard)
        for answer in self.connections.pop(0):
            if not (head := await self.read_request(stream)):
                return
            heard.append(head)
            for chunk in [answer] if isinstance(answer, bytes) else answer:
                if chunk == HANG:
                    await trio.sleep_forever()
                await stream.send_all(chunk.replace(b"BASE", self.base.encode()))
        await stream.aclose()

    async def read_request(self, stream: trio.abc.Stream) -> str:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = bytes(await stream.receive_some(65536))
            if not chunk:
                return ""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
        while len(body) < length:
            body += bytes(await stream.receive_some(65536))
        return (head + b"\r\n\r\n" + body).decode()


@asynccontextmanager
async def served(script: Script, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def handle(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):  # a client that has had enough
            await script.handle(trio.SSLStream(stream, context, server_side=True) if context else stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, host=host), handle, 0)
        port = listeners[0].socket.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        script.base = f"{'https' if context else 'http'}://{name}:{port}"
        yield script.base
        nursery.cancel_scope.cancel()


def ok(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def moved(to: str, status: int = 302) -> bytes:
    return ok(b"elsewhere", f"Location: {to}", status=f"{status} Found")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


async def get(base: str) -> bytes:
    async with open_client() as client, client.stream("GET", f"{base}/x") as response:
        assert response.status == 200
        return b"".join([chunk async for chunk in response])


GOOD: list[tuple[str, list[bytes], bytes]] = [
    ("counted", [ok(b"hello")], b"hello"),
    ("empty", [ok(b"")], b""),
    ("byte by byte", [bytes([byte]) for byte in ok(b"hello")], b"hello"),
    ("chunked", [CHUNKED], b"abcde"),
    ("chunked byte by byte", [bytes([byte]) for byte in CHUNKED], b"abcde"),
    ("after a 100", [b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"hello")], b"hello"),
    ("large", [ok(b"x" * 3_000_000)], b"x" * 3_000_000),
]


@pytest.mark.parametrize(("chunks", "body"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
async def test_a_body_comes_whole(chunks: list[bytes], body: bytes) -> None:
    async with served(Script([chunks])) as base:
        assert await get(base) == body


BAD: list[tuple[str, list[bytes], str]] = [
    ("short", [ok(b"hello")[:-2]], "2 bytes early, of 5"),
    ("short chunked", [CHUNKED[:-5]], "incomplete chunked"),
    ("no length", [b"HTTP/1.1 200 OK\r\n\r\nhello"], "does not say how long"),
    ("coded", [ok(b"hello", "Content-Encoding: gzip")], "content-encoding gzip"),
    ("two lengths", [ok(b"hello", "Content-Length: 4")], "broken HTTP"),
    ("no HTTP", [b"SSH-2.0-server\r\n\r\n"], "broken HTTP"),
    ("a head without end", [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000], "broken HTTP"),
    ("nothing", [], "broken HTTP"),
]


@pytest.mark.parametrize(("chunks", "why"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_a_bad_answer_is_unavailable(chunks: list[bytes], why: str) -> None:
    async with served(Script([chunks])) as base:
        with pytest.raises(Unavailable, match=why):
            await get(base)


async def test_a_server_that_says_nothing_is_unavailable(autojump_clock: trio.testing.MockClock) -> None:
    async with served(Script([[HANG]])) as base:
        with pytest.raises(Unavailable, match="no byte for"):
            await get(base)


async def test_a_connection_that_is_not_made_in_time(autojump_clock: trio.testing.MockClock) -> None:
    async with served(Script([[HANG]])) as base, open_client() as client:  # accepted, but no handshake comes
        with pytest.raises(Unavailable, match=r": no connection within 30 s$"):
            await client.request("GET", base.replace("http:", "https:"))
        assert autojump_clock.current_time() == pytest.approx(30, abs=5)


async def test_no_server() -> None:
    async with served(Script()) as base:
        pass
    with pytest.raises(Unavailable, match="refused"):
        await get(base)


async def test_a_post_and_its_answer() -> None:
    script = Script([ok(b"done", "X-A: 1", "X-A: 2")])
    async with served(script) as base, open_client(user_agent="me/1") as client:
        response = await client.request("POST", f"{base}/ocs?a=b", body=b"question", headers=[("Pragma", "no-cache")])
    assert (response.status, response.body, response.headers["x-a"]) == (200, b"done", "1, 2")
    head, _, body = script.requests[0][0].partition("\r\n\r\n")
    assert body == "question"
    assert head.splitlines() == [
        "POST /ocs?a=b HTTP/1.1",
        f"Host: {base.removeprefix('http://')}",
        "User-Agent: me/1",
        "Pragma: no-cache",
        "Content-Length: 8",
    ]


async def test_a_body_over_the_limit_is_too_large() -> None:
    async with served(Script([ok(b"12345")])) as base, open_client() as client:
        with pytest.raises(TooLarge):
            await client.request("GET", base, max_body_bytes=4)


async def test_head_has_no_body() -> None:
    script = Script([b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", ok(b"x")])
    async with served(script) as base, open_client() as client:
        assert (await client.request("HEAD", base)).body == b""
        assert (await client.request("GET", base)).body == b"x"
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("first", "connections"),
    [
        (ok(b"a"), 1),
        (CHUNKED, 1),
        (ok(b"a", "Connection: close"), 2),
        (ok(b"a") + b"more than it said", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 2),
    ],
    ids=["kept", "chunked", "closing", "too much", "1.0"],
)
async def test_reuse(first: bytes, connections: int) -> None:
    script = Script([first, ok(b"b")], [ok(b"b")])
    async with served(script) as base, open_client() as client:
        await client.request("GET", base)
        assert (await client.request("GET", base)).body == b"b"
    assert len(script.requests) == connections


async def test_a_body_left_unread_costs_the_connection() -> None:
    script = Script([ok(b"a" * 1_000_000), ok(b"b")], [ok(b"b")])
    async with served(script) as base, open_client() as client:
        async with client.stream("GET", base):
            pass
        assert (await client.request("GET", base)).body == b"b"
    assert len(script.requests) == 2


async def test_a_connection_that_died_while_idle_is_not_used_even_for_a_post() -> None:
    script = Script([ok(b"a")], [ok(b"b")])
    async with served(script) as base, open_client() as client:
        await client.request("GET", base)
        await trio.testing.wait_all_tasks_blocked()  # the server has closed it
        assert (await client.request("POST", base)).body == b"b"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_reused_connection_that_dies_under_a_request(method: str) -> None:
    """What may be asked twice is asked once more; a POST may have been heard, so it is not."""
    script = Script([ok(b"a"), b""], [ok(b"b")])
    async with served(script) as base, open_client() as client:
        await client.request("GET", base)
        if method == "GET":
            assert (await client.request(method, base)).body == b"b"
        else:
            with pytest.raises(Unavailable):
                await client.request(method, base)


async def test_a_fresh_connection_is_not_tried_twice() -> None:
    script = Script([b""], [ok(b"b")])
    async with served(script) as base:
        with pytest.raises(Unavailable):
            await get(base)
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("to", ["/y", "y", "BASE/y"])
async def test_redirects_are_followed(status: int, to: str) -> None:
    script = Script([moved(to, status), ok(b"there")])
    async with served(script) as base, open_client() as client:
        response = await client.request("GET", f"{base}/x", headers=[("Range", "bytes=3-")])
        assert (response.body, response.url) == (b"there", f"{base}/y")
    assert all("Range: bytes=3-" in request for request in script.requests[0])


async def test_redirects_have_an_end() -> None:
    async with served(Script([moved("/x")] * 6)) as base:
        with pytest.raises(Unavailable, match="more than 5"):
            await get(base)


@pytest.mark.parametrize(
    ("to", "words"), [("http://169.254.169.254/x", "a redirect to another host"), ("ftp://x", "expected http")]
)
async def test_a_redirect_to_another_host_is_followed_only_where_it_may_be(to: str, words: str) -> None:
    async with served(Script([moved(to)] * 2)) as base, open_client() as client:
        with pytest.raises((Unavailable, BadInput), match=words):
            await client.request("GET", base, same_host=True)
        with pytest.raises((Unavailable, BadInput), match=words):
            async with client.stream("GET", base, same_host=True):
                pass


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("https://[", "a redirect to what is no URL"),
        ("http://a..b/", "no such host"),
        (f"http://{'a' * 64}.example/", "no such host"),
    ],
)
async def test_a_redirect_to_nowhere(to: str, words: str) -> None:
    async with served(Script([moved(to)])) as base, open_client() as client:
        with pytest.raises(Unavailable, match=words):
            await client.request("GET", base)


async def test_a_redirect_on_the_same_host_is_followed() -> None:
    async with (
        served(Script([ok(b"there")])) as there,
        served(Script([moved(f"{there}/y")])) as base,
        open_client() as client,
    ):
        assert (await client.request("GET", base, same_host=True)).body == b"there"


async def test_a_post_is_not_redirected() -> None:
    async with served(Script([moved("/y")])) as base, open_client() as client:
        assert (await client.request("POST", base)).status == 302


@pytest.mark.parametrize(
    "url",
    ["ftp://h/x", "http:///x", "h/x", "http://h:99999/", "http://u@h/", "http://h/a b", "http://h/\n", "http://[x/"],
)
async def test_a_bad_url(url: str) -> None:
    async with open_client() as client:
        with pytest.raises(BadInput, match="URL"):
            await client.request("GET", url)


@pytest.mark.parametrize("field", [("Bad name", "x"), ("Range", "a\r\nb"), ("If-None-Match", '"\xe9"')])
async def test_a_bad_field(field: tuple[str, str]) -> None:
    async with open_client() as client:
        with pytest.raises(BadInput, match="header fields"):
            await client.request("GET", "http://h/", headers=[field])


async def test_ipv6() -> None:
    script = Script([ok(b"six")])
    async with served(script, "::1") as base:
        assert await get(base) == b"six"
    assert "Host: [::1]:" in script.requests[0][0]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private)
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_tls(tls: ssl.SSLContext, certificate: Path) -> None:
    script = Script([ok(b"x" * 1_000_000), ok(b"y")])
    trusting = ssl.create_default_context(cafile=certificate)
    async with served(script, context=tls) as base, open_client(trusting) as client:
        assert (await client.request("GET", base)).body == b"x" * 1_000_000
        assert (await client.request("POST", base)).body == b"y"
    assert len(script.requests) == 1


async def test_a_certificate_that_nobody_guarantees(tls: ssl.SSLContext) -> None:
    async with trio.open_nursery() as nursery:

        async def handle(stream: trio.SocketStream) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await trio.SSLStream(stream, tls, server_side=True).do_handshake()

        listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), handle, 0)
        async with open_client() as client:
            with pytest.raises(Unavailable, match="certificate is not trusted"):
                await client.request("GET", f"https://127.0.0.1:{listeners[0].socket.getsockname()[1]}/")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_a_redirect_away_from_https(tls: ssl.SSLContext, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    plain = Script([ok(b"plain")])
    async with served(plain) as target:
        secure = Script([moved(f"{target}/x"), moved(f"{target}/x")])
        async with served(secure, context=tls) as base, open_client(trusting) as client:
            with pytest.raises(Unavailable, match="away from https"):
                await client.request("GET", base, downgrade=False)
            assert (await client.request("GET", base)).body == b"plain"


async def test_cancelling_in_a_body_leaves_nothing_behind() -> None:
    script = Script([[ok(b"x" * 100)[:-50], HANG]])
    async with served(script) as base, open_client() as client:
        with trio.CancelScope() as scope:
            async with client.stream("GET", base) as response:
                async for chunk in response:
                    assert chunk == b"x" * 50
                    scope.cancel()
        assert scope.cancelled_caught
        assert not any(client._idle.values())
