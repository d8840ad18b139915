"""Addresses of an activation by hand are asked as an agent would."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
from blake3 import blake3

from distd.domain.records import Fragment, Manifest
from distd.storage import pki
from distd.web.console import address_probe
from distd.web.console.address_probe import AddressFinding, Finding, probe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from distd.web.console.address_probe import Probed

INFO = b"<DOWNLOAD/>"
FRAGMENT = b"MZ" * 500


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a server named localhost, and the CA's certificate as agents have it."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "keys").mkdir()
    pki.create_keys(folder / "keys", folder / "cacert.pem", ["localhost"], None)
    return folder


def manifest(fragment: bytes = FRAGMENT, info: bytes = INFO) -> Manifest:
    one = Fragment(1, len(fragment), blake3(fragment).digest())
    return Manifest("17", 1, len(fragment), b"", b"", b"", blake3(info).digest(), (one,))


@asynccontextmanager
async def serving(keys: Path, status: str = "200 OK", *, tls: bool) -> AsyncIterator[str]:
    """A server that has info and first fragment; gives "localhost:port"."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(keys / "keys" / pki.SERVER_CERTIFICATE, keys / "keys" / pki.SERVER_KEY)

    async def serve(stream: Any) -> None:
        try:
            head = await stream.receive_some(4096)
            method, path, _ = head.decode().split(" ", 2)
            body = INFO if path.endswith("/17/info") else FRAGMENT if path.endswith("/17/17-1") else b"?"
            answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            await stream.send_all(answer + (b"" if method == "HEAD" else body))
            await stream.aclose()
        except (trio.BrokenResourceError, ssl.SSLError, ValueError):
            pass  # a client that does not trust it

    async with trio.open_nursery() as nursery:
        if tls:
            listen = partial(trio.serve_ssl_over_tcp, host="127.0.0.1", https_compatible=True)
            listeners: Any = await nursery.start(listen, serve, 0, context)
            port = listeners[0].transport_listener.socket.getsockname()[1]
        else:
            listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), serve, 0)
            port = listeners[0].socket.getsockname()[1]
        yield f"localhost:{port}"
        nursery.cancel_scope.cancel()


def findings(probed: list[Probed]) -> list[list[Finding]]:
    return [[one.finding for one in each.found] for each in probed]


async def test_all_is_right(keys: Path) -> None:
    async with serving(keys, tls=True) as https, serving(keys, tls=False) as http:
        found = await probe(f"{https}/download", f"{http}/download", manifest(), keys / "cacert.pem")
    assert findings(found) == [
        [Finding.CERTIFICATE_FITS, Finding.ANSWERS, Finding.SAME],
        [Finding.ANSWERS, Finding.SAME],
    ]
    assert [each.url for each in found] == [f"https://{https}/download/17/info", f"http://{http}/download/17/17-1"]
    assert all(each.is_good for each in found)


async def test_other_bytes_are_found(keys: Path) -> None:
    async with serving(keys, tls=True) as https, serving(keys, tls=False) as http:
        found = await probe(f"{https}/d", f"{http}/d", manifest(b"other", b"other"), keys / "cacert.pem")
    assert [each.found[-1].finding for each in found] == [Finding.OTHER, Finding.OTHER]
    assert not any(each.is_good for each in found)


async def test_a_server_that_does_not_have_it(keys: Path) -> None:
    async with (
        serving(keys, "404 Not AddressFinding", tls=True) as https,
        serving(keys, "404 Not AddressFinding", tls=False) as http,
    ):
        found = await probe(f"{https}/d", f"{http}/d", manifest(), keys / "cacert.pem")
    assert [each.found[-1] for each in found] == [AddressFinding(Finding.STATUS, "404")] * 2


async def test_a_certificate_that_agents_refuse(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    pki.create_keys(tmp_path / "keys", tmp_path / "cacert.pem", ["localhost"], None)
    async with serving(keys, tls=True) as https:
        (found,) = await probe(f"{https}/d", "", manifest(), tmp_path / "cacert.pem")
    assert findings([found]) == [[Finding.CERTIFICATE_BAD, Finding.ANSWERS, Finding.SAME]]
    assert not found.is_good


async def test_nobody_answers(keys: Path) -> None:
    async with serving(keys, tls=False) as http:
        closed = http
    found = await probe(f"{closed}/d", f"{closed}/d", manifest(), keys / "cacert.pem")
    assert findings(found) == [[Finding.SILENT], [Finding.SILENT]]
    assert all(each.found[0].detail for each in found)


async def test_a_large_fragment_is_not_read(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_probe, "MAX_FRAGMENT_BYTES", 10)
    async with serving(keys, tls=False) as http:
        (found,) = await probe("", f"{http}/d", manifest(), keys / "cacert.pem")
    assert findings([found]) == [[Finding.ANSWERS, Finding.SAME_LENGTH]]


async def test_an_address_that_differs_for_each_mirror_is_not_asked(keys: Path) -> None:
    (found,) = await probe("", "$IP$/download", manifest(), keys / "cacert.pem")
    assert findings([found]) == [[Finding.VARIABLES]]


async def test_a_package_without_fragments_has_no_file_server(keys: Path) -> None:
    command = Manifest("17", 1, 0, b"", b"", b"", blake3(INFO).digest(), ())
    assert await probe("", "localhost:1/d", command, keys / "cacert.pem") == []
