"""`distd why`: the causes for a computer and a package, for a computer, and for all computers of a package."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from distd.catalogue import dialect, event_log
from distd.catalogue.mirrors_schema import mirrors
from distd.catalogue.schema import assignments, computers, progress
from distd.domain import bandwidth
from distd.domain.actor import SYSTEM
from distd.domain.diagnosis.causes import CauseKind, Fact  # noqa: TC001 - answers have it
from distd.domain.diagnosis.judging import diagnose, first_cause, kind_of_code
from distd.domain.diagnosis.wording import DIAGNOSIS_LANGUAGES
from distd.domain.errors import NotFound
from distd.domain.results import OPEN, Outcome
from distd.origin.agents import open_assignments
from distd.origin.deployments import diagnosed_rollouts
from distd.origin.deployments import diagnosis_facts as reading
from distd.origin.deployments.diagnosed_mirrors import read_mirrors
from distd.origin.operators.restrictions import is_restricted, visible
from distd.origin.packages.counters import (
    count_anew,
    count_kept,
    is_latest,
    progress_of_assignment,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.diagnosis.causes import Cause
    from distd.domain.diagnosis.facts import DiagnosedMirror, DiagnosedPackage, Refusal
    from distd.origin.agents.batch import ComputerState
    from distd.origin.deployments.diagnosis_facts import DiagnosisContext
    from distd.origin.packages.counters import Position

MAX_PACKAGES: Final = 50  # of one computer
MAX_JUDGED: Final = 20_000  # computers of one package; the others are told as not looked at
MAX_REFUSALS: Final = 10_000
NAMED: Final = 3  # computers of a group
AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class ToldCause:
    """A cause in a language: its `kind`, the package ("": it is of the computer alone), what is the case, what to do
    ("": nothing), and the facts, each with its unit in its name (`_at_s`: a time)."""

    kind: str
    package_id: str
    sentence: str
    advice: str
    facts: dict[str, Fact]


@dataclass(frozen=True, slots=True)
class CauseGroup:
    """Computers with the same first cause. `sentence`: "4 with a full disk"; `examples`: some of their DEVICEIDs, none
    where they have ended."""

    kind: str
    computers: int
    sentence: str
    examples: list[str]


def why(
    conn: Connection,
    context: DiagnosisContext,
    device_id: str,
    package_id: str | None,
    now_s: float,
    reader: Actor = SYSTEM,
) -> list[Cause]:
    """The causes, the most likely first. Without a package: of each one that has no result yet on this computer, or
    has failed, or that a roll-out is to give it, the first cause. An unknown computer or package is a cause, too.

    Raises `NotFound` where `reader` does not see all computers, and not this one, whether it is there or not.
    """
    if is_restricted(conn, reader):
        query = select(computers.c.id).where(computers.c.device_id == device_id, visible(conn, reader))
        if conn.scalar(query) is None:
            raise NotFound("device_id", "the DEVICEID of a computer", device_id)
    if package_id is not None:
        return diagnose(reading.read_facts(conn, context, device_id, package_id, now_s))
    found = []
    for each in _troubled(conn, device_id):
        found += diagnose(reading.read_facts(conn, context, device_id, each, now_s))[:1]
    return found or diagnose(reading.read_facts(conn, context, device_id, "", now_s))


def tell(causes: Iterable[Cause], language: str) -> list[ToldCause]:
    """In one of `DIAGNOSIS_LANGUAGES`; only the facts that are known."""
    words = DIAGNOSIS_LANGUAGES[language]
    return [
        ToldCause(
            str(cause.kind),
            cause.package_id,
            words.sentence(cause),
            words.advice(cause),
            {name: value for name, value in cause.facts.items() if value is not None},
        )
        for cause in causes
    ]


def _troubled(conn: Connection, device_id: str) -> list[str]:
    computer_id = conn.scalar(select(computers.c.id).where(computers.c.device_id == device_id))
    if computer_id is None:
        return []
    states = [str(state) for state in (*OPEN, Outcome.FAILED)]
    query = select(assignments.c.package_id).where(
        assignments.c.computer_id == computer_id, is_latest(), assignments.c.state.in_(states)
    )
    found = list(conn.scalars(query.order_by(assignments.c.id.desc()).limit(MAX_PACKAGES)))
    waiting = diagnosed_rollouts.find_packages(conn, computer_id, MAX_PACKAGES)
    return list(dict.fromkeys((*found, *waiting)))[:MAX_PACKAGES]


def group_by_cause(
    conn: Connection,
    context: DiagnosisContext,
    package_id: str,
    now_s: float,
    language: str,
    at_most: int = MAX_JUDGED,
    reader: Actor = SYSTEM,
) -> list[CauseGroup]:
    """All computers of a package that `reader` may see by their first causes, the largest group first; those that have
    ended by their results, cancelled ones too. Of those without a result `at_most` are looked at. Raises
    `NotFound`."""
    package = reading.find_package(conn, package_id)
    if package is None:
        raise NotFound("package", "the id of a package", package_id)
    positions = _count(conn, package_id, reader)
    counted, examples = _ended(positions), dict[CauseKind, list[str]]()
    rows = _open_rows(conn, package_id, at_most, reader)
    for device_id, kind in _judge(conn, context, package, rows, now_s):
        counted[kind] += 1
        examples.setdefault(kind, []).append(device_id)
    beyond = sum(count for at, count in positions.items() if at.state in OPEN) - len(rows)
    counted[CauseKind.NOT_JUDGED] += max(beyond, 0)
    words = DIAGNOSIS_LANGUAGES[language]
    return [
        CauseGroup(str(kind), count, words.group(kind, count), examples.get(kind, [])[:NAMED])
        for kind, count in counted.most_common()
        if count
    ]


def _count(conn: Connection, package_id: str, reader: Actor) -> Mapping[Position, int]:
    """How many computers that `reader` may see are where with the package."""
    if is_restricted(conn, reader):
        mine = select(computers.c.id).where(visible(conn, reader)).correlate(None)
        return count_anew(conn, [package_id], mine)
    return count_kept(conn, [package_id])


def _ended(positions: Mapping[Position, int]) -> Counter[CauseKind]:
    found: Counter[CauseKind] = Counter()
    for at, count in positions.items():
        if at.state in OPEN:
            continue
        kind = CauseKind.UNPROVEN if at.unproven else kind_of_code(at.code)
        found[CauseKind.ARCHIVED if at.state == Outcome.ARCHIVED else kind] += count
    return found


_COMPUTER: Final = ("device_id", "user_agent", "address", "os_name", "last_seen_at_us", "waiting", "networks")


def _open_rows(conn: Connection, package_id: str, at_most: int, reader: Actor) -> Sequence[Row[Any]]:
    """Those without a result that `reader` may see, with their computers and what these have fetched."""
    columns = [computers.c[name] for name in (*_COMPUTER, "system_free_bytes")]
    fetched = [progress.c[name] for name in ("fragments", "ranges", "mirror", "last_at_us", "repeated")]
    query = (
        select(assignments, *columns, *fetched)
        .join(computers, computers.c.id == assignments.c.computer_id)
        .outerjoin(progress, progress_of_assignment())
        .where(assignments.c.package_id == package_id, assignments.c.result.is_(None), visible(conn, reader))
    )
    return conn.execute(query.order_by(assignments.c.id).limit(at_most)).all()


def _judge(
    conn: Connection, context: DiagnosisContext, package: DiagnosedPackage, rows: Sequence[Row[Any]], now_s: float
) -> Iterable[tuple[str, CauseKind]]:
    """The DEVICEID and the first cause of each; few statements for many computers."""
    rules = bandwidth.parse(context.settings.bandwidth.rules, "bandwidth.rules")
    oldest = event_log.newest(conn) - reading.NEWEST
    known = _Known(
        context,
        package,
        now_s,
        refusals=reading.refusals_since(conn, oldest, MAX_REFUSALS),
        mirrors=read_mirrors(conn, package.id, conn.execute(select(mirrors)).all(), now_s),
        rules=rules,
        sharing=reading.count_downloading(conn) if rules else 0,
    )
    for some in dialect.chunks(rows, AT_ONCE):
        states = open_assignments.read_computers(conn, [row.device_id for row in some if _has_to_do(row)])
        after_states = _after_states(conn, some)
        for row in some:
            yield row.device_id, known.first_cause(row, states.get(row.device_id), after_states.get(row.computer_id))


def _has_to_do(row: Row[Any]) -> bool:
    """Whether its other packages matter: it was notified of this one, or has made a contact since."""
    return row.notified_at_us is not None or row.last_seen_at_us >= row.assigned_at_us


def _after_states(conn: Connection, rows: Sequence[Row[Any]]) -> dict[int, str]:
    """By computers, the state of the package that this one waits for."""
    pairs = [(row.computer_id, row.after_package_id) for row in rows if row.after_package_id is not None]
    found: dict[int, str] = {}
    query = select(assignments.c.computer_id, assignments.c.state).where(is_latest())
    for some in dialect.chunks(pairs, dialect.MAX_PAIRS):
        of_these = dialect.are_pairs(assignments.c.computer_id, assignments.c.package_id, some)
        found |= {row.computer_id: row.state for row in conn.execute(query.where(of_these))}
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What is the same for all computers of a package."""

    context: DiagnosisContext
    package: DiagnosedPackage
    now_s: float
    refusals: Mapping[int, Refusal]
    mirrors: Mapping[str, DiagnosedMirror]
    rules: Sequence[bandwidth.Rule]
    sharing: int

    def first_cause(self, row: Row[Any], state: ComputerState | None, after_state: str | None) -> CauseKind:
        """Of the computer in this row. `state`: what it has to do, None: it has made no contact since."""
        context, package, now_s = self.context, self.package, self.now_s
        found: dict[str, Any] = {}
        if state is not None:
            held, others = reading.held_and_others(state, package.id, context.settings, now_s)
            found = {"held": held, "others": others}
        refusal = self.refusals.get(row.computer_id)
        if refusal is not None and refusal.at_s * 1e6 > row.last_seen_at_us:
            found["refusal"] = refusal
        rate = reading.line_rate(self.rules, row.address or "", self.sharing, now_s)
        facts = reading.facts_of(
            context,
            now_s,
            row.device_id,
            package,
            package.id,
            computer=reading.computer_of(row),
            assignment=reading.assignment_of(row, after_state),
            fetches=reading.fetches_of(row if row.fragments is not None else None, package.fragments),
            mirror=self.mirrors.get(row.mirror or ""),
            server=context.server(rate),
            is_schedule_to_come=reading.is_to_come(row.schedule, now_s),
            **found,
        )
        return first_cause(facts).kind
