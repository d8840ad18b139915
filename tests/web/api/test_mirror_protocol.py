"""What mirrors ask: the CA, to join, to report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from distd.catalogue import mirrors_schema
from distd.origin.mirrors import identity, mirrors
from distd.origin.mirrors.mirrors import NewMirror
from distd.storage import pki, sealing
from distd.storage.sealing import SealedRequest, read_announcement
from distd.wire import packing
from tests.fixtures.mirrors import join_mirror

if TYPE_CHECKING:
    from distd.storage.sealing import OriginPublicKey
    from tests.fixtures.origin import TestOrigin


def certificate_request() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


async def post(client: Any, path: str, message: Any, key: str = "") -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = message if isinstance(message, bytes) else packing.pack(message)
    answer = await client.post(f"/api/v1/mirror/{path}", data=body, headers=headers)
    return answer.status_code, await answer.get_data(as_text=False)


async def test_the_ca_is_for_everybody(client: Any, data: Any) -> None:
    assert await (await client.get("/api/v1/mirror/ca")).get_data(as_text=False) == data.ca_certificate.read_bytes()


async def test_a_mirror_joins_and_reports(client: Any, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: origin.now_s)
    origin.package("17")
    secret = origin.act(mirrors.add, NewMirror("a", "http://a:8080"), origin.now_s)
    status, body = await post(client, "join", {"token": secret, "request": certificate_request(), "newer": 1})
    joined = packing.unpack(body, dict[str, Any], "answer")
    assert (status, joined["name"]) == (200, "a")
    assert x509.load_pem_x509_certificate(joined["certificate"])
    assert origin.read(identity.identify, joined["key"]).name == "a"
    status, body = await post(client, "report", {"seq": 1, "have": [["17", 1]]}, joined["key"])
    assert (status, packing.unpack(body, dict[str, Any], "answer")) == (200, {})
    assert [row["package_id"] for row in origin.rows(mirrors_schema.mirror_packages)] == ["17"]


async def origin_key(client: Any, data: Any) -> OriginPublicKey:
    announced = await (await client.get("/api/v1/mirror/key")).get_data(as_text=False)
    return read_announcement(announced, pki.load_ca(data.ca_certificate))


async def test_a_mirror_joins_and_reports_through_a_server_that_reads_nothing(
    client: Any, data: Any, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: origin.now_s)
    secret = origin.act(mirrors.add, NewMirror("a", "http://a:8080"), origin.now_s)
    known = await origin_key(client, data)
    message = {"token": secret, "request": certificate_request(), "answer_key": bytes(32)}
    sealed = known.seal(packing.pack(message), sealing.JOIN)
    status, body = await post(client, "join", {"sealed": sealed})
    assert status == 200
    answer = packing.unpack(body, dict[str, Any], "answer")
    assert list(answer) == ["sealed"]
    joined = packing.unpack(sealing.open_answer(answer["sealed"], bytes(32)), dict[str, Any], "answer")
    assert joined["name"] == "a"
    report = packing.pack({"seq": 1})
    request = SealedRequest("POST", "/api/v1/mirror/report", report)
    headers = {"Authorization": known.authorize(request, joined["key"], origin.now_s)}
    for data_sent, expected in ((report, 200), (packing.pack({"seq": 2}), 401)):
        answered = await client.post("/api/v1/mirror/report", data=data_sent, headers=headers)
        assert answered.status_code == expected


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"token": "x", "request": b"x"}, "join/answer_key: expected 32 bytes, got 0 bytes"),
        ({"token": "x", "answer_key": bytes(32)}, "join/request: expected a value"),
        (None, "sealed: expected a msgpack map"),
    ],
    ids=str,
)
async def test_a_bad_sealed_request_to_join(client: Any, data: Any, message: Any, error: str) -> None:
    sealed = (await origin_key(client, data)).seal(packing.pack(message), sealing.JOIN)
    status, body = await post(client, "join", {"sealed": sealed})
    assert (status, error in body.decode()) == (400, True)


BAD = {
    "not sealed": ({"sealed": bytes(100)}, "sealed: expected a message sealed to this origin's key"),
    "a number": ({"sealed": 1}, "join/sealed: expected bytes, got int"),
    "no msgpack": (b"\xc1", "body: expected a msgpack map"),
    "no map": (b"\x01", "body: expected a msgpack map"),
    "no token": ({"request": b"x"}, "join/token: expected a value, got nothing"),
    "a text as request": ({"token": "x", "request": 1}, "join/request: expected bytes, got int"),
    "no request": ({"token": "x", "request": b"x"}, "request: expected"),
}


@pytest.mark.parametrize(("message", "error"), BAD.values(), ids=BAD)
async def test_a_bad_request_to_join(client: Any, message: Any, error: str) -> None:
    status, body = await post(client, "join", message)
    assert status == 400
    assert error in body.decode()


async def test_a_used_token_is_refused(client: Any) -> None:
    status, body = await post(client, "join", {"token": "0" * 32, "request": certificate_request()})
    assert (status, b"token" in body) == (400, True)


async def test_a_report_needs_the_key_of_a_mirror(client: Any, origin: TestOrigin) -> None:
    assert (await post(client, "report", {}))[0] == 401
    assert (await post(client, "report", {}, "0" * 64))[0] == 401
    key = join_mirror(origin, "a")
    status, body = await post(client, "report", {"seq": -1}, key)
    assert (status, b"report/seq" in body) == (400, True)
