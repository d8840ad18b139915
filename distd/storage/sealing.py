"""What a mirror tells the origin so that no server between them can read it: its join token, and its key.

A mirror may reach another mirror only, which forwards its requests and so sees them. Therefore the origin has a key of
its own (X25519), derived from the one that signs manifests, and announces it signed by that one. No mirror can announce
another: its certificate, from the same CA, is not for signing. Messages are sealed to that key by HPKE (RFC 9180).

A request is authorized by the mirror's key, sealed together with what is asked for and the time by the origin's clock:
who forwards it can send the same once more for `MAX_AGE_S`, and nothing else.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta, Struct

from distd.domain.errors import BadInput, Corrupt
from distd.storage import pki
from distd.wire import manifest, packing

if TYPE_CHECKING:
    from distd.storage.data_dir import DataDir
    from distd.wire.trust import Authority

SCHEME: Final = "Sealed"  # of Authorization
JOIN: Final = b"distd join"
AUTHORIZATION: Final = b"distd authorization"
KEY_BYTES: Final = 32
MAX_AGE_S: Final = 300.0
MAX_AUTHORIZATION_CHARACTERS: Final = 4096

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_ONCE: Final = bytes(12)  # a key for an answer is used for that answer alone
_Key = Annotated[bytes, Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]


class _Announcement(Struct, tag_field="kind", tag="origin key"):
    """What is signed: a map that is no manifest's."""

    key: _Key
    time_s: Annotated[float, Meta(ge=0, le=1e12)]


class _Credentials(Struct):
    """What an Authorization holds: `body` is the BLAKE3 of the request's."""

    key: Annotated[str, Meta(max_length=128)]
    time_s: float
    method: str
    target: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SealedRequest:
    """What a mirror asks: `target` is the path with its query."""

    method: str
    target: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class KeyProof:
    """The key of a mirror, and the BLAKE3 of the body that it sends; None: nothing says which one."""

    key: str
    body_blake3: bytes | None = None

    def covers(self, body: bytes) -> bool:
        """Whether the mirror has sent this body."""
        return self.body_blake3 is None or blake3(body).digest() == self.body_blake3


@dataclass(frozen=True, slots=True)
class OriginPublicKey:
    """The origin's key, as a mirror knows it, and the time (Unix, by the origin's clock) when it was announced."""

    key: X25519PublicKey
    time_s: float

    def seal(self, message: bytes, purpose: bytes) -> bytes:
        """A message that the origin alone can read."""
        return _SUITE.encrypt(message, self.key, info=purpose)

    def authorize(self, request: SealedRequest, key: str, now_s: float) -> str:
        """The value of Authorization for a request of the mirror that has this key. `now_s`: by the origin's clock."""
        credentials = _Credentials(key, now_s, request.method, request.target, blake3(request.body).digest())
        sealed = self.seal(packing.pack(credentials), AUTHORIZATION)
        return f"{SCHEME} {base64.b64encode(sealed).decode('ascii')}"


def read_announcement(data: bytes, authority: Authority) -> OriginPublicKey:
    """The origin's key out of what it announces. Raises `Corrupt` for what the CA does not guarantee."""
    announced = packing.unpack(manifest.signed_payload(data, authority), _Announcement, "origin key")
    return OriginPublicKey(X25519PublicKey.from_public_bytes(announced.key), announced.time_s)


class OriginKey:
    """The origin's key; `data` has the one that signs manifests, which may be replaced at any time."""

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._known: tuple[tuple[int, int], X25519PrivateKey] | None = None

    def announce(self, now_s: float) -> bytes:
        """What mirrors are told. Raises `BadInput` where the signing key is missing."""
        signer = pki.load_signer(self._data.keys)
        announced = _Announcement(_derive(signer).public_key().public_bytes_raw(), now_s)
        return manifest.sign_payload(packing.pack(announced), signer.key, signer.certificate_der)

    def open(self, sealed: bytes, purpose: bytes) -> bytes:
        """The message. Raises `BadInput` for what is not sealed to this key for this purpose."""
        try:
            return _SUITE.decrypt(sealed, self._private(), info=purpose)
        except (InvalidTag, ValueError):
            raise BadInput("sealed", "a message sealed to this origin's key", "another one") from None

    def proof_of(self, authorization: str, method: str, target: str, now_s: float) -> KeyProof | None:
        """What an Authorization proves of a request; None: nothing, or it is of another request, or too old.

        A mirror that joined with an earlier version shows its key as it is (Bearer).
        """
        scheme, _, text = authorization.partition(" ")
        if scheme == "Bearer":
            return KeyProof(text)
        if scheme != SCHEME or len(text) > MAX_AUTHORIZATION_CHARACTERS:
            return None
        try:
            message = self.open(base64.b64decode(text, validate=True), AUTHORIZATION)
            found = packing.unpack(message, _Credentials, "Authorization")
        except (ValueError, BadInput, Corrupt):  # a ValueError: of base64
            return None
        is_recent = abs(found.time_s - now_s) <= MAX_AGE_S  # which no NaN is
        is_same = (found.method, found.target) == (method, target)
        return KeyProof(found.key, found.body) if is_same and is_recent else None

    def _private(self) -> X25519PrivateKey:
        try:
            facts = (self._data.keys / pki.SIGNER_KEY).stat()
        except OSError as error:
            raise BadInput("data", "the signing key", str(self._data.keys), error.strerror or "") from None
        version = facts.st_mtime_ns, facts.st_ino
        if self._known is None or self._known[0] != version:
            self._known = version, _derive(pki.load_signer(self._data.keys))
        return self._known[1]


def _derive(signer: pki.Signer) -> X25519PrivateKey:
    """Always the same for a signing key, which it tells nothing of."""
    secret = HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"distd origin key").derive(
        signer.key.private_bytes_raw()
    )
    return X25519PrivateKey.from_private_bytes(secret)


def seal_answer(message: bytes, key: bytes) -> bytes:
    """An answer for whoever has sent this key, which is used for nothing else."""
    return ChaCha20Poly1305(key).encrypt(_ONCE, message, None)


def open_answer(sealed: bytes, key: bytes) -> bytes:
    """The answer. Raises `Corrupt` for one that another server made."""
    try:
        return ChaCha20Poly1305(key).decrypt(_ONCE, sealed, None)
    except (InvalidTag, ValueError):
        raise Corrupt("the answer", "one of the origin", "one of another server") from None
