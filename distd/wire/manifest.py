"""The manifest of a package: what the origin vouches for, signed with Ed25519.

The file is a msgpack map {"payload": bytes, "signature": 64 bytes, "certificate": DER bytes}. The payload is a msgpack
map; the certificate is an X.509 leaf for the signer's key, issued by the site's CA. So whoever has `cacert.pem`, as
every agent has, can check a manifest wherever it came from. The leaf must be for code signing, so that no web server's
certificate passes for it. Its dates are not checked: the core has no clock, and a package outlives its signer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID

from distd.domain.errors import Corrupt
from distd.domain.records import Fragment, Manifest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT: Final = 1
MAX_MANIFEST_BYTES: Final = 67_108_864
_ENVELOPE_KEYS: Final = 3

# What the library makes of bytes that are no such certificate: not all of these are ValueErrors.
_UNFIT_CERTIFICATE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
)


def sign(manifest: Manifest, key: Ed25519PrivateKey, certificate_der: bytes) -> bytes:
    """The bytes of the file `manifest`. The same input gives the same bytes."""
    payload = encode(manifest)
    return _pack({"payload": payload, "signature": key.sign(payload), "certificate": certificate_der})


def encode(manifest: Manifest) -> bytes:
    """The payload: what is signed."""
    return _pack(
        {
            "format": FORMAT,
            "id": manifest.package_id,
            "version": manifest.version,
            "size": manifest.size,
            "md5": manifest.md5,
            "sha256": manifest.sha256,
            "blake3": manifest.blake3,
            "info": manifest.info_blake3,
            "fragments": [[fragment.length, fragment.blake3] for fragment in manifest.fragments],
        }
    )


def read(data: bytes, ca: x509.Certificate) -> Manifest:
    """Check and read a manifest. Raises `Corrupt` for whatever does not hold."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise Corrupt("manifest", f"at most {MAX_MANIFEST_BYTES} bytes", f"{len(data)} bytes")
    envelope = _envelope(data)
    payload = _bytes(envelope, "payload")
    signer = _signer(_bytes(envelope, "certificate"), ca)
    try:
        signer.verify(_bytes(envelope, "signature"), payload)
    except InvalidSignature:
        raise Corrupt("manifest", "the signature of its signer", "another one") from None
    return _decode(_unpack(payload, "manifest payload"))


def _signer(der: bytes, ca: x509.Certificate) -> Ed25519PublicKey:
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
    return key


def _decode(payload: dict[str, Any]) -> Manifest:
    version = payload.get("format")
    if version != FORMAT:
        raise Corrupt("manifest format", str(FORMAT), repr(version))
    rows = payload.get("fragments")
    if not isinstance(rows, list):
        raise Corrupt("manifest fragments", "a list", type(rows).__name__)
    manifest = Manifest(
        package_id=_digits(payload, "id"),
        version=_whole(payload.get("version"), "version"),
        size=_whole(payload.get("size"), "size"),
        md5=_digest(payload, "md5", 16),
        sha256=_digest(payload, "sha256", 32),
        blake3=_digest(payload, "blake3", 32),
        info_blake3=_bytes(payload, "info", 32),
        fragments=tuple(_fragment(number, row) for number, row in enumerate(rows, 1)),
    )
    total = sum(fragment.length for fragment in manifest.fragments)
    if total != manifest.size:
        raise Corrupt("manifest size", f"{total}, the sum of the fragments", str(manifest.size))
    return manifest


def _fragment(number: int, row: object) -> Fragment:
    match row:
        case [length, bytes(digest)] if len(digest) == 32:
            return Fragment(number, _whole(length, f"fragment {number}"), digest)
    raise Corrupt(f"manifest fragment {number}", "a length and a BLAKE3", repr(row)[:80])


def _whole(value: object, name: str) -> int:
    if type(value) is not int or value < 0:  # a bool is an int, but no number here
        raise Corrupt(f"manifest {name}", "a whole number", repr(value)[:80])
    return value


def _digits(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not value.isdecimal() or not value.isascii() or len(value) > 20:
        raise Corrupt(f"manifest {name}", "decimal digits", repr(value)[:80])
    return value


def _bytes(payload: dict[str, Any], name: str, length: int | None = None) -> bytes:
    value = payload.get(name)
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise Corrupt(f"manifest {name}", f"{length or 'some'} bytes", repr(value)[:80])
    return value


def _digest(payload: dict[str, Any], name: str, length: int) -> bytes:
    """Of the whole; empty when it was not computed."""
    return b"" if payload.get(name) == b"" else _bytes(payload, name, length)


def _pack(value: dict[str, Any]) -> bytes:
    packed = msgpack.packb(value, use_bin_type=True)
    assert isinstance(packed, bytes)
    return packed


def _envelope(data: bytes) -> dict[str, Any]:
    """The outer map, of which nothing is signed yet: flat, or 64 MiB of small arrays would become 4 GiB of objects."""
    unpacker = msgpack.Unpacker(raw=False, max_buffer_size=MAX_MANIFEST_BYTES, max_array_len=0, max_map_len=0)
    unpacker.feed(data)
    try:
        keys = unpacker.read_map_header()
        if keys != _ENVELOPE_KEYS:
            raise Corrupt("manifest", f"a map of {_ENVELOPE_KEYS}", f"one of {keys}")
        pairs = [(unpacker.unpack(), unpacker.unpack()) for _ in range(keys)]
    except (ValueError, msgpack.UnpackException) as error:
        raise Corrupt("manifest", "a flat msgpack map", str(error)[:120]) from None
    if unpacker.tell() != len(data):
        raise Corrupt("manifest", f"{unpacker.tell()} bytes", f"{len(data)} bytes")
    return {key: value for key, value in pairs if isinstance(key, str)}


def _unpack(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except (ValueError, msgpack.UnpackException) as error:
        raise Corrupt(what, "msgpack", str(error)[:120] or type(error).__name__) from None
    if not isinstance(value, dict):
        raise Corrupt(what, "a map", type(value).__name__)
    return value
