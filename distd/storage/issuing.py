"""Certificates: requested where the key is, issued where the CA's key is. The two may be far apart.

A request (PKCS #10) says by its extensions what it is for: code signing (a signer of manifests), or a server's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from distd.domain.errors import BadInput
from distd.storage import pki

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.storage.pki import PrivateKey

MAX_REQUEST_BYTES: Final = 65_536
MAX_NAMES: Final = 100
SIGNER_NAME: Final = "distd manifest signer"

_UNFIT: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.InvalidVersion,
)


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What a certificate is asked for: a signer's (`hosts` is empty), or a server's with these names.

    `name`: the one that it is to have, for people.
    """

    key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
    name: str
    hosts: tuple[str, ...] = ()

    @property
    def is_signer(self) -> bool:
        """Whether it is a signer's of manifests."""
        return isinstance(self.key, ed25519.Ed25519PublicKey)


def new_signer_key() -> ed25519.Ed25519PrivateKey:
    """A key that signs manifests."""
    return ed25519.Ed25519PrivateKey.generate()


def new_server_key() -> ec.EllipticCurvePrivateKey:
    """A key of a server or a mirror."""
    return ec.generate_private_key(ec.SECP256R1())


def make_request(key: PrivateKey, hosts: Sequence[str] = ()) -> bytes:
    """The request, in PEM, for a key's certificate: a signer's, or a server's for `hosts` and the local machine."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = x509.CertificateSigningRequestBuilder().subject_name(pki.common_name(SIGNER_NAME))
        return _pem(builder.add_extension(use, critical=False).sign(key, None))
    names = x509.SubjectAlternativeName([pki.general_name(host) for host in pki.with_local_names(hosts)])
    use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = x509.CertificateSigningRequestBuilder().subject_name(pki.common_name(hosts[0]))
    builder = builder.add_extension(names, critical=False).add_extension(use, critical=False)
    return _pem(builder.sign(key, hashes.SHA256()))


def read_request(pem: bytes, what: str = "request") -> CertificateRequest:
    """What a request asks for. Raises `BadInput`, which names `what`, unless it is a signer's or a server's."""
    if len(pem) > MAX_REQUEST_BYTES:
        raise BadInput(what, f"at most {MAX_REQUEST_BYTES} bytes", len(pem))
    try:
        request = x509.load_pem_x509_csr(pem)
        key, is_its_own = request.public_key(), request.is_signature_valid
        uses = list(request.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        name = str(request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        hosts = _hosts(request)
    except (*_UNFIT, IndexError) as error:
        raise BadInput(what, "a certificate request made by `distd keys request`", str(error)) from None
    if not is_its_own:
        raise BadInput(what, "a request signed by its own key", "another signature")
    if isinstance(key, ed25519.Ed25519PublicKey) and uses == [ExtendedKeyUsageOID.CODE_SIGNING] and not hosts:
        return CertificateRequest(key, SIGNER_NAME)
    if isinstance(key, ec.EllipticCurvePublicKey) and uses == [ExtendedKeyUsageOID.SERVER_AUTH] and hosts:
        return CertificateRequest(key, name, hosts)
    raise BadInput(what, "a request for signing manifests, or for a server", "one for other uses")


def _hosts(request: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = tuple(str(name.value) for name in names)
    if len(hosts) > MAX_NAMES:
        raise ValueError(f"more than {MAX_NAMES} names")
    for host in hosts:
        pki.check_host(host, "request")
    return hosts


def issue(
    request: CertificateRequest, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, days: int = 0
) -> x509.Certificate:
    """The certificate, valid for so many days; 0: as long as certificates of its kind are."""
    if request.is_signer:
        use, own = ExtendedKeyUsageOID.CODE_SIGNING, pki.SIGNER_DAYS
    else:
        use, own = ExtendedKeyUsageOID.SERVER_AUTH, pki.SERVER_DAYS
    builder = pki.leaf(request.name, request.key, ca, days or own, use)
    if request.hosts:
        names = [pki.general_name(host) for host in request.hosts]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """The names that a server's certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def placeholder(key: ec.EllipticCurvePrivateKey, hosts: Sequence[str]) -> bytes:
    """A certificate in PEM that nobody trusts, for a server that waits for one of the CA's."""
    name, names = pki.common_name(hosts[0]), [pki.general_name(host) for host in pki.with_local_names(hosts)]
    builder = pki.dated(pki.SERVER_DAYS).subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def is_issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Whether the CA has issued it."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _pem(request: x509.CertificateSigningRequest) -> bytes:
    return request.public_bytes(serialization.Encoding.PEM)
