"""Manifests: only what the site's own signer signed is read, and only in the right shape."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import Corrupt
from distd.domain.records import Fragment, Manifest
from distd.wire import manifest as codec

STORED = Path(__file__).parent / "stored"  # bytes that the version before wrote
SINCE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def certificate(subject: Any, key: Any, issuer: Any, issuer_key: Any, *usages: Any) -> Any:
    """Long expired: a signer's dates are not the core's matter."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(SINCE)
        .not_valid_after(SINCE + datetime.timedelta(days=1))
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=True)
    return builder.sign(issuer_key, None if isinstance(issuer_key, Ed25519PrivateKey) else hashes.SHA256())


CODE, WEB = ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH
CA_KEY, OTHER_CA_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
CA, OTHER_CA = (certificate("ca", key, "ca", key) for key in (CA_KEY, OTHER_CA_KEY))
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
LEAF = certificate("signer", KEY, "ca", CA_KEY, CODE)
DER = LEAF.public_bytes(Encoding.DER)

DIGEST = bytes(range(32))
ONE = Manifest(
    package_id="1700000001",
    version=1,
    size=2500,
    md5=bytes(16),
    sha256=DIGEST,
    blake3=DIGEST[::-1],
    info_blake3=DIGEST,
    fragments=(Fragment(1, 1024, DIGEST), Fragment(2, 1024, DIGEST[::-1]), Fragment(3, 452, DIGEST)),
)
NO_FILE = replace(ONE, size=0, fragments=())

DIGESTS = st.binary(min_size=32, max_size=32)
MANIFESTS = st.builds(
    lambda lengths, digest, **rest: Manifest(
        size=sum(lengths),
        fragments=tuple(Fragment(number, length, digest) for number, length in enumerate(lengths, 1)),
        **rest,
    ),
    lengths=st.lists(st.integers(0, 2**40), max_size=6),
    digest=DIGESTS,
    package_id=st.integers(0, 10**19).map(str),
    version=st.integers(1, 2**31),
    md5=st.binary(min_size=16, max_size=16),
    sha256=DIGESTS,
    blake3=DIGESTS,
    info_blake3=DIGESTS,
)


def signed(payload: Any, der: Any = DER) -> Any:
    """A file with a right signature over whatever `payload` is."""
    return msgpack.packb({"payload": payload, "signature": KEY.sign(payload), "certificate": der})


def changed(**values: Any) -> Any:
    return signed(msgpack.packb(msgpack.unpackb(codec.encode(ONE)) | values))


@given(MANIFESTS)
def test_what_was_signed_is_read(manifest: Any) -> None:
    data = codec.sign(manifest, KEY, DER)
    assert codec.read(data, CA) == manifest
    assert codec.sign(manifest, KEY, DER) == data, "the same bytes each time"


def test_a_package_without_a_file() -> None:
    assert codec.read(codec.sign(NO_FILE, KEY, DER), CA) == NO_FILE


def test_a_manifest_of_the_version_before_is_read_and_written() -> None:
    stored, ca = (STORED / "manifest").read_bytes(), x509.load_der_x509_certificate((STORED / "ca.der").read_bytes())
    lengths = [300, 70_000, 2**33, *[0] * 16]
    manifest = Manifest(
        package_id="1700000001",
        version=3,
        size=sum(lengths),
        md5=bytes(16),
        sha256=b"",
        blake3=DIGEST[::-1],
        info_blake3=DIGEST,
        fragments=tuple(
            Fragment(number, length, DIGEST[::-1] if number == 2 else DIGEST)
            for number, length in enumerate(lengths, 1)
        ),
    )
    assert codec.read(stored, ca) == manifest
    assert codec.sign(manifest, KEY, msgpack.unpackb(stored)["certificate"]) == stored


