"""Certificates for requests: for the uses that there are, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from distd.domain.errors import BadInput
from distd.storage import issuing, pki

if TYPE_CHECKING:
    from distd.storage.data_dir import DataDir

KEY = issuing.new_server_key()


def foreign_request(*extensions: Any, key: Any = KEY) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(pki.common_name("x"))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


SERVER_USE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
NAMES = x509.SubjectAlternativeName([x509.DNSName("x.example")])


def test_a_signers(site_keys: DataDir, ca: x509.Certificate) -> None:
    key = issuing.new_signer_key()
    asked = issuing.read_request(issuing.make_request(key))
    issued = issuing.issue(asked, ca, pki.load_ca_key(site_keys.keys / pki.CA_KEY))
    uses = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert (list(uses), issued.public_key()) == ([ExtendedKeyUsageOID.CODE_SIGNING], key.public_key())
    assert (issuing.is_issued_by(issued, ca), issuing.hosts_of(issued)) == (True, [])


def test_no_certificate_outlives_the_ca(site_keys: DataDir, ca: x509.Certificate) -> None:
    asked = issuing.read_request(issuing.make_request(KEY, ["packages.example"]))
    issued = issuing.issue(asked, ca, pki.load_ca_key(site_keys.keys / pki.CA_KEY), days=7300 * 2)
    assert issued.not_valid_after_utc == ca.not_valid_after_utc


def test_a_servers(site_keys: DataDir, ca: x509.Certificate) -> None:
    asked = issuing.read_request(issuing.make_request(KEY, ["packages.example", "10.0.0.1"]))
    issued = issuing.issue(asked, ca, pki.load_ca_key(site_keys.keys / pki.CA_KEY), days=30)
    assert issuing.hosts_of(issued) == ["packages.example", "10.0.0.1", "localhost", "127.0.0.1", "::1"]
    assert (issued.not_valid_after_utc - issued.not_valid_before_utc).days == 31
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        issuing.make_request(KEY, ["x.example"]) + bytes(issuing.MAX_REQUEST_BYTES),
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        foreign_request(),
        foreign_request(NAMES),
        foreign_request(SERVER_USE),
        foreign_request(NAMES, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])),
        foreign_request(
            NAMES, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING])
        ),
        foreign_request(SERVER_USE, x509.SubjectAlternativeName([x509.DNSName("a b")])),
        foreign_request(SERVER_USE, x509.SubjectAlternativeName([x509.DNSName(f"x{n}.example") for n in range(101)])),
    ],
)
def test_what_asks_for_anything_else_is_refused(pem: bytes) -> None:
    with pytest.raises(BadInput):
        issuing.read_request(pem)


def test_a_request_that_its_key_has_not_signed_is_refused() -> None:
    """Else somebody could have a certificate for the key of another."""
    pem = issuing.make_request(KEY, ["x.example"])
    der = bytearray(x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER))
    at = der.index(b"x.example")
    der[at] ^= 1
    changed = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    with pytest.raises(BadInput, match="a request signed by its own key"):
        issuing.read_request(changed)


def test_a_placeholder_is_nobodys(ca: x509.Certificate) -> None:
    found = x509.load_pem_x509_certificate(issuing.placeholder(KEY, ["paris"]))
    assert (issuing.is_issued_by(found, ca), issuing.hosts_of(found)[0]) == (False, "paris")
    assert isinstance(found.public_key(), ec.EllipticCurvePublicKey)
