"""Whom a site's programs trust: its CA, less what the CA has revoked.

The trust file is a certificate revocation list (RFC 5280, PEM) that the CA has signed. Its number is the epoch: who has
seen one takes none with a lower number. It lists the serial numbers of all that is revoked: signers of manifests, and
certificates of servers and mirrors. A site without one is at epoch 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from distd.domain.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TRUST_BYTES: Final = 2_097_152
MAX_REVOKED: Final = 10_000  # entries of a list
WHAT: Final = "trust file"

# What the library makes of bytes that are no such list: not all of these are ValueErrors.
_UNFIT_LIST: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)


@dataclass(frozen=True, slots=True)
class Revocations:
    """What a trust file says. `serials`: of the certificates that are revoked; `pem`: the file, empty at epoch 0."""

    epoch: int = 0
    serials: frozenset[int] = frozenset()
    pem: bytes = b""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What of a certificate changes whether it is trusted: its serial number, and from when to when it is valid."""

    serial: int
    from_s: float
    until_s: float


NOTHING_REVOKED: Final = Revocations()


class Trust:
    """A CA, and what it has revoked, which may be replaced by what it has revoked later.

    `clock()` gives the Unix time, by which certificates' dates are judged; None: dates do not count.
    """

    def __init__(
        self,
        ca: x509.Certificate,
        revocations: Revocations = NOTHING_REVOKED,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.ca = ca
        self.revocations = revocations
        self._clock = clock

    def undated(self) -> Trust:
        """The same now, but that dates do not count: for what was checked when it came, and is kept.

        A computer whose clock is wrong at its start is not to lose it.
        """
        return Trust(self.ca, self.revocations)

    def check(self, certificate: CertificateFacts, what: str) -> None:
        """Raises `Corrupt`, which names `what` the certificate is for, when it is revoked or not valid now."""
        if certificate.serial in self.revocations.serials:
            raise Corrupt(what, "a certificate that is not revoked", f"one revoked by epoch {self.revocations.epoch}")
        if self._clock is not None:
            now_s = self._clock()
            if not certificate.from_s <= now_s <= certificate.until_s:
                raise Corrupt(what, "a certificate that is valid now", "one that has ended, or has yet to begin")


# A bare CA: nothing is revoked, and dates do not count.
Authority: TypeAlias = x509.Certificate | Trust


def trust_of(authority: Authority) -> Trust:
    """An authority as a `Trust`."""
    return authority if isinstance(authority, Trust) else Trust(authority)


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """Of a certificate."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return CertificateFacts(certificate.serial_number, begin.timestamp(), end.timestamp())


def read(pem: bytes, ca: x509.Certificate) -> Revocations:
    """Check and read a trust file. Raises `Corrupt` for whatever does not hold."""
    found = read_list(pem, ca)
    return Revocations(epoch_of(found), frozenset(entry.serial_number for entry in found), pem)


def read_list(pem: bytes, ca: x509.Certificate) -> x509.CertificateRevocationList:
    """The list in a trust file, checked: it is the CA's, within the limits, and numbered. Raises `Corrupt`."""
    if len(pem) > MAX_TRUST_BYTES:
        raise Corrupt(WHAT, f"at most {MAX_TRUST_BYTES} bytes", f"{len(pem)} bytes")
    key = ca.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise Corrupt(WHAT, "a CA that can sign lists", type(key).__name__)
    try:
        found = x509.load_pem_x509_crl(pem)
        is_signed = found.issuer == ca.subject and found.is_signature_valid(key)
        epoch, count = epoch_of(found), len(found)
    except _UNFIT_LIST as error:
        raise Corrupt(WHAT, "a revocation list in PEM", str(error)) from None
    except x509.ExtensionNotFound:
        raise Corrupt(WHAT, "a revocation list with a number", "one without") from None
    if not is_signed:
        raise Corrupt(WHAT, "a list signed by this CA", "another signature")
    if epoch < 1 or count > MAX_REVOKED:
        raise Corrupt(WHAT, f"a number from 1, at most {MAX_REVOKED} entries", f"number {epoch}, {count} entries")
    return found


def epoch_of(revocation_list: x509.CertificateRevocationList) -> int:
    """Its number. Raises `x509.ExtensionNotFound`."""
    return revocation_list.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