def test_the_layout_that_others_read() -> None:
    envelope = msgpack.unpackb(codec.sign(ONE, KEY, DER))
    assert envelope.keys() == {"payload", "signature", "certificate"}
    assert (len(envelope["signature"]), envelope["certificate"]) == (64, DER)
    payload = msgpack.unpackb(envelope["payload"])
    assert list(payload) == ["format", "id", "version", "size", "md5", "sha256", "blake3", "info", "fragments"]
    assert (payload["format"], payload["id"], payload["fragments"][2]) == (1, "1700000001", [452, DIGEST])


def test_a_bit_changed_anywhere_is_found() -> None:
    data = codec.sign(ONE, KEY, DER)
    payload_and_signature = len(data) - len(DER)
    for position in range(payload_and_signature):
        for bit in (1, 128):
            broken = bytearray(data)
            broken[position] ^= bit
            with pytest.raises(Corrupt):
                codec.read(bytes(broken), CA)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # cryptography's word on one of these
def test_a_certificate_broken_anywhere_never_passes_for_another_manifest() -> None:
    data = codec.sign(ONE, KEY, DER)
    for position in range(len(data) - len(DER), len(data)):
        broken = bytearray(data)
        broken[position] ^= 0x10
        with pytest.raises(Corrupt):
            codec.read(bytes(broken), CA)


def test_a_manifest_cut_anywhere_is_refused() -> None:
    data = codec.sign(ONE, KEY, DER)
    for end in range(len(data)):
        with pytest.raises(Corrupt):
            codec.read(data[:end], CA)


WEB_KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
INTERMEDIATE_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        pytest.param(certificate("s", KEY, "ca", OTHER_CA_KEY, CODE), "another CA", id="a CA of the same name"),
        pytest.param(certificate("s", KEY, "CA 2", CA_KEY, CODE), "a certificate of this CA", id="of another name"),
        pytest.param(certificate("s", KEY, "s", KEY, CODE), "a certificate of this CA", id="signed by itself"),
        pytest.param(
            certificate("s", KEY, "middle", INTERMEDIATE_KEY, CODE), "a certificate of this CA", id="not directly"
        ),
        pytest.param(certificate("s", KEY, "ca", CA_KEY, WEB), "for code signing", id="a web server's"),
        pytest.param(certificate("s", KEY, "ca", CA_KEY), "a certificate of this CA", id="for no use"),
        pytest.param(certificate("s", WEB_KEY, "ca", CA_KEY, CODE), "an Ed25519 key", id="another kind of key"),
        pytest.param(certificate("s", OTHER_KEY, "ca", CA_KEY, CODE), "the signature of its signer", id="another key"),
        pytest.param(CA, "a certificate of this CA", id="the CA itself"),
    ],
)
def test_bad_signers_are_refused(leaf: Any, words: Any) -> None:
    with pytest.raises(Corrupt, match=words):
        codec.read(codec.sign(ONE, KEY, leaf.public_bytes(Encoding.DER)), CA)


def test_another_sites_manifest_is_refused() -> None:
    data = codec.sign(ONE, KEY, DER)
    assert codec.read(data, CA) == ONE
    with pytest.raises(Corrupt, match="another CA"):
        codec.read(data, OTHER_CA)


