"""/overview/stalls: how many computers of running deployments do not go on by themselves, for each package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.diagnosis.causes import CauseKind
from distd.domain.page import Window
from distd.domain.permissions import Act
from distd.origin.deployments import diagnoses
from distd.origin.deployments.diagnosis_facts import read_context
from distd.origin.packages import overview
from distd.origin.packages.overview import WantedPackages
from distd.web.console.frame import current, page
from distd.web.console.links import of_deployment
from distd.web.console.recent import RecentAnswers

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.operations.operation import Asked
    from distd.web.console.use_cases import UseCases

KEPT_S: Final = 120.0
MAX_PACKAGES: Final = 100  # that are looked at, the newest
MAX_SHOWN: Final = 5
MAX_JUDGED: Final = 200  # computers of a package: the page says at least how many stall
# They have been told, and do not go on.
STALLED: Final = frozenset(
    str(kind)
    for kind in (
        *(CauseKind.STALLED, CauseKind.INFO_NOT_FETCHED, CauseKind.NO_FRAGMENT, CauseKind.NO_RESULT),
        *(CauseKind.CERTIFICATE_NAME, CauseKind.CERTIFICATE_ENDED, CauseKind.STARVED, CauseKind.NO_TURN),
        *(CauseKind.MIRROR_LOST, CauseKind.MIRROR_BAD),
    )
)


@dataclass(frozen=True, slots=True)
class StalledPackage:
    """A package of which so many computers stall, of those that were looked at; `reason` is the most frequent one.
    `is_part`: not all were."""

    name: str
    link: str
    computers: int
    reason: str
    is_part: bool


class StallPages:
    """A part of the first page, that comes after it: it takes longer."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases
        self._recent = RecentAnswers(KEPT_S)

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get("/overview/stalls")
        async def stalls() -> Response:
            frame, code = current(), current().language.code
            self._use_cases.operations.demand(Act.STATISTICS_READ)

            async def make() -> list[StalledPackage]:
                return await self._use_cases.read(Act.STATISTICS_READ, lambda conn, asked: _read(conn, asked, code))

            found: list[StalledPackage] = await self._recent.get(code, frame.now_s, make)
            return await page("stalls_now.html", stalled=found)


def _read(conn: Connection, asked: Asked, code: str) -> list[StalledPackage]:
    context = read_context(asked.site.data, asked.site.settings)
    active = overview.list_packages(conn, WantedPackages(None, True), Window(MAX_PACKAGES)).items
    begun = sorted((each for each in active if each.notified + each.downloading), key=lambda each: -each.notified)
    found = []
    for package in begun[:MAX_SHOWN]:
        told = diagnoses.group_by_cause(conn, context, package.id, asked.now_s, code, MAX_JUDGED)
        groups = [group for group in told if group.kind in STALLED]
        if groups:
            reason = groups[0].sentence.partition(" ")[2]
            is_part = any(group.kind == CauseKind.NOT_JUDGED for group in told)
            number = sum(group.computers for group in groups)
            found.append(StalledPackage(package.name, of_deployment(package.id), number, reason, is_part))
    return found
