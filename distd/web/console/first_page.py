"""The first page: how many computers are in contact, what runs, what needs attention, what happened last."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from distd.catalogue.event_log import Kind
from distd.domain.conditions import ConditionKind
from distd.domain.page import EVERYTHING, Window
from distd.domain.permissions import Act, missing
from distd.domain.rollout_state import ENDED, Phase
from distd.origin.computers import duplicates
from distd.origin.computers.contact_counts import LATELY_S, count_contacts
from distd.origin.deployments import rollouts
from distd.origin.mirrors import mirrors
from distd.origin.notices.notices import list_open
from distd.origin.operators import events
from distd.origin.operators.events import Wanted
from distd.origin.packages import overview
from distd.origin.packages.overview import WantedPackages
from distd.web.console.event_runs import in_runs
from distd.web.console.first_steps import FirstSteps, agent_setup
from distd.web.console.frame import current, page
from distd.web.console.links import address, of_deployment, of_mirror
from distd.web.console.recent import RecentAnswers

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.operations.operation import Asked
    from distd.origin.computers.contact_counts import ContactCounts
    from distd.origin.deployments.rollouts import Rollout
    from distd.origin.mirrors.mirrors import Mirror
    from distd.origin.notices.notices import Notice
    from distd.origin.packages.overview import ListedPackage
    from distd.web.console.event_runs import EventRun
    from distd.web.console.first_steps import AgentSetup
    from distd.web.console.operations import OwnServers
    from distd.web.console.use_cases import UseCases

MAX_EVENTS: Final = 12
MAX_READ: Final = 200  # events, for lines of several of them
TOLD: Final = tuple(kind for kind in Kind if kind is not Kind.LOGGED_IN)
MAX_RUNNING: Final = 10
MAX_PACKAGES: Final = 1000  # that are looked at, the newest
COUNTS_KEPT_S: Final = 10.0
DUPLICATES_KEPT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that an operator should look at: how many of what, and where."""

    number: int
    kind: str
    link: str = ""
    detail: str = ""
    at_s: float | None = None


@dataclass(frozen=True, slots=True)
class SiteNow:
    """What the first page shows. `running`: packages of which some computers have no result yet; `mirrors`: those that
    have joined."""

    counts: ContactCounts
    running: list[ListedPackage]
    running_total: int
    active: int
    rollouts: list[Rollout]
    mirrors: list[Mirror]
    conditions: list[Notice]
    steps: FirstSteps
    attention: list[Attention] = field(default_factory=list)


class FirstPage:
    """/ and the parts of it that come by themselves."""

    def __init__(self, use_cases: UseCases, own_servers: OwnServers) -> None:
        self._use_cases = use_cases
        self._own_servers = own_servers
        self._now = RecentAnswers(COUNTS_KEPT_S)
        self._duplicates = RecentAnswers(DUPLICATES_KEPT_S)

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/")
        async def first_page() -> Response:
            return await page("first_page.html", **await self._values(), runs=await self._events())

        @app.get("/overview/now")
        async def site_now() -> Response:
            return await page("site_now.html", **await self._values())

        @app.get("/overview/duplicates")
        async def duplicates_now() -> Response:
            frame = current()
            self._use_cases.operations.demand(Act.DUPLICATES_READ)  # what is kept is for all who may

            async def make() -> int:
                return await self._use_cases.read(Act.DUPLICATES_READ, _count_duplicates)

            number: int = await self._duplicates.get("duplicates", frame.now_s, make)
            return await page("duplicates_now.html", number=number)

    async def _values(self) -> dict[str, Any]:
        frame = current()

        async def make() -> SiteNow:
            read = partial(_read, setup=agent_setup(self._own_servers()[1]))
            return await self._use_cases.read(Act.COMPUTERS_READ, read)

        # One answer for each operator, who may be restricted to some computers.
        site: SiteNow = await self._now.get(frame.operator, frame.now_s, make)
        sent = sum(float(each.status.get("bytes_per_s", 0)) for each in site.mirrors if each.alive)
        return {"site": site, "deployment_link": of_deployment, "lately_min": LATELY_S / 60, "sent_by_mirrors": sent}

    async def _events(self) -> list[EventRun]:
        def read(conn: Connection, asked: Asked) -> list[EventRun]:
            audit = not missing(asked.access, Act.AUDIT_READ)
            wanted = Wanted(kinds=TOLD, by_people=True, reader=asked.actor, audit=audit)
            found = events.newest(conn, wanted, Window(MAX_READ))
            return in_runs(found.items, MAX_EVENTS, are_all=not found.next)

        return await self._use_cases.read(Act.EVENTS_READ, read)


