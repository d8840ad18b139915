"""Keys and certificates of a site: the CA that agents trust, the server's certificate, the signer of manifests."""

from __future__ import annotations

import ipaddress
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from distd.domain.errors import BadInput, Conflict
from distd.storage.atomic import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

CA_DAYS: Final = 20 * 365
SERVER_DAYS: Final = 5 * 365
SIGNER_DAYS: Final = 20 * 365
MIRROR_DAYS: Final = 30  # mirrors renew theirs by themselves
# Computers' clocks differ: a certificate is valid from the day before it is made.
BACKDATED: Final = timedelta(days=1)

CA_KEY: Final = "ca.key"
SERVER_CERTIFICATE: Final = "server.pem"
SERVER_KEY: Final = "server.key"
SIGNER_CERTIFICATE: Final = "signer.pem"
SIGNER_KEY: Final = "signer.key"
TOKEN_KEY: Final = "token.key"
TOKEN_KEY_BYTES: Final = 32

_RESTORE: Final = "restore it from a backup"
_ALWAYS: Final = ("localhost", "127.0.0.1", "::1")
_LABEL: Final = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Signer:
    """What signs manifests: the key, and its certificate as DER bytes."""

    key: ed25519.Ed25519PrivateKey
    certificate_der: bytes


def check_host(host: str, field: str = "hosts") -> None:
    """Raises `BadInput` for what is neither a host's name nor an IP address. `field`: the path of the value."""
    is_name = _HOST.fullmatch(host) and not host.rpartition(".")[2].isdecimal()  # else it is a wrong address
    if (_address(host) is None or "%" in host) and not is_name:
        raise BadInput(field, "a host name or an IP address", host)


def create_keys(folder: Path, ca_certificate: Path, hosts: Sequence[str], ca_folder: Path | None = None) -> None:
    """Make all keys of a new site in `folder`, and the CA's certificate in the file `ca_certificate`.

    The CA's key is in `ca_folder`; None: in `folder` too.
    """
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _make_ca(ca_key, hosts[0])
    write_file(ca_certificate, ca.public_bytes(serialization.Encoding.PEM))
    write_key((ca_folder or folder) / CA_KEY, ca_key)
    make_server_certificate(folder, ca, ca_key, hosts)
    signer_key = ed25519.Ed25519PrivateKey.generate()
    signer = leaf("distd manifest signer", signer_key.public_key(), ca, SIGNER_DAYS, ExtendedKeyUsageOID.CODE_SIGNING)
    signed = signer.sign(ca_key, hashes.SHA256())
    write_file(folder / SIGNER_CERTIFICATE, signed.public_bytes(serialization.Encoding.PEM))
    write_key(folder / SIGNER_KEY, signer_key)
    write_file(folder / TOKEN_KEY, secrets.token_bytes(TOKEN_KEY_BYTES), mode=0o600)


def make_server_certificate(
    folder: Path, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, hosts: Sequence[str]
) -> None:
    """Make the server's key in `folder`, and a certificate for `hosts` and the names of the local machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [general_name(host) for host in with_local_names(hosts)]
    certificate = (
        leaf(hosts[0], key.public_key(), ca, SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    # The key first: a certificate without its key would stop the server from starting.
    write_key(folder / SERVER_KEY, key)
    write_file(folder / SERVER_CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))


def read_request(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a certificate request (PKCS #10, PEM). Its other contents are ignored. Raises `BadInput`."""
    try:
        request = x509.load_pem_x509_csr(pem)
        key = request.public_key()
        if request.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey):
            return key
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput("request", "a certificate request in PEM", str(error)) from None
    raise BadInput("request", "a request signed by its own key on an elliptic curve", type(key).__name__)


