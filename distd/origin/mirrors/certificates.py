"""Certificates of mirrors: renewed by the mirrors themselves, over the connection by which they report.

Where the CA's key is, a certificate is issued at once. Where it is not (an offline CA), what a mirror asks for is kept
until an operator has had it signed; the mirror asks again until it gets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import serialization
from sqlalchemy import select, update

from distd.catalogue.mirrors_schema import mirrors
from distd.domain.errors import BadInput, NotFound
from distd.origin.mirrors.identity import hosts_of
from distd.storage import issuing
from distd.storage.issuing import CertificateRequest
from distd.storage.pki import with_local_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509
    from sqlalchemy import Connection, Row

    from distd.origin.mirrors.identity import MirrorIdentity

    Issue = Callable[[CertificateRequest], x509.Certificate]

MAX_CERTIFICATES: Final = 8  # that are remembered of each mirror


def renew(
    conn: Connection, mirror: MirrorIdentity, request_pem: bytes, replaces: int, issue: Issue | None, now_s: float
) -> bytes:
    """The certificate, in PEM, for what a mirror asks for; empty: it is to ask again later.

    `replaces`: the serial number of the one that it has; 0: none. `issue` None: the CA's key is not here. Raises
    `BadInput`.
    """
    row = conn.execute(select(mirrors).where(mirrors.c.id == mirror.id)).one()
    asked, hosts = issuing.read_request(request_pem), hosts_of(row)
    if asked.is_signer:
        raise BadInput("request", "a request for a server's certificate", "one for a signer's")
    if row.certificate and asked.key == _key_of(row.certificate_request):  # it was signed since the mirror asked
        return str(row.certificate).encode()
    _remember(conn, row, replaces, 0.0, now_s)
    if issue is None:
        text = request_pem.decode("ascii", "replace")
        values = {"certificate_request": text, "certificate": None}
        conn.execute(update(mirrors).where(mirrors.c.id == mirror.id).values(**values))
        return b""
    # Whatever it asks for, it gets the names that the operator gave it.
    issued = issue(CertificateRequest(asked.key, hosts[0], tuple(with_local_names(hosts))))
    return record(conn, row.name, issued, now_s)


def record(conn: Connection, name: str, certificate: x509.Certificate, now_s: float) -> bytes:
    """A mirror has got this certificate; it in PEM."""
    row = _row(conn, name)
    _remember(conn, row, certificate.serial_number, certificate.not_valid_after_utc.timestamp(), now_s)
    return certificate.public_bytes(serialization.Encoding.PEM)


def waiting(conn: Connection) -> dict[str, str]:
    """By the names of mirrors: what they ask the CA for (PEM), and have not got yet."""
    query = select(mirrors.c.name, mirrors.c.certificate_request).where(
        mirrors.c.certificate_request.is_not(None), mirrors.c.certificate.is_(None), mirrors.c.revoked_at_us.is_(None)
    )
    return {row.name: row.certificate_request for row in conn.execute(query.order_by(mirrors.c.name))}


def install(conn: Connection, name: str, certificate: x509.Certificate, now_s: float) -> None:
    """What a mirror has asked for was signed; it gets it when it asks again. Raises `BadInput` for another key's.

    Raises `NotFound`.
    """
    row = _row(conn, name)
    if certificate.public_key() != _key_of(row.certificate_request):
        raise BadInput("certificate", f"one for the key of mirror {name}", "one for another key")
    if {*issuing.hosts_of(certificate)} - {*with_local_names(hosts_of(row))}:
        raise BadInput("certificate", f"the names of mirror {name}", ", ".join(issuing.hosts_of(certificate)))
    pem = record(conn, name, certificate, now_s)
    conn.execute(update(mirrors).where(mirrors.c.id == row.id).values(certificate=pem.decode()))


def serials(conn: Connection, name: str | None = None) -> list[int]:
    """The serial numbers of a mirror's certificates that are known; None: of all mirrors."""
    query = select(mirrors.c.certificates).where(mirrors.c.certificates.is_not(None))
    if name is not None:
        query = query.where(mirrors.c.name == name)
    return [int(serial, 16) for known in conn.scalars(query) for serial, _ in known]


def _remember(conn: Connection, row: Row[Any], serial: int, until_s: float, now_s: float) -> None:
    """`until_s` 0: when it ends is not known."""
    known = list(conn.scalar(select(mirrors.c.certificates).where(mirrors.c.id == row.id)) or [])
    if serial and f"{serial:x}" not in {one[0] for one in known}:
        still = [one for one in known if not one[1] or one[1] > now_s]
        kept = [*still, [f"{serial:x}", until_s]][-MAX_CERTIFICATES:]
        conn.execute(update(mirrors).where(mirrors.c.id == row.id).values(certificates=kept))


def _key_of(request_pem: str | None) -> object:
    return None if request_pem is None else issuing.read_request(request_pem.encode()).key


def _row(conn: Connection, name: str) -> Row[Any]:
    row = conn.execute(select(mirrors).where(mirrors.c.name == name)).one_or_none()
    if row is None:
        raise NotFound("name", "the name of a mirror", name)
    return row
