"""Keys and certificates: what agents, OpenSSL and the manifest's readers ask of them."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from distd.domain.errors import BadInput, Corrupt
from distd.domain.records import Manifest
from distd.storage import pki
from distd.storage.data_dir import DataDir
from distd.wire import manifest as manifest_format

if TYPE_CHECKING:
    from pathlib import Path

    from distd.storage.pki import Signer

MANIFEST = Manifest("17", 1, 0, bytes(16), bytes(32), bytes(32), bytes(32), ())


def certificate(site_keys: DataDir, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((site_keys.keys / name).read_bytes())


def extension(cert: x509.Certificate, kind: Any) -> Any:
    return cert.extensions.get_extension_for_class(kind).value


@pytest.mark.parametrize("name", [pki.CA_KEY, pki.SERVER_KEY, pki.SIGNER_KEY, pki.TOKEN_KEY])
def test_secrets_are_for_their_owner_only(site_keys: DataDir, name: str) -> None:
    assert stat.S_IMODE((site_keys.keys / name).stat().st_mode) == 0o600


def test_the_cas_certificate_is_for_everybody(site_keys: DataDir) -> None:
    assert stat.S_IMODE(site_keys.ca_certificate.stat().st_mode) == 0o644


def test_the_ca(ca: x509.Certificate) -> None:
    assert ca.subject.rfc4514_string() == "CN=distd CA packages.example"
    ca.verify_directly_issued_by(ca)
    assert isinstance(ca.public_key(), ec.EllipticCurvePublicKey)
    assert extension(ca, x509.BasicConstraints) == x509.BasicConstraints(ca=True, path_length=0)
    usage = extension(ca, x509.KeyUsage)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)


@pytest.mark.parametrize(
    ("name", "use", "kind", "years"),
    [
        (pki.SERVER_CERTIFICATE, ExtendedKeyUsageOID.SERVER_AUTH, ec.EllipticCurvePublicKey, 5),
        (pki.SIGNER_CERTIFICATE, ExtendedKeyUsageOID.CODE_SIGNING, ed25519.Ed25519PublicKey, 20),
    ],
)
def test_a_leaf(
    site_keys: DataDir, ca: x509.Certificate, name: str, use: x509.ObjectIdentifier, kind: type, years: int
) -> None:
    leaf = certificate(site_keys, name)
    leaf.verify_directly_issued_by(ca)
    assert isinstance(leaf.public_key(), kind)
    assert list(extension(leaf, x509.ExtendedKeyUsage)) == [use]
    assert not extension(leaf, x509.BasicConstraints).ca
    assert extension(leaf, x509.AuthorityKeyIdentifier).key_identifier == (
        extension(ca, x509.SubjectKeyIdentifier).digest
    )
    now = datetime.now(UTC)
    assert leaf.not_valid_before_utc <= now - timedelta(hours=23)  # computers' clocks differ
    assert timedelta(days=years * 365 - 1) < leaf.not_valid_after_utc - now <= timedelta(days=years * 365)
    assert leaf.not_valid_after_utc <= ca.not_valid_after_utc


def test_every_key_belongs_to_its_certificate(site_keys: DataDir, ca: x509.Certificate) -> None:
    certificates = {
        pki.CA_KEY: ca,
        pki.SERVER_KEY: certificate(site_keys, pki.SERVER_CERTIFICATE),
        pki.SIGNER_KEY: certificate(site_keys, pki.SIGNER_CERTIFICATE),
    }
    for name, cert in certificates.items():
        key = load_pem_private_key((site_keys.keys / name).read_bytes(), None)
        assert key.public_key() == cert.public_key(), name


def test_two_sites_share_nothing(site_keys: DataDir, tmp_path: Path) -> None:
    other = DataDir(tmp_path)
    other.keys.mkdir()
    pki.create_keys(other.keys, other.ca_certificate, ["packages.example"])
    for name in (pki.CA_KEY, pki.SERVER_KEY, pki.SIGNER_KEY, pki.TOKEN_KEY):
        assert (other.keys / name).read_bytes() != (site_keys.keys / name).read_bytes(), name
    assert len((other.keys / pki.TOKEN_KEY).read_bytes()) == 32


def test_the_servers_names(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    data.keys.mkdir()
    hosts = ["packages.example", "10.1.2.3", "2001:db8::7", "localhost", "packages.example"]
    pki.create_keys(data.keys, data.ca_certificate, hosts)
    names = extension(certificate(data, pki.SERVER_CERTIFICATE), x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["packages.example", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address(address) for address in ("10.1.2.3", "2001:db8::7", "127.0.0.1", "::1")
    ]


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """A TLS handshake over a pair of sockets. Raises what the client raises."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=name).close()
    finally:
        ours.close()
        thread.join()


