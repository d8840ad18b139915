"""The certificates of a data directory: those in use and those before, and whether they are revoked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from distd.storage import key_pairs, pki, revoking
from distd.storage.key_pairs import SERVER, SIGNER
from distd.storage.trust_file import load_trust

if TYPE_CHECKING:
    from cryptography import x509

    from distd.storage.data_dir import DataDir


@dataclass(frozen=True, slots=True)
class KnownCertificate:
    """`state`: "in use", "before", "revoked", "to be revoked" (once the CA has signed it), of the CA also "offline".
    `serial` in hexadecimal; valid until `until_s`."""

    name: str
    state: str
    serial: str
    until_s: float


def list_certificates(data: DataDir) -> list[KnownCertificate]:
    """The CA's, the server's, the signer's."""
    trust, waiting = load_trust(data), {one.serial for one in revoking.pending(data)}

    def row(name: str, state: str, certificate: x509.Certificate) -> KnownCertificate:
        serial = certificate.serial_number
        if serial in trust.revocations.serials:
            state = "revoked"
        elif serial in waiting:
            state = "to be revoked"
        return KnownCertificate(name, state, f"{serial:x}", certificate.not_valid_after_utc.timestamp())

    rows = [row("CA", "in use" if (data.keys / pki.CA_KEY).exists() else "offline", pki.load_ca(data.ca_certificate))]
    for pair in (SERVER, SIGNER):
        rows.append(row(pair.name, "in use", pki.load_certificate(data.keys / pair.certificate)))
        rows += [row(pair.name, "before", old) for old in reversed(key_pairs.retired(data.keys, pair))]
    return rows
