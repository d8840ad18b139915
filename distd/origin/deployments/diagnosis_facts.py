"""The facts of a diagnosis, read from the catalogue: of one computer and a package, in some twelve statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from sqlalchemy import func, select

from distd.catalogue import event_log, schema
from distd.catalogue.event_log import Kind
from distd.catalogue.schema import assignments, computers, events, micros, planned_activations, progress, seconds
from distd.domain import bandwidth
from distd.domain.assignment_terms import SCHEDULE_FORMAT
from distd.domain.diagnosis.causes import CauseKind
from distd.domain.diagnosis.facts import (
    DiagnosedAssignment,
    DiagnosedComputer,
    DiagnosedFetches,
    DiagnosedPackage,
    DiagnosedServer,
    DiagnosisFacts,
    Refusal,
)
from distd.domain.errors import DistdError, NotFound
from distd.domain.hold_reasons import HoldReason
from distd.domain.results import Outcome
from distd.origin.agents import admission, authentication, open_assignments
from distd.origin.agents.listing import held_back
from distd.origin.agents.posts import agent_of
from distd.origin.deployments.diagnosed_mirrors import mirror_for
from distd.origin.deployments.diagnosed_rollouts import find_rollout
from distd.origin.packages import overview
from distd.origin.packages.counters import is_latest
from distd.storage import pki
from distd.wire import number_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.settings import Settings
    from distd.origin.agents.batch import ComputerState
    from distd.origin.packages.overview import ListedPackage
    from distd.storage.data_dir import DataDir

MAX_EVENTS: Final = 2000  # of a computer, or of a package, that are looked at
MAX_NUMBERS: Final = 100_000  # of fragments in one of these events
MAX_CONTACTS: Final = 20
NEWEST: Final = 200_000  # events of the log in which refused contacts are looked for
# What is told of a refused contact, and the cause that it is.
REFUSALS: Final = {
    admission.TOO_MANY: CauseKind.TOO_MANY_COMPUTERS,
    admission.TOO_FAST: CauseKind.TOO_MANY_NEW,
    admission.ELSEWHERE: CauseKind.WRONG_NETWORK,
    authentication.LOG_IN: CauseKind.NO_LOGIN,
    authentication.KEY: CauseKind.NO_KEY,
}
_CONTACTS: Final = frozenset({Kind.COMPUTER_SEEN, Kind.INVENTORY, Kind.NOTIFIED})


@dataclass(frozen=True, slots=True)
class DiagnosisContext:
    """What diagnoses of all computers have in common: the settings, the "host:port" that agents get, and the names and
    the end of the server's certificate (None: not known)."""

    settings: Settings
    http: str
    https: str
    names: tuple[str, ...] | None = None
    ends_at_s: float | None = None

    def server(self, line_bytes_per_s: float | None = None) -> DiagnosedServer:
        """How agents reach it, where bandwidth rules leave so much to each of them."""
        return DiagnosedServer(
            address=self.https, names=self.names, ends_at_s=self.ends_at_s, line_bytes_per_s=line_bytes_per_s
        )


def read_context(data: DataDir, settings: Settings) -> DiagnosisContext:
    """From the data directory and the settings."""
    host = settings.server.host
    http, https = (f"{host}:{at.rpartition(':')[2]}" for at in (settings.server.http, settings.server.https))
    try:
        certificate = pki.load_certificate(data.keys / pki.SERVER_CERTIFICATE)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (DistdError, OSError, x509.ExtensionNotFound):
        return DiagnosisContext(settings, http, https)
    names = [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]
    ends_at_s = certificate.not_valid_after_utc.timestamp()
    return DiagnosisContext(settings, http, https, tuple(name.lower() for name in names), ends_at_s)


def read_facts(
    conn: Connection, context: DiagnosisContext, device_id: str, package_id: str, now_s: float
) -> DiagnosisFacts:
    """Of one computer and one package; either may be unknown. `package_id` "": of the computer alone."""
    row = conn.execute(select(computers).where(computers.c.device_id == device_id)).one_or_none()
    package = find_package(conn, package_id)
    if row is None:
        refusal = _refusal(_of_nobody(conn, device_id))
        return facts_of(context, now_s, device_id, package, package_id, refusal=refusal)
    log = _log_of(conn, row.id)
    computer = computer_of(row, [each.at_us / 1e6 for each in reversed(log) if each.kind in _CONTACTS][-MAX_CONTACTS:])
    refusal = _refusal(each for each in log if each.at_us > row.last_seen_at_us)
    common = {"computer": computer, "refusal": refusal}
    assigned = _latest(conn, row.id, package_id)
    if package is None or assigned is None:
        rollout = find_rollout(conn, row.id, package_id)
        return facts_of(context, now_s, device_id, package, package_id, **common, rollout=rollout)
    state = open_assignments.read_computers(conn, [device_id])[device_id]
    held, others = held_and_others(state, package_id, context.settings, now_s)
    fetched = conn.execute(
        select(progress).where(progress.c.computer_id == row.id, progress.c.package_id == package_id)
    ).one_or_none()
    return facts_of(
        context,
        now_s,
        device_id,
        package,
        package_id,
        **common,
        assignment=assignment_of(assigned, _state_of(conn, row.id, assigned.after_package_id)),
        held=held,
        others=others,
        fetches=fetches_of(fetched, package.fragments, _unnamed_fetches(conn, row, assigned)),
        mirror=mirror_for(conn, context.settings, row, package, fetched.mirror if fetched else "", now_s),
        server=server_of(conn, context, row.address or "", now_s),
        is_schedule_to_come=is_to_come(assigned.schedule, now_s),
    )