@pytest.fixture(scope="module")
def server_context(site_keys: DataDir) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site_keys.keys / pki.SERVER_CERTIFICATE, site_keys.keys / pki.SERVER_KEY)
    return context


@pytest.fixture(scope="module")
def client_context(site_keys: DataDir) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=site_keys.ca_certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("name", ["packages.example", "localhost", "127.0.0.1", "::1"])
def test_a_strict_client_trusts_the_server_under_each_of_its_names(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext, name: str
) -> None:
    handshake(server_context, client_context, name)


def test_it_does_not_under_another_name(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(server_context, client_context, "elsewhere.example")


def test_a_certificate_can_be_renewed_for_other_names(
    site_keys: DataDir, ca: x509.Certificate, tmp_path: Path, client_context: ssl.SSLContext
) -> None:
    ca_key = load_pem_private_key((site_keys.keys / pki.CA_KEY).read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    pki.make_server_certificate(tmp_path, ca, ca_key, ["new.example"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / pki.SERVER_CERTIFICATE, tmp_path / pki.SERVER_KEY)
    handshake(context, client_context, "new.example")


def test_the_signer_signs_what_the_cas_certificate_proves(signer: Signer, ca: x509.Certificate) -> None:
    data = manifest_format.sign(MANIFEST, signer.key, signer.certificate_der)
    assert manifest_format.read(data, ca) == MANIFEST


def test_the_web_server_cannot_sign_manifests(signer: Signer, ca: x509.Certificate, site_keys: DataDir) -> None:
    leaf = certificate(site_keys, pki.SERVER_CERTIFICATE)
    data = manifest_format.sign(MANIFEST, signer.key, leaf.public_bytes(Encoding.DER))
    with pytest.raises(Corrupt, match="for code signing"):
        manifest_format.read(data, ca)


@pytest.mark.parametrize(
    "host", ["a", "packages.example", "A-1.b2", "10.0.0.1", "::1", "2001:db8::7", "xn--bcher-kva.example", "x" * 63]
)
def test_hosts(host: str) -> None:
    pki.check_host(host)


BAD_HOSTS = {
    "no address": "999.1.1.1",
    "a number": "17",
    "nothing": "",
    "a space": "a b",
    "a line's end": "a\n",
    "a port": "host:8080",
    "a scheme": "http://host",
    "an empty label": "a..b",
    "a dot at the end": "a.",
    "a hyphen first": "-a",
    "a hyphen last": "a-.b",
    "an underscore": "a_b",
    "not ASCII": "bücher.example",
    "a wildcard": "*.example",
    "a long label": "x" * 64,
    "a long name": ".".join(["x" * 50] * 6),
    "a zone": "fe80::1%eth0",
    "a network": "10.0.0.0/8",
    "quotes": 'a"b',
}


@pytest.mark.parametrize("host", BAD_HOSTS.values(), ids=BAD_HOSTS)
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(BadInput, match="hosts: expected a host name or an IP address"):
        pki.check_host(host)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_ca_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(BadInput, match=r"CA file: expected a certificate in PEM, got .*ca\.pem"):
        pki.load_ca(tmp_path / "ca.pem")


@pytest.mark.parametrize("name", [pki.SIGNER_KEY, pki.SIGNER_CERTIFICATE])
@pytest.mark.parametrize("content", [None, b"", b"junk"], ids=["missing", "empty", "junk"])
def test_a_signer_that_is_none(site_keys: DataDir, tmp_path: Path, name: str, content: bytes | None) -> None:
    data = DataDir(tmp_path)
    data.keys.mkdir()
    for path in site_keys.keys.iterdir():
        (data.keys / path.name).write_bytes(path.read_bytes())
    (data.keys / name).unlink()
    if content is not None:
        (data.keys / name).write_bytes(content)
    why = "No such file or directory" if content is None else "restore it from a backup"
    with pytest.raises(BadInput, match=rf"data: expected .* in PEM, got .*/{name}; {why}$"):
        pki.load_signer(data.keys)


def test_a_signing_key_of_another_certificate(site_keys: DataDir, tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    data.keys.mkdir()
    pki.create_keys(data.keys, data.ca_certificate, ["other"])
    (data.keys / pki.SIGNER_KEY).write_bytes((site_keys.keys / pki.SIGNER_KEY).read_bytes())
    with pytest.raises(BadInput, match="expected the signing key of its certificate, got "):
        pki.load_signer(data.keys)


@pytest.mark.parametrize("content", [None, b"", bytes(31)], ids=["missing", "empty", "short"])
def test_a_token_key_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / pki.TOKEN_KEY).write_bytes(content)
    with pytest.raises(BadInput, match=r"data: expected .* got .*/token\.key; "):
        pki.load_token_key(tmp_path)
    (tmp_path / pki.TOKEN_KEY).write_bytes(bytes(32))
    assert pki.load_token_key(tmp_path) == bytes(32)
