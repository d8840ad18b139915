"""Messages that the origin alone can read, and who is believed to be the origin."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from distd.domain.errors import BadInput, Corrupt
from distd.domain.records import Manifest
from distd.storage import pki, sealing
from distd.storage.data_dir import DataDir
from distd.storage.sealing import JOIN, MAX_AGE_S, KeyProof, OriginKey, SealedRequest, read_announcement
from distd.wire import manifest, packing

if TYPE_CHECKING:
    from pathlib import Path

    from distd.storage.sealing import OriginPublicKey

NOW_S = 1_790_000_000.0
REQUEST = SealedRequest("POST", "/report?x=1", b"body")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    return with_keys(tmp_path_factory.mktemp("origin"))


def with_keys(root: Path) -> DataDir:
    data = DataDir(root)
    data.keys.mkdir()
    pki.create_keys(data.keys, data.ca_certificate, ["o.example"])
    return data


def public_key(data: DataDir) -> OriginPublicKey:
    return read_announcement(OriginKey(data).announce(NOW_S), pki.load_ca(data.ca_certificate))


def test_the_origin_reads_what_is_sealed_to_it(origin: DataDir) -> None:
    known = public_key(origin)
    assert known.time_s == NOW_S
    sealed = known.seal(b"message", JOIN)
    assert b"message" not in sealed
    assert OriginKey(origin).open(sealed, JOIN) == b"message"
    for bad, purpose in ((sealed, b"another"), (sealed[:-1], JOIN), (b"", JOIN), (bytes(100), JOIN)):
        with pytest.raises(BadInput, match="sealed to this origin's key"):
            OriginKey(origin).open(bad, purpose)


def test_another_origin_does_not_read_it(origin: DataDir, tmp_path: Path) -> None:
    sealed = public_key(origin).seal(b"message", JOIN)
    with pytest.raises(BadInput):
        OriginKey(with_keys(tmp_path)).open(sealed, JOIN)


def test_a_mirror_cannot_announce_a_key(origin: DataDir, tmp_path: Path) -> None:
    """Its certificate is of the same CA, but for a server."""
    ca = pki.load_ca(origin.ca_certificate)
    own = X25519PrivateKey.generate().public_key().public_bytes_raw()
    announced = packing.pack(sealing._Announcement(own, NOW_S))
    signer = pki.load_signer(origin.keys)
    key = ec.generate_private_key(ec.SECP256R1())
    mirrors = pki.certify_mirror(origin.keys, origin.ca_certificate, key.public_key(), ["m.example"])
    der = x509.load_pem_x509_certificate(mirrors).public_bytes(Encoding.DER)
    another = ed25519.Ed25519PrivateKey.generate()
    for data in (
        manifest.sign_payload(announced, another, der),
        manifest.sign_payload(announced, another, signer.certificate_der),
        b"",
        b"<html>",
    ):
        with pytest.raises(Corrupt):
            read_announcement(data, ca)
    with pytest.raises(Corrupt):
        read_announcement(OriginKey(with_keys(tmp_path)).announce(NOW_S), ca)


def test_a_manifest_is_no_announcement_nor_the_reverse(origin: DataDir) -> None:
    ca, signer = pki.load_ca(origin.ca_certificate), pki.load_signer(origin.keys)
    signed = manifest.sign(Manifest("17", 1, 0, b"", b"", b"", bytes(32), ()), signer.key, signer.certificate_der)
    with pytest.raises(Corrupt):
        read_announcement(signed, ca)
    with pytest.raises(Corrupt):
        manifest.read(OriginKey(origin).announce(NOW_S), ca)


def test_a_request_is_authorized(origin: DataDir) -> None:
    text = public_key(origin).authorize(REQUEST, "key", NOW_S)
    assert "key" not in text
    proof = OriginKey(origin).proof_of(text, "POST", "/report?x=1", NOW_S + MAX_AGE_S)
    assert proof is not None
    assert (proof.key, proof.covers(b"body"), proof.covers(b"other")) == ("key", True, False)


@pytest.mark.parametrize(
    ("method", "target", "now_s"),
    [
        ("GET", "/report?x=1", NOW_S),
        ("POST", "/report", NOW_S),
        ("POST", "/report?x=1", NOW_S + MAX_AGE_S + 1),
        ("POST", "/report?x=1", NOW_S - MAX_AGE_S - 1),
    ],
)
def test_it_is_good_for_this_request_alone(origin: DataDir, method: str, target: str, now_s: float) -> None:
    text = public_key(origin).authorize(REQUEST, "key", NOW_S)
    assert OriginKey(origin).proof_of(text, method, target, now_s) is None


@pytest.mark.parametrize("text", ["", "Basic x", "Sealed", "Sealed é", "Sealed AAAA", f"Sealed {'A' * 5000}"])
def test_what_authorizes_nothing(origin: DataDir, text: str) -> None:
    assert OriginKey(origin).proof_of(text, "POST", "/report?x=1", NOW_S) is None


def test_a_time_that_is_none_authorizes_nothing(origin: DataDir) -> None:
    text = public_key(origin).authorize(REQUEST, "key", float("nan"))
    assert OriginKey(origin).proof_of(text, "POST", "/report?x=1", NOW_S) is None


def test_a_mirror_of_an_earlier_version_shows_its_key(origin: DataDir) -> None:
    proof = OriginKey(origin).proof_of("Bearer key", "GET", "/x", NOW_S)
    assert proof == KeyProof("key")
    assert proof.covers(b"any body")


def test_a_signing_key_that_is_replaced_is_taken_up(tmp_path: Path) -> None:
    data = with_keys(tmp_path)
    origin_key = OriginKey(data)
    assert origin_key.open(public_key(data).seal(b"1", JOIN), JOIN) == b"1"
    before = public_key(data).seal(b"1", JOIN)
    for path in (*data.keys.iterdir(), data.ca_certificate):
        path.unlink()
    pki.create_keys(data.keys, data.ca_certificate, ["o.example"])
    os.utime(data.keys / pki.SIGNER_KEY, (NOW_S, NOW_S))
    assert origin_key.open(public_key(data).seal(b"2", JOIN), JOIN) == b"2"
    with pytest.raises(BadInput):
        origin_key.open(before, JOIN)


def test_without_a_signing_key_there_is_none(tmp_path: Path) -> None:
    key = OriginKey(DataDir(tmp_path))
    for call in (partial(key.announce, NOW_S), partial(key.open, b"", JOIN)):
        with pytest.raises(BadInput, match="data: expected"):
            call()


def test_answers_are_for_whoever_has_the_key() -> None:
    sealed = sealing.seal_answer(b"answer", b"k" * 32)
    assert sealing.open_answer(sealed, b"k" * 32) == b"answer"
    for data, key in ((sealed, b"o" * 32), (b"", b"k" * 32), (sealed[:-1], b"k" * 32)):
        with pytest.raises(Corrupt, match="one of the origin"):
            sealing.open_answer(data, key)