def make_request(folder: Path, name: str) -> bytes:
    """Make a server's key in `folder`; gives the request for its certificate, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_key(folder / SERVER_KEY, key)
    request = x509.CertificateSigningRequestBuilder().subject_name(common_name(name)).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def certify_mirror(
    folder: Path,
    ca_certificate: Path,
    public_key: ec.EllipticCurvePublicKey,
    hosts: Sequence[str],
    days: int = MIRROR_DAYS,
) -> bytes:
    """A server's certificate for a mirror's key, in PEM, signed by the CA whose key is in `folder`.

    Raises `Conflict` when that key is kept elsewhere.
    """
    ca, ca_key = load_ca(ca_certificate), load_ca_key(folder / CA_KEY)
    names = [general_name(host) for host in with_local_names(hosts)]
    return (
        leaf(hosts[0], public_key, ca, days, ExtendedKeyUsageOID.SERVER_AUTH)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def with_local_names(hosts: Sequence[str]) -> list[str]:
    """Hosts, and the names of the local machine, each once."""
    return list(dict.fromkeys((*hosts, *_ALWAYS)))


def fingerprint(ca: x509.Certificate) -> str:
    """What a join token calls the CA: the first 32 hexadecimal digits of its SHA-256."""
    return ca.fingerprint(hashes.SHA256()).hex()[:32]


def load_ca(path: Path) -> x509.Certificate:
    """A CA's certificate from a PEM file. Raises `BadInput` when the file holds none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput("CA file", "a certificate in PEM", str(path), _why(error)) from None


def load_certificate(path: Path) -> x509.Certificate:
    """The first certificate in a PEM file. Raises `BadInput` when the file holds none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput("data", "a certificate in PEM", str(path), _why(error)) from None


def load_signer(folder: Path) -> Signer:
    """What signs manifests, from a data directory's folder of keys. Raises `BadInput` when it is not there."""
    key = load_key(folder / SIGNER_KEY)
    path = folder / SIGNER_CERTIFICATE
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput("data", "the certificate of the signing key, in PEM", str(path), _why(error)) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey) or certificate.public_key() != key.public_key():
        raise BadInput("data", "the signing key of its certificate", str(folder / SIGNER_KEY), _RESTORE)
    return Signer(key, certificate.public_bytes(serialization.Encoding.DER))


def load_token_key(folder: Path) -> bytes:
    """What agents' tokens are made with. Raises `BadInput` when it is not there."""
    path = folder / TOKEN_KEY
    try:
        key = path.read_bytes()
    except OSError as error:
        raise BadInput("data", "the key of the agents' tokens", str(path), _why(error)) from None
    if len(key) < TOKEN_KEY_BYTES:  # an empty one would make tokens that anybody can make
        raise BadInput("data", f"a key of {TOKEN_KEY_BYTES} bytes", str(path), _RESTORE)
    return key


def load_ca_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The CA's key. Raises `Conflict` when it is not there (an offline CA), `BadInput` when it cannot be used."""
    if not path.exists():
        hint = "let what is needed be signed where it is: `distd keys request`, `distd keys sign`, `distd keys install`"
        raise Conflict("keys", f"the CA's key is not here ({path})", hint)
    return load_ec_key(path)


def load_ec_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key of a CA, a server or a mirror. Raises `BadInput`."""
    key = load_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadInput("data", "a key on an elliptic curve", str(path))
    return key


def load_key(path: Path) -> PrivateKeyTypes:
    """A private key that is not encrypted. Raises `BadInput`."""
    try:
        return serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise BadInput("data", "a private key in PEM", str(path), _why(error)) from None


def _why(error: Exception) -> str:
    """A fault of the file system by name; what the library says of bytes helps nobody."""
    return (error.strerror or _RESTORE) if isinstance(error, OSError) else _RESTORE


def _make_ca(key: ec.EllipticCurvePrivateKey, host: str) -> x509.Certificate:
    name = common_name(f"distd CA {host}")
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    return (
        dated(CA_DAYS)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def leaf(
    name: str,
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    ca: x509.Certificate,
    days: int,
    use: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    """A certificate of the CA for a key and one use, valid for so many days from now; to be signed."""
    issuer = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        dated(days, ca.not_valid_after_utc)
        .subject_name(common_name(name))
        .issuer_name(ca.subject)
        .public_key(key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
    )


def dated(days: int, at_most: datetime | None = None) -> x509.CertificateBuilder:
    """A certificate that is valid for so many days from now, and no longer than `at_most`."""
    now = datetime.now(UTC)
    until = now + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until if at_most is None else min(until, at_most))
    )


def _key_usage(**uses: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: uses.get(name, False) for name in names})


def common_name(text: str) -> x509.Name:
    """A name that consists of a common name, cut to its limit."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def general_name(host: str) -> x509.GeneralName:
    """A host's name or address."""
    address = _address(host)
    return x509.DNSName(host) if address is None else x509.IPAddress(address)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def write_key(path: Path, key: PrivateKey) -> None:
    """Write a private key, for its owner alone."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_file(path, pem, mode=0o600)
