"""The trust file (`wire.trust`) on the disk: kept by origin, mirrors and agents, never replaced by an earlier one."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from distd.domain.errors import BadInput
from distd.storage import atomic, pki
from distd.wire import trust as trust_format
from distd.wire.trust import MAX_REVOKED, NOTHING_REVOKED, Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from distd.storage.data_dir import DataDir
    from distd.wire.trust import Revocations

BACKDATED: Final = timedelta(days=1)  # computers' clocks differ
STEP: Final = timedelta(seconds=1)  # a list is dated at least so much after the one before: the latest counts


class TrustFile:
    """`trust` is what counts now; `path` need not be there yet. Raises `Corrupt` when it cannot be read."""

    def __init__(self, path: Path, ca: x509.Certificate, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self.trust = Trust(ca, _read(path, ca), clock)

    @property
    def epoch(self) -> int:
        """Of the file that is kept; 0: there is none."""
        return self.trust.revocations.epoch

    @property
    def pem(self) -> bytes:
        """The file that is kept; empty: there is none."""
        return self.trust.revocations.pem

    def take(self, pem: bytes) -> bool:
        """Keep this file if it is later than the one that is kept; whether it was.

        It is on the disk at the return. Raises `Corrupt` for one that the CA has not signed. An earlier one is ignored:
        who serves it may not have had the later one yet.
        """
        found = trust_format.read(pem, self.trust.ca)
        if found.epoch <= self.epoch:
            return False
        atomic.write_file(self._path, pem)
        self.trust.revocations = found
        return True

    def read_again(self) -> bool:
        """Take what another process has put on the disk; whether it is later. Raises `Corrupt`."""
        found = _read(self._path, self.trust.ca)
        if found.epoch <= self.epoch:
            return False
        self.trust.revocations = found
        return True

    def use_in(self, context: ssl.SSLContext) -> None:
        """Have a TLS client refuse servers whose certificates are revoked. To be called after each `take`."""
        if self.epoch:
            context.load_verify_locations(cafile=self._path)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _read(path: Path, ca: x509.Certificate) -> Revocations:
    with suppress(FileNotFoundError):
        return trust_format.read(path.read_bytes(), ca)
    return NOTHING_REVOKED


def load_trust(data: DataDir) -> Trust:
    """Whose manifests count in a data directory, now. Raises `BadInput`, `Corrupt`."""
    return TrustFile(data.trust_file, pki.load_ca(data.ca_certificate)).trust


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that is to be revoked, by its serial number, and when (Unix time)."""

    serial: int
    at_s: float


def next_list(
    pem: bytes, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, revoked: Iterable[Revoked]
) -> bytes:
    """The trust file that follows the one in `pem` (empty: there is none yet), with these revoked too.

    Raises `BadInput` when it would be over its limit.
    """
    now, epoch = datetime.now(UTC), 1
    entries: dict[int, datetime] = {}
    updated = now - BACKDATED
    if pem:
        before = trust_format.read_list(pem, ca)
        epoch = trust_format.epoch_of(before) + 1
        updated = max(updated, before.last_update_utc + STEP)
        entries = {entry.serial_number: entry.revocation_date_utc for entry in before}
    for one in revoked:
        entries.setdefault(one.serial, datetime.fromtimestamp(one.at_s, UTC))
    if len(entries) > MAX_REVOKED:
        raise BadInput("revoked", f"at most {MAX_REVOKED} certificates", len(entries))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.subject)
        .last_update(updated)
        .next_update(ca.not_valid_after_utc)  # which one is the latest is known by its number
        .add_extension(x509.CRLNumber(epoch), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    for serial, date in entries.items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(date).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