def facts_of(
    context: DiagnosisContext,
    now_s: float,
    device_id: str,
    package: DiagnosedPackage | None,
    asked_id: str,
    **found: Any,
) -> DiagnosisFacts:
    """With what is the same for all computers. The place where parameters of groups and computers come in."""
    found.setdefault("server", context.server())
    settings = context.settings
    return DiagnosisFacts(
        now_s=now_s,
        device_id=device_id,
        asked_id=asked_id,
        package=package,
        config=settings.download,
        switched_off_by=f"download.on ({settings.origin('download.on')})",
        prolog_freq_h=settings.agents.prolog_freq_h,
        http=context.http,
        **found,
    )


def find_package(conn: Connection, package_id: str) -> DiagnosedPackage | None:
    """A package, also a deleted one; None: there is none."""
    if not package_id:
        return None
    try:
        package = overview.show(conn, package_id)
    except NotFound:
        return None
    query = select(planned_activations.c.not_before_us).where(planned_activations.c.package_id == package_id)
    return package_of(package, seconds(conn.scalar(query)))


def package_of(package: ListedPackage, planned_at_s: float | None = None) -> DiagnosedPackage:
    """Of a package of the catalogue. `planned_at_s`: when it is to be activated."""
    return DiagnosedPackage(
        id=package.id,
        name=package.name,
        os=package.os,
        priority=package.priority,
        fragments=package.fragments,
        size_bytes=package.size_bytes,
        state=package.state,
        superseded_by=package.superseded_by or "",
        info_server=package.info_server or "",
        fragment_server=package.fragment_server or "",
        planned_at_s=planned_at_s,
    )


def computer_of(row: Row[Any], contacts_at_s: Sequence[float] = ()) -> DiagnosedComputer:
    """Of a row of `computers`."""
    return DiagnosedComputer(
        device_id=row.device_id,
        user_agent=row.user_agent or "",
        os_name=row.os_name or "",
        last_contact_at_s=row.last_seen_at_us / 1e6,
        contacts_at_s=tuple(contacts_at_s),
        waiting=row.waiting,
        networks=row.networks,
        free_bytes=row.system_free_bytes,
    )


def assignment_of(row: Row[Any], after_state: str | None = None) -> DiagnosedAssignment:
    """Of a row of `assignments`."""
    return DiagnosedAssignment(
        state=row.state,
        assigned_at_s=row.assigned_at_us / 1e6,
        code=row.result,
        notified_at_s=seconds(row.notified_at_us),
        result_at_s=seconds(row.result_at_us),
        unproven=bool(row.unproven),
        cancelled=row.cancelled_at_us is not None,
        withdrawn=row.withdrawn_at_us is not None,
        schedule=row.schedule,
        postcmd=row.postcmd,
        not_before_s=seconds(row.not_before_us),
        not_after_s=seconds(row.not_after_us),
        after=row.after_package_id or "",
        after_state=after_state,
        later_code=row.later_code,
    )


def fetches_of(row: Row[Any] | None, fragments: int, unnamed: int = 0) -> DiagnosedFetches:
    """Of a row of `progress`, of a package of so many fragments."""
    if row is None:
        return DiagnosedFetches(missing=1 if fragments else None, unnamed=unnamed)
    first, _, rest = row.ranges.partition(",")
    start, _, end = first.partition("-")
    missing = int(end or start) + 1 if start == "1" else 1
    return DiagnosedFetches(
        count=row.fragments,
        missing=None if not rest and missing > fragments else missing,
        last_at_s=row.last_at_us / 1e6,
        mirror=row.mirror,
        repeated=row.repeated,
        unnamed=unnamed,
    )


def held_and_others(
    state: ComputerState, package_id: str, settings: Settings, now_s: float
) -> tuple[HoldReason | None, tuple[tuple[str, int], ...]]:
    """What keeps the package from being listed, and the other packages (id, priority) that it has to do with: those
    that the agent was notified of, else those that wait before it."""
    agent = agent_of(state, now_s, trust_history=settings.agents.trust_history)
    held = held_back(state.open, agent, settings.download)
    reason = next((held[each.id] for each in state.open if each.package_id == package_id and each.id in held), None)
    rivals = [each for each in state.open if each.package_id != package_id]
    others = [each for each in rivals if each.notified]
    if reason is HoldReason.PRIORITY_ZERO and not others:
        others = [each for each in rivals if each.id not in held]
    return reason, tuple((each.package_id, each.priority) for each in others)


