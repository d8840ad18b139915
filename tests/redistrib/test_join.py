"""Joining: what a token guarantees, and what is left of a join that fails."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput, Conflict, Corrupt, Unavailable
from distd.storage import pki
from distd.storage.data_dir import DataDir
from distd.storage.sealing import JOIN, OriginKey, seal_answer
from distd.wire import packing
from redistrib import join as module
from redistrib.join import join
from redistrib.mirror_dir import Identity, open_mirror, read_identity
from tests.fixtures.client import FakeClient, Reply

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cryptography import x509

    from distd.domain.errors import DistdError
    from tests.fixtures.client import Request

ORIGIN = "https://origin:8443"
SECRET = "0" * 32
GIVEN = {"name": "paris", "key": "k", "certificate": b"PEM", "more": "of a newer origin"}


class Origin:
    """Answers a join with what it has `given`; notes the CAs that it is trusted by."""

    def __init__(self, keys: DataDir) -> None:
        self.client = FakeClient()
        self.contexts: list[ssl.SSLContext] = []
        self.given: dict[str, Any] = dict(GIVEN)
        self.client.handlers[f"{ORIGIN}/api/v1/mirror/ca"] = lambda request: Reply(
            200, [keys.ca_certificate.read_bytes()]
        )
        self.client.handlers[f"{ORIGIN}/api/v1/mirror/join"] = self._join
        self.client.handlers[f"{ORIGIN}/api/v1/mirror/key"] = lambda request: Reply(
            200, [OriginKey(keys).announce(1_790_000_000.0)]
        )
        self.message: dict[str, Any] = {}
        self.seen: list[bytes] = []  # by whom forwards what
        self._keys = keys

    def _join(self, request: Request) -> Reply:
        outer = packing.unpack(request.body, dict[str, Any], "join")
        assert list(outer) == ["sealed"]
        self.message = packing.unpack(OriginKey(self._keys).open(outer["sealed"], JOIN), dict[str, Any], "join")
        reply = packing.pack({"sealed": seal_answer(packing.pack(self.given), self.message["answer_key"])})
        self.seen += [request.body, reply]
        return Reply(200, [reply])

    @asynccontextmanager
    async def open(self, context: ssl.SSLContext, user_agent: str) -> AsyncIterator[FakeClient]:
        self.contexts.append(context)
        yield self.client


@pytest.fixture
def origin(origin_keys: DataDir, monkeypatch: pytest.MonkeyPatch) -> Origin:
    origin = Origin(origin_keys)
    monkeypatch.setattr(module, "open_client", origin.open)
    return origin


@pytest.fixture
def token(ca: x509.Certificate) -> str:
    return f"{SECRET}.{pki.fingerprint(ca)}"


async def test_a_mirror_joins(origin: Origin, token: str, tmp_path: Path, origin_keys: DataDir) -> None:
    identity = await join(f"{ORIGIN}/", token, tmp_path / "mirror")
    assert identity == Identity("paris", ORIGIN, "k", sealed=True)
    mirror = open_mirror(tmp_path / "mirror")
    assert read_identity(mirror) == identity
    assert mirror.data.ca_certificate.read_bytes() == origin_keys.ca_certificate.read_bytes()
    assert (mirror.data.keys / pki.SERVER_CERTIFICATE).read_bytes() == b"PEM"
    assert origin.message["token"] == SECRET
    assert pki.read_request(origin.message["request"]) is not None
    # The CA comes from a server that need not be trusted; then only this CA is.
    first, second = origin.contexts
    assert first.check_hostname is False
    assert second.check_hostname is True
    assert len(second.get_ca_certs()) == 1


async def test_who_forwards_it_sees_neither_token_nor_key(origin: Origin, token: str, tmp_path: Path) -> None:
    origin.given["key"] = key = "f" * 64
    await join(ORIGIN, token, tmp_path / "mirror")
    assert origin.seen
    for data in origin.seen:
        for secret in (SECRET.encode(), key.encode(), bytes.fromhex(SECRET), b"PRIVATE KEY"):
            assert secret not in data


async def test_a_mirror_that_announces_a_key_of_its_own_gets_no_token(
    origin: Origin, token: str, tmp_path: Path, origin_keys: DataDir
) -> None:
    other = DataDir(tmp_path / "other")
    other.keys.mkdir(parents=True)
    pki.create_keys(other.keys, other.ca_certificate, ["m.example"])
    origin.client.handlers[f"{ORIGIN}/api/v1/mirror/key"] = lambda request: Reply(200, [OriginKey(other).announce(1.0)])
    await fails(Corrupt, "manifest signer: expected a certificate of this CA", ORIGIN, token, tmp_path / "mirror")
    assert origin.message == {}


async def test_an_answer_that_another_server_made_is_not_taken(origin: Origin, token: str, tmp_path: Path) -> None:
    forged = packing.pack({"sealed": seal_answer(packing.pack(GIVEN), bytes(32))})
    replies = [forged, packing.pack(GIVEN)]
    origin.client.handlers[f"{ORIGIN}/api/v1/mirror/join"] = lambda request: Reply(200, [replies.pop()])
    for _ in range(2):
        await fails(Corrupt, "the answer", ORIGIN, token, tmp_path)


async def test_an_origin_of_an_earlier_version_is_to_be_updated_first(
    origin: Origin, token: str, tmp_path: Path
) -> None:
    """It could be a mirror that wants the token as it is."""
    origin.client.handlers[f"{ORIGIN}/api/v1/mirror/key"] = lambda request: Reply(404)
    await fails(Unavailable, "an origin of an earlier version has none: update it first", ORIGIN, token, tmp_path)
    assert origin.message == {}


async def test_it_joins_once(origin: Origin, token: str, tmp_path: Path) -> None:
    await join(ORIGIN, token, tmp_path)
    with pytest.raises(Conflict, match="is the mirror paris of https://origin:8443 already"):
        await join(ORIGIN, token, tmp_path)


async def fails(error: type[DistdError], words: str, origin: str, token: str, root: Path) -> None:
    """It fails with these words, and leaves what was there before: nothing, or a folder as it was."""
    before = tree(root)
    with pytest.raises(error, match=words):
        await join(origin, token, root)
    assert tree(root) == before


def tree(root: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(root.parent)): path for path in root.parent.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else b"" for name, path in files.items()}


async def test_in_a_folder_that_is_there_what_is_in_it_stays(origin: Origin, token: str, tmp_path: Path) -> None:
    kept = ("redistrib.toml", "download/17/info")
    (tmp_path / "download" / "17").mkdir(parents=True)
    for name in kept:
        (tmp_path / name).write_text("# ours")
    await join(ORIGIN, token, tmp_path)
    assert [(tmp_path / name).read_text() for name in kept] == ["# ours"] * 2
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"cacert.pem", "download", "fragments", "incoming", "keys", "redistrib.toml", "spool"}
    # Anew: with another key, once the old identity is removed.
    (tmp_path / "keys" / "mirror.json").unlink()
    old_key = (tmp_path / "keys" / pki.SERVER_KEY).read_bytes()
    await join(ORIGIN, token, tmp_path)
    assert (tmp_path / "keys" / pki.SERVER_KEY).read_bytes() != old_key
    assert {path.name for path in tmp_path.iterdir()} == names


async def test_parents_are_made_at_the_end(origin: Origin, token: str, tmp_path: Path) -> None:
    root = tmp_path / "a" / "b" / "mirror"
    await fails(Corrupt, "as the token says", ORIGIN, f"{SECRET}.{'0' * 32}", root)
    assert not (tmp_path / "a").exists()
    await join(ORIGIN, token, root)
    assert read_identity(open_mirror(root)) is not None
    assert list(tmp_path.rglob(".*")) == []


async def test_a_file_is_no_folder(origin: Origin, token: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        await fails(BadInput, "--data: expected a folder that can be made, got ", ORIGIN, token, root)
    assert origin.message == {}


@pytest.mark.parametrize("url", ["http://origin", "https://", "origin:8443", "https://o/x", "https://o?x=1"])
async def test_urls_that_do_not_do(origin: Origin, token: str, tmp_path: Path, url: str) -> None:
    await fails(BadInput, "ORIGIN_URL: expected https://HOST", url, token, tmp_path / "mirror")
    assert not (tmp_path / "mirror").exists()


@pytest.mark.parametrize("text", ["", "nonsense", SECRET, f"{SECRET}.{SECRET}x", f"{SECRET}.{'G' * 32}"])
async def test_tokens_that_are_none(origin: Origin, tmp_path: Path, text: str) -> None:
    await fails(BadInput, "--token: expected what `distd mirror add` printed", ORIGIN, text, tmp_path / "mirror")
    assert not (tmp_path / "mirror").exists()


async def test_another_ca_than_the_token_says(origin: Origin, tmp_path: Path) -> None:
    await fails(Corrupt, "as the token says", ORIGIN, f"{SECRET}.{'0' * 32}", tmp_path)
    assert origin.message == {}


async def test_what_is_no_certificate(origin: Origin, token: str, tmp_path: Path) -> None:
    origin.client.handlers[f"{ORIGIN}/api/v1/mirror/ca"] = lambda request: Reply(200, [b"<html>"])
    await fails(Corrupt, "CA: expected a certificate in PEM", ORIGIN, token, tmp_path)


async def test_another_server(origin: Origin, token: str, tmp_path: Path) -> None:
    origin.client.handlers[f"{ORIGIN}/api/v1/mirror/ca"] = lambda request: Reply(404)
    await fails(Unavailable, "is it a distd origin", ORIGIN, token, tmp_path)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [(400, BadInput, "--token: expected one that the origin accepts, got used"), (503, Unavailable, "HTTP 503")],
)
async def test_an_origin_that_refuses(
    origin: Origin, token: str, tmp_path: Path, status: int, error: type[DistdError], words: str
) -> None:
    origin.client.handlers[f"{ORIGIN}/api/v1/mirror/join"] = lambda request: Reply(status, [b"used"])
    await fails(error, words, ORIGIN, token, tmp_path)


@pytest.mark.parametrize(
    "body", [b'{"status": 400, "detail": "it was used"}', b'{"error": "it was used"}', b"it was used"], ids=str
)
async def test_why_an_origin_refuses_is_told(origin: Origin, token: str, tmp_path: Path, body: bytes) -> None:
    origin.client.handlers[f"{ORIGIN}/api/v1/mirror/join"] = lambda request: Reply(400, [body])
    await fails(BadInput, "expected one that the origin accepts, got it was used", ORIGIN, token, tmp_path)


async def test_an_error_of_the_origin_is_one_line(origin: Origin, token: str, tmp_path: Path) -> None:
    fault = {
        "field": "token",
        "expected": "a token that has not been used",
        "got": "another one",
        "hint": "add it anew",
    }
    body = json.dumps({"status": 400, "detail": "token: …" * 100, "errors": [fault]}).encode()
    origin.client.handlers[f"{ORIGIN}/api/v1/mirror/join"] = lambda request: Reply(400, [body])
    words = "^--token: expected a token that has not been used, got another one; add it anew$"
    await fails(BadInput, words, ORIGIN, token, tmp_path / "mirror")


@pytest.mark.parametrize("changes", [{"name": None}, {"key": 1}, {"certificate": "text"}], ids=str)
async def test_answers_that_are_none(origin: Origin, token: str, tmp_path: Path, changes: dict[str, Any]) -> None:
    origin.given |= changes
    await fails(Corrupt, "the answer to join", ORIGIN, token, tmp_path)
