"""Keys and certificates: read only. Who changes them does it on the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.page import Page
from distd.domain.permissions import Act
from distd.operations.operation import Operation, Way
from distd.storage.certificate_list import KnownCertificate, list_certificates

if TYPE_CHECKING:
    from distd.operations.operation import Asked


@dataclass(frozen=True, slots=True)
class CertificatePage(Page[KnownCertificate]):
    """Certificates: all of them."""


def _list(asked: Asked) -> CertificatePage:
    found = list_certificates(asked.site.data)
    return CertificatePage(found, None, len(found))


LIST: Final = Operation(
    "list_keys",
    "GET",
    "/keys",
    "The server's certificates in use and those before, and whether they are revoked.",
    CertificatePage,
    _list,
    Act.OPERATORS_READ,
    Way.WORK,
)
ALL: Final = (LIST,)
