"""The manifest of a package: what the origin guarantees, signed with Ed25519.

The file is a msgpack map of a payload, its signature and the signer's certificate (`_Envelope`); the payload is again a
msgpack map (`_Payload`). The certificate is an X.509 leaf for the signer's key, issued by the site's CA. So whoever has
`cacert.pem`, as every agent has, can check a manifest wherever it came from. The leaf must be for code signing, so that
no web server's certificate passes for it. Whether it may be revoked, or out of date, is the reader's to say
(`wire.trust`): a package outlives its signer by being signed anew.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec import Meta, Struct

from distd.domain.errors import Corrupt
from distd.domain.records import Fragment, Manifest
from distd.wire.packing import pack, unpack
from distd.wire.trust import facts_of, trust_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from distd.wire.trust import Authority, CertificateFacts

FORMAT: Final = 1
MAX_MANIFEST_BYTES: Final = 67_108_864

# What the library makes of bytes that are no such certificate: not all of these are ValueErrors.
_UNFIT_CERTIFICATE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
)

_Whole: TypeAlias = Annotated[int, Meta(ge=0)]
_Digest: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]


class _Envelope(Struct, forbid_unknown_fields=True):
    payload: bytes
    signature: bytes
    certificate: bytes  # DER


class _Format(Struct):
    format: int


class _Payload(Struct):
    """Digests of the whole package are empty when they were not computed. `fragments`: length and BLAKE3 of each."""

    format: int
    id: Annotated[str, Meta(pattern=r"\A[0-9]{1,20}\Z")]
    version: _Whole
    size: _Whole
    md5: bytes
    sha256: bytes
    blake3: bytes
    info: _Digest
    fragments: list[tuple[_Whole, _Digest]]


def sign(manifest: Manifest, key: Ed25519PrivateKey, certificate_der: bytes) -> bytes:
    """The bytes of the file `manifest`. The same input gives the same bytes."""
    return sign_payload(encode(manifest), key, certificate_der)


def sign_payload(payload: bytes, key: Ed25519PrivateKey, certificate_der: bytes) -> bytes:
    """A payload with the signature of its signer, as a manifest has it. `signed_payload` reads it."""
    return pack(_Envelope(payload, key.sign(payload), certificate_der))


def encode(manifest: Manifest) -> bytes:
    """The payload: what is signed."""
    return pack(
        _Payload(
            format=FORMAT,
            id=manifest.package_id,
            version=manifest.version,
            size=manifest.size,
            md5=manifest.md5,
            sha256=manifest.sha256,
            blake3=manifest.blake3,
            info=manifest.info_blake3,
            fragments=[(fragment.length, fragment.blake3) for fragment in manifest.fragments],
        )
    )


class Digests(NamedTuple):
    """What is in a manifest, closely packed: the BLAKE3 digests, 32 bytes each, of the info, and of all fragments, one
    behind the other; the `lengths` of the fragments, in bytes."""

    package_id: str
    info: bytes
    fragments: bytes
    lengths: array[int]

    def of_fragment(self, number: int) -> bytes:
        """That of a fragment, from 1; empty where there is no such fragment."""
        return self.fragments[32 * number - 32 : 32 * number]


def read(data: bytes, authority: Authority) -> Manifest:
    """Check and read a manifest. Raises `Corrupt` for whatever does not hold."""
    return _decode(signed_payload(data, authority))


def read_digests(data: bytes, authority: Authority) -> Digests:
    """Check a manifest and read its digests alone, in an eighth of the time that `read` takes. Raises `Corrupt`."""
    payload = _unpack_payload(signed_payload(data, authority))
    digests = b"".join([digest for _, digest in payload.fragments])
    return Digests(payload.id, payload.info, digests, array("Q", [length for length, _ in payload.fragments]))


def signer_of(data: bytes) -> bytes:
    """The certificate that a manifest says it was signed with, as DER bytes; nothing is checked. Raises `Corrupt`."""
    return unpack(data, _Envelope, "manifest", MAX_MANIFEST_BYTES).certificate


def signed_payload(data: bytes, authority: Authority) -> bytes:
    """What a signer of this CA, not revoked, has signed. Raises `Corrupt` for whatever does not hold."""
    envelope, trust = unpack(data, _Envelope, "manifest", MAX_MANIFEST_BYTES), trust_of(authority)
    signer, facts = _signer(envelope.certificate, trust.ca)
    trust.check(facts, "manifest signer")
    try:
        signer.verify(envelope.signature, envelope.payload)
    except InvalidSignature:
        raise Corrupt("manifest", "the signature of its signer", "another one") from None
    return envelope.payload


@lru_cache(maxsize=16)
def _signer(der: bytes, ca: x509.Certificate) -> tuple[Ed25519PublicKey, CertificateFacts]:
    try:
        leaf = x509.load_der_x509_certificate(der)
        leaf.verify_directly_issued_by(ca)
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except InvalidSignature:
        raise Corrupt("manifest signer", "a certificate of this CA", "another CA's signature") from None
    except _UNFIT_CERTIFICATE as error:
        raise Corrupt("manifest signer", "a certificate of this CA", str(error)) from None
    if ExtendedKeyUsageOID.CODE_SIGNING not in usages:
        raise Corrupt("manifest signer", "a certificate for code signing", "one for other uses")
    key = leaf.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise Corrupt("manifest signer", "an Ed25519 key", type(key).__name__)
    return key, facts_of(leaf)


def _unpack_payload(data: bytes) -> _Payload:
    version = unpack(data, _Format, "manifest", MAX_MANIFEST_BYTES).format
    if version != FORMAT:
        raise Corrupt("manifest format", str(FORMAT), str(version))
    return unpack(data, _Payload, "manifest", MAX_MANIFEST_BYTES)


def _decode(data: bytes) -> Manifest:
    payload = _unpack_payload(data)
    for name, digest, length in (
        ("md5", payload.md5, 16),
        ("sha256", payload.sha256, 32),
        ("blake3", payload.blake3, 32),
    ):
        if len(digest) not in (0, length):
            raise Corrupt(f"manifest {name}", f"{length} bytes or none", f"{len(digest)} bytes")
    total = sum(length for length, _ in payload.fragments)
    if total != payload.size:
        raise Corrupt("manifest size", f"{total}, the sum of the fragments", str(payload.size))
    return Manifest(
        package_id=payload.id,
        version=payload.version,
        size=payload.size,
        md5=payload.md5,
        sha256=payload.sha256,
        blake3=payload.blake3,
        info_blake3=payload.info,
        fragments=tuple(Fragment(number, *row) for number, row in enumerate(payload.fragments, 1)),
    )
