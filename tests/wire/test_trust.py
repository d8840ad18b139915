"""The trust file: only the CA's counts; and what is revoked, or out of date, is not trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from distd.domain.errors import Corrupt
from distd.storage import pki
from distd.storage.data_dir import DataDir
from distd.wire import manifest as manifest_format
from distd.wire import trust
from distd.wire.trust import Revocations, Trust

if TYPE_CHECKING:
    from distd.storage.pki import Signer
    from tests.fixtures.package_dirs import PackageToBuild

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_list(keys: DataDir, *serials: int, number: int | None = 1, issuer: str | None = None) -> bytes:
    """Signed with the CA's key of these keys."""
    ca = pki.load_ca(keys.ca_certificate)
    name = ca.subject if issuer is None else pki.common_name(issuer)
    builder = x509.CertificateRevocationListBuilder().issuer_name(name).last_update(NOW)
    builder = builder.next_update(NOW + timedelta(days=1))
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(pki.load_ca_key(keys.keys / pki.CA_KEY), hashes.SHA256()).public_bytes(Encoding.PEM)


def test_what_the_ca_has_signed_is_read(site_keys: DataDir, ca: x509.Certificate) -> None:
    pem = make_list(site_keys, 5, 6, number=3)
    assert trust.read(pem, ca) == Revocations(3, frozenset({5, 6}), pem)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"number": None}, "a revocation list with a number"),
        ({"number": 0}, "a number from 1"),
        ({"issuer": "another"}, "a list signed by this CA"),
    ],
)
def test_what_is_no_trust_file_is_refused(site_keys: DataDir, ca: x509.Certificate, changes: Any, why: str) -> None:
    with pytest.raises(Corrupt, match=why):
        trust.read(make_list(site_keys, **changes), ca)


def test_another_cas_is_refused(site_keys: DataDir, tmp_path: Any) -> None:
    other = pki_of(tmp_path)
    pem = make_list(other, 5, issuer=pki.load_ca(site_keys.ca_certificate).subject.rfc4514_string()[3:])
    with pytest.raises(Corrupt, match="a list signed by this CA"):
        trust.read(pem, pki.load_ca(site_keys.ca_certificate))


def pki_of(folder: Any) -> DataDir:
    """Keys of another site."""
    data = DataDir(folder / "other")
    data.keys.mkdir(parents=True)
    pki.create_keys(data.keys, data.ca_certificate, ["other.example"])
    return data


@pytest.mark.parametrize("content", [b"", b"x", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"])
def test_bytes_are_no_trust_file(ca: x509.Certificate, content: bytes) -> None:
    with pytest.raises(Corrupt, match="trust file"):
        trust.read(content, ca)


def test_a_file_over_the_limit_is_not_even_parsed(ca: x509.Certificate) -> None:
    with pytest.raises(Corrupt, match="at most"):
        trust.read(bytes(trust.MAX_TRUST_BYTES + 1), ca)


def test_a_bit_anywhere_is_noticed(site_keys: DataDir, ca: x509.Certificate) -> None:
    lines = make_list(site_keys, 5).splitlines()
    for number in range(1, len(lines) - 1):
        changed = list(lines)
        changed[number] = (
            changed[number][:10] + (b"A" if changed[number][10:11] != b"A" else b"B") + changed[number][11:]
        )
        with pytest.raises(Corrupt):
            trust.read(b"\n".join(changed), ca)


def test_a_revoked_signers_manifest_is_refused(
    site_keys: DataDir, package: PackageToBuild, signer: Signer, ca: x509.Certificate
) -> None:
    signed = (package.publish() / "manifest").read_bytes()
    serial = x509.load_der_x509_certificate(signer.certificate_der).serial_number
    whom = Trust(ca)
    assert manifest_format.read(signed, whom).package_id == "17"
    whom.revocations = trust.read(make_list(site_keys, serial), ca)
    for read in (manifest_format.read, manifest_format.read_digests):
        with pytest.raises(Corrupt, match="manifest signer: expected a certificate that is not revoked"):
            read(signed, whom)


@pytest.mark.parametrize(("days", "is_good"), [(-3, False), (0, True), (pki.SIGNER_DAYS + 2, False)])
def test_the_signers_dates_count(package: PackageToBuild, ca: x509.Certificate, days: int, is_good: bool) -> None:
    signed = (package.publish() / "manifest").read_bytes()
    at_s = (datetime.now(UTC) + timedelta(days=days)).timestamp()
    whom = Trust(ca, clock=lambda: at_s)
    if is_good:
        assert manifest_format.read(signed, whom).package_id == "17"
    else:
        with pytest.raises(Corrupt, match="a certificate that is valid now"):
            manifest_format.read(signed, whom)