def server_of(conn: Connection, context: DiagnosisContext, address: str, now_s: float) -> DiagnosedServer:
    """How an agent at this address reaches this server."""
    rules = bandwidth.parse(context.settings.bandwidth.rules, "bandwidth.rules")
    sharing = count_downloading(conn) if rules else 0
    return context.server(line_rate(rules, address, sharing, now_s))


def line_rate(rules: Iterable[bandwidth.Rule], address: str, sharing: int, now_s: float) -> float | None:
    """Bytes a second that the rules leave to an address now, where `sharing` computers fetch; None: no rule holds."""
    now = datetime.fromtimestamp(now_s, UTC).astimezone()
    minute = now.hour * 60 + now.minute
    applying = [rule for rule in rules if rule.covers(address) and rule.applies(now.weekday(), minute)]
    return min((rule.bytes_per_s / (1 if rule.each else max(sharing, 1)) for rule in applying), default=None)


def is_to_come(schedule: str, now_s: float) -> bool:
    """Whether the time of a Windows agent's `schedule` is later than now; its local time is taken for ours."""
    if not schedule:
        return False
    return datetime.strptime(schedule, SCHEDULE_FORMAT).astimezone().timestamp() > now_s


def count_downloading(conn: Connection) -> int:
    """Computers that fetch fragments now, of all packages."""
    query = select(func.sum(schema.counters.c.computers)).where(schema.counters.c.state == str(Outcome.DOWNLOADING))
    return int(conn.scalar(query) or 0)


def refusals_since(conn: Connection, seq: int, limit: int) -> dict[int, Refusal]:
    """The newest refused contact of each computer, of the newest `limit` of all after the event `seq`."""
    query = select(events).where(events.c.kind == str(Kind.CONTACT_REFUSED), events.c.seq > seq)
    found: dict[int, Refusal] = {}
    for row in conn.execute(query.order_by(events.c.seq.desc()).limit(limit)):
        refusal = _refusal([row])
        if refusal is not None and row.computer_id is not None:
            found.setdefault(row.computer_id, refusal)
    return found


def _refusal(log: Iterable[Row[Any]]) -> Refusal | None:
    for row in log:
        kind = REFUSALS.get(row.detail.get("why")) if row.kind == Kind.CONTACT_REFUSED else None
        if kind is not None:
            return Refusal(kind=kind, at_s=row.at_us / 1e6, address=row.detail.get("address", ""))
    return None


def _log_of(conn: Connection, computer_id: int) -> Sequence[Row[Any]]:
    """The newest events of a computer, the newest first."""
    query = select(events).where(events.c.computer_id == computer_id)
    return conn.execute(query.order_by(events.c.seq.desc()).limit(MAX_EVENTS)).all()


def _of_nobody(conn: Connection, device_id: str) -> list[Row[Any]]:
    """Contacts that were refused before there was such a computer."""
    query = select(events).where(events.c.kind == str(Kind.CONTACT_REFUSED), events.c.computer_id.is_(None))
    query = query.where(events.c.seq > event_log.newest(conn) - NEWEST)
    rows = conn.execute(query.order_by(events.c.seq.desc()).limit(MAX_EVENTS))
    return [row for row in rows if row.detail.get("device_id") == device_id]


def _latest(conn: Connection, computer_id: int, package_id: str) -> Row[Any] | None:
    mine = (assignments.c.computer_id == computer_id, assignments.c.package_id == package_id)
    return conn.execute(select(assignments).where(*mine, is_latest())).one_or_none()


def _state_of(conn: Connection, computer_id: int, package_id: str | None) -> str | None:
    """Of the package that another waits for."""
    if package_id is None:
        return None
    row = _latest(conn, computer_id, package_id)
    return None if row is None else str(row.state)


def _unnamed_fetches(conn: Connection, computer: Row[Any], assigned: Row[Any]) -> int:
    """How many fragments were sent to the computer's address without its name."""
    since_us = assigned.notified_at_us or micros(0)
    query = select(events).where(events.c.package_id == assigned.package_id, events.c.at_us >= since_us)
    nameless = query.where(events.c.kind == str(Kind.FRAGMENTS_FETCHED), events.c.computer_id.is_(None))
    unnamed = 0
    for row in conn.execute(nameless.order_by(events.c.seq.desc()).limit(MAX_EVENTS)):
        if computer.address and row.detail.get("address") == computer.address:
            unnamed += len(number_ranges.parse(row.detail["numbers"], MAX_NUMBERS))
    return unnamed
