"""What is to be revoked, until the CA has signed it: at once where its key is, else when a signed trust file comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from distd.domain.errors import BadInput
from distd.storage import atomic, pki
from distd.storage.trust_file import Revoked, TrustFile, next_list
from distd.wire.trust import MAX_REVOKED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from distd.storage.data_dir import DataDir

PENDING: Final = "revocations.json"


class _Pending(msgspec.Struct, frozen=True):
    """A serial number in hexadecimal digits, and when it was revoked (Unix time)."""

    serial: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{1,40}\Z")]
    at_s: float


class TrustRequest(msgspec.Struct, frozen=True):
    """What the CA is asked to sign: `present`, the trust file as it is (PEM; empty: none), with `revoke` added."""

    present: str
    revoke: Annotated[list[_Pending], msgspec.Meta(max_length=MAX_REVOKED)]


def pending(data: DataDir) -> list[Revoked]:
    """What waits for the CA's signature. Raises `BadInput`."""
    return [Revoked(int(one.serial, 16), one.at_s) for one in _read(data.keys / PENDING)]


def revoke(data: DataDir, serials: Iterable[int], now_s: float) -> int:
    """Revoke certificates by their serial numbers; the epoch of the trust file then.

    0: the CA's key is not here; they wait for `request`. Raises `BadInput`, `Corrupt`.
    """
    known = {one.serial for one in pending(data)} | _file(data).trust.revocations.serials
    new = [_Pending(f"{serial:x}", now_s) for serial in dict.fromkeys(serials) if serial not in known]
    if new:
        atomic.write_file(data.keys / PENDING, msgspec.json.encode([*_read(data.keys / PENDING), *new]), mode=0o600)
    if not (data.keys / pki.CA_KEY).exists():
        return 0
    if pending(data):
        ca, ca_key = pki.load_ca(data.ca_certificate), pki.load_ca_key(data.keys / pki.CA_KEY)
        install(data, next_list(_file(data).pem, ca, ca_key, pending(data)))
    return _file(data).epoch


def request(data: DataDir) -> bytes | None:
    """What the CA is to sign where its key is, as JSON; None: nothing waits."""
    waiting = _read(data.keys / PENDING)
    if not waiting:
        return None
    return msgspec.json.encode(TrustRequest(_file(data).pem.decode("ascii"), waiting))


def sign(content: bytes, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey) -> tuple[bytes, list[int]]:
    """The trust file for a request, and the serial numbers that it adds. Raises `BadInput`, `Corrupt`."""
    try:
        asked = msgspec.json.decode(content, type=TrustRequest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput("request", "a request for a trust file, made by `distd keys request`", str(error)) from None
    revoked = [Revoked(int(one.serial, 16), one.at_s) for one in asked.revoke]
    return next_list(asked.present.encode("ascii", "replace"), ca, ca_key, revoked), [one.serial for one in revoked]


def install(data: DataDir, pem: bytes) -> int:
    """Take a trust file that the CA has signed; its epoch. What it has waits no longer.

    Raises `Corrupt` for another CA's, `BadInput` for one that is not later than the one that is here.
    """
    file = _file(data)
    if not file.take(pem):
        raise BadInput("trust file", f"an epoch after {file.epoch}", "an earlier one, or the same")
    left = [one for one in _read(data.keys / PENDING) if int(one.serial, 16) not in file.trust.revocations.serials]
    atomic.write_file(data.keys / PENDING, msgspec.json.encode(left), mode=0o600)
    return file.epoch


def _file(data: DataDir) -> TrustFile:
    return TrustFile(data.trust_file, pki.load_ca(data.ca_certificate))


def _read(path: Path) -> list[_Pending]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[_Pending])
    except FileNotFoundError:
        return []
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput("data", "what is to be revoked", str(path), str(error)) from None