def _count_duplicates(conn: Connection, _: Asked) -> int:
    return duplicates.list_duplicates(conn, (), Window(1)).total


def _read(conn: Connection, asked: Asked, setup: AgentSetup) -> SiteNow:
    active = overview.list_packages(conn, WantedPackages(None, True), Window(MAX_PACKAGES))
    running = overview.list_packages(conn, WantedPackages(running=True), Window(MAX_RUNNING))
    may_rollouts, may_notices = (not missing(asked.access, act) for act in (Act.ROLLOUTS_READ, Act.NOTICES_READ))
    all_rollouts = rollouts.list_rollouts(conn, EVERYTHING).items if may_rollouts else []
    open_rollouts = [each for each in all_rollouts if each.phase not in ENDED]
    known = [each for each in mirrors.list_mirrors(conn, None, EVERYTHING, asked.now_s).items if each.state == "JOINED"]
    counts = count_contacts(conn, asked.actor, asked.now_s)
    steps = FirstSteps(
        has_package=bool(active.total) or bool(overview.list_packages(conn, WantedPackages(), Window(1)).total),
        is_active=bool(active.total),
        has_computer=bool(counts.total or asked.access.filter),  # who sees only some is not who sets up the site
        is_assigned=any(any(each.counters.values()) for each in active.items),
        setup=setup,
    )
    found = list_open(conn) if may_notices else []
    site = SiteNow(counts, running.items, running.total, active.total, open_rollouts, known, found, steps)
    site.attention.extend(_attention(site, active.items))
    return site


def _attention(site: SiteNow, packages: list[ListedPackage]) -> list[Attention]:
    found = [_of_condition(each) for each in site.conditions]
    waiting = [each for each in site.rollouts if each.phase == Phase.AWAITING_APPROVAL]
    found += [Attention(1, "ROLLOUT_AWAITS", of_deployment(each.package_id), each.name) for each in waiting]
    failed = sorted((each for each in packages if each.failed), key=lambda each: -each.failed)
    failures = partial(address, kept={"state": "FAILED"})
    found += [
        Attention(each.failed, "FAILURES", failures(of_deployment(each.id)), each.name) for each in failed[:MAX_RUNNING]
    ]
    counts = site.counts
    numbers = (
        Attention(counts.waiting, "WAITING_ROOM", "/computers?show=waiting"),
        Attention(counts.changed, "IDENTITY_CHANGED", "/computers?show=changed"),
        Attention(counts.silent, "SILENT", address("/computers", {"filter": "last_contact < 30d"})),
    )
    return [*found, *(each for each in numbers if each.number)]


def _of_condition(notice: Notice) -> Attention:
    """A condition that is so now, whether somebody was told of it or not."""
    facts = notice.facts
    match ConditionKind(notice.kind):
        case ConditionKind.ROLLOUT_HALTED:
            return Attention(1, "ROLLOUT_HALTED", of_deployment(str(facts["package_id"])), notice.name)
        case ConditionKind.DEPLOYMENT_STALLED:
            number = int(facts["stalled"])
            return Attention(number, "DEPLOYMENT_STALLED", of_deployment(notice.subject), notice.name)
        case ConditionKind.MIRROR_LOST:
            return Attention(1, "MIRROR_LOST", of_mirror(notice.name), notice.name, notice.since_s)
        case ConditionKind.DISK_LOW:
            return Attention(int(facts["free_bytes"]), "LITTLE_DISK")
        case ConditionKind.CERTIFICATE_ENDS:
            return Attention(1, "CERTIFICATE_ENDS", "", "", float(facts["ends_at_s"]))
