"""Why a package is not deployed: on a computer, and on all computers of a package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.diagnosis.wording import DIAGNOSIS_LANGUAGES
from distd.domain.errors import BadInput
from distd.domain.permissions import Act
from distd.operations.operation import Operation, Way
from distd.origin.deployments import diagnoses
from distd.origin.deployments.diagnoses import CauseGroup, ToldCause  # noqa: TC001 - answers have them
from distd.origin.deployments.diagnosis_facts import read_context
from distd.wire.query import parameter

if TYPE_CHECKING:
    from distd.operations.operation import Asked
    from distd.origin.deployments.diagnosis_facts import DiagnosisContext

_LANGUAGE: Final = f"{', '.join(DIAGNOSIS_LANGUAGES)}; without it the language of `Accept-Language`, else English"


@dataclass
class WhyQuery:
    """Which package, and in which language."""

    package: str | None = parameter("the id of a package; without it all that have no success on the computer")
    lang: str | None = parameter(_LANGUAGE)


@dataclass
class PackageWhyQuery:
    """In which language."""

    lang: str | None = parameter(_LANGUAGE)


@dataclass(frozen=True, slots=True)
class ComputerCauses:
    """Why a package is not deployed on a computer, the most likely cause first; without a package, of each one that has
    no result there, or has failed, the first cause."""

    device_id: str
    causes: list[ToldCause]


@dataclass(frozen=True, slots=True)
class PackageCauses:
    """The computers of a package by their first causes, the largest group first."""

    package_id: str
    groups: list[CauseGroup]


def _of_computer(asked: Asked, device_id: str, query: WhyQuery) -> ComputerCauses:
    language = _language(asked, query.lang)
    with asked.site.catalogue.read() as conn:
        causes = diagnoses.why(conn, _context(asked), device_id, query.package or None, asked.now_s, asked.actor)
    return ComputerCauses(device_id, diagnoses.tell(causes, language))


def _of_package(asked: Asked, package_id: str, query: PackageWhyQuery) -> PackageCauses:
    language = _language(asked, query.lang)
    with asked.site.catalogue.read() as conn:
        found = diagnoses.group_by_cause(conn, _context(asked), package_id, asked.now_s, language, reader=asked.actor)
    return PackageCauses(package_id, found)


def _context(asked: Asked) -> DiagnosisContext:
    return read_context(asked.site.data, asked.site.settings)


def _language(asked: Asked, wanted: str | None) -> str:
    found = wanted or asked.language
    if found not in DIAGNOSIS_LANGUAGES:
        raise BadInput("lang", f"one of {', '.join(DIAGNOSIS_LANGUAGES)}", found)
    return found


OF_COMPUTER: Final = Operation(
    "explain_computer",
    "GET",
    "/computers/{device_id}/why",
    """Why a package is not deployed on a computer, or how far it is: the causes, the most likely first.

    A computer or a package that nobody knows is a cause, too.""",
    ComputerCauses,
    _of_computer,
    Act.DEPLOYMENTS_READ,
    Way.WORK,
    query=WhyQuery,
)
OF_PACKAGE: Final = Operation(
    "explain_package",
    "GET",
    "/packages/{package_id}/why",
    "The computers of a package by the cause why it is not deployed there.",
    PackageCauses,
    _of_package,
    Act.DEPLOYMENTS_READ,
    Way.WORK,
    query=PackageWhyQuery,
)
ALL: Final = (OF_COMPUTER, OF_PACKAGE)