def test_a_certificate_of_a_version_that_does_not_exist() -> None:
    version = DER.index(b"\xa0\x03\x02\x01\x02")
    der = DER[: version + 4] + b"\x05" + DER[version + 5 :]
    with pytest.raises(Corrupt, match="not a valid X509 version"):
        codec.read(codec.sign(ONE, KEY, der), CA)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"format": 2}, "manifest format: expected 1, got 2"),
        ({"format": None}, "manifest format"),
        ({"id": 1700000001}, "manifest id"),
        ({"id": "../17"}, "manifest id"),
        ({"id": ""}, "manifest id"),
        ({"id": "٣"}, "manifest id"),
        ({"id": "1" * 21}, "manifest id"),
        ({"version": -1}, "manifest version"),
        ({"version": "1"}, "manifest version"),
        ({"version": True}, "manifest version"),
        ({"size": 2499}, "manifest size: expected 2500, the sum of the fragments, got 2499"),
        ({"size": 2500.0}, "manifest size"),
        ({"md5": bytes(32)}, "manifest md5: expected 16 bytes"),
        ({"sha256": bytes(31)}, "manifest sha256: expected 32 bytes"),
        ({"blake3": "x" * 32}, "manifest blake3"),
        ({"info": None}, "manifest info"),
        ({"fragments": None}, "manifest fragments"),
        ({"fragments": {}}, "manifest fragments"),
        ({"fragments": []}, "manifest size"),
        ({"fragments": [[2500, DIGEST[:31]]]}, "manifest fragments[0]"),
        ({"fragments": [[2500, DIGEST, 1]]}, "manifest fragments[0]"),
        ({"fragments": [[2500, DIGEST], [0, "x" * 32]]}, "manifest fragments[1]"),
        ({"fragments": [[2501, DIGEST], [-1, DIGEST]]}, "manifest fragments[1]"),
        ({"fragments": [[2500.0, DIGEST]]}, "manifest fragments[0]"),
        ({"fragments": [[2499, DIGEST], [True, DIGEST]]}, "manifest fragments[1]"),
        ({"fragments": [2500]}, "manifest fragments[0]"),
    ],
)
def test_the_shape_of_everything_is_checked(values: Any, words: Any) -> None:
    with pytest.raises(Corrupt, match=re.escape(words)):
        codec.read(changed(**values), CA)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x80", b"\x90", b"\x01", b"\x81\x01\x02", codec.encode(ONE) + b"\0"]
)
def test_bad_payloads_are_refused(payload: Any) -> None:
    with pytest.raises(Corrupt):
        codec.read(signed(payload), CA)


ENVELOPE = {"payload": b"", "signature": bytes(64), "certificate": DER}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"404 Not Found", id="a text"),
        pytest.param(msgpack.packb([1, 2, 3]), id="a list"),
        pytest.param(msgpack.packb({}), id="an empty map"),
        pytest.param(msgpack.packb(msgpack.unpackb(codec.sign(ONE, KEY, DER)) | {"more": 1}), id="one key more"),
        pytest.param(msgpack.packb({"payload": b"", "signature": b"", "x": b""}), id="another key"),
        pytest.param(msgpack.packb(ENVELOPE | {"payload": "text"}), id="a text for bytes"),
        pytest.param(msgpack.packb(ENVELOPE | {"signature": bytes(63)}), id="a short signature"),
        pytest.param(msgpack.packb(ENVELOPE | {"certificate": b""}), id="no certificate"),
        pytest.param(msgpack.packb(ENVELOPE | {"payload": [b""]}), id="not flat"),
        pytest.param(msgpack.packb(ENVELOPE | {"payload": {"a": b""}}), id="a map in it"),
        pytest.param(b"\x83\x90\x01\x90\x01\x90\x01", id="lists for keys"),
        pytest.param(codec.sign(ONE, KEY, DER) + b"\0", id="a byte behind"),
    ],
)
def test_bad_envelopes_are_refused(data: Any) -> None:
    with pytest.raises(Corrupt, match="manifest"):
        codec.read(data, CA)


def test_an_unsigned_array_is_not_unpacked() -> None:
    with pytest.raises(Corrupt, match="manifest payload: expected bytes, got array"):
        codec.read(b"\x83\xa7payload\xdd\x03\xff\xff\xff" + b"\x90" * 1000, CA)


def test_the_limit_on_bytes() -> None:
    with pytest.raises(Corrupt, match="at most 67108864 bytes"):
        codec.read(bytes(codec.MAX_MANIFEST_BYTES + 1), CA)


@given(st.binary(max_size=300))
def test_any_bytes_are_corrupt_at_most(data: Any) -> None:
    for candidate in (data, b"\x83" + data):
        with pytest.raises(Corrupt):
            codec.read(candidate, CA)
