"""The computers of a roll-out: who they are, in which wave, where they are with the package."""

from __future__ import annotations

from collections import Counter, defaultdict
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, exists, false, func, insert, literal, select, update

from distd.catalogue import dialect
from distd.catalogue.groups_schema import group_members, groups
from distd.catalogue.lists import matches
from distd.catalogue.rollouts_schema import rollout_members as members
from distd.catalogue.schema import assignments, computers, counters, micros, progress
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import BadInput, NotFound
from distd.domain.filters.parse import parse
from distd.domain.folding import fold
from distd.domain.results import OPEN, CodeClass, Outcome, class_of
from distd.domain.rollout_plan import WaveBy, split, wave_to_join
from distd.domain.rollout_state import WaveFacts
from distd.origin.computers.search import Search, find_ids
from distd.origin.packages.counters import is_latest, progress_of_assignment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select, Table

    from distd.domain.assignment_terms import AssignmentOrigin
    from distd.domain.rollout_plan import RolloutPlan, WavePlan
    from distd.origin.deployments.rollout_record import RunningRollout

RETRIED: Final = (CodeClass.ERROR, CodeClass.TOO_LATE)  # what another attempt may help against
DEPLOYED: Final = (CodeClass.SUCCESS, CodeClass.ALREADY_THERE)


def find_matching(conn: Connection, who: AssignmentOrigin, now_s: float) -> list[int]:
    """The ids of the computers that `who` stands for: a filter (empty: all), a group, a tag. Raises `BadInput`."""
    found = _CHOICES.get(who.kind)
    if found is None:
        raise BadInput("who", f"one of {', '.join(_CHOICES)}", who.kind)
    return found(conn, who.name, now_s)


def _of_filter(conn: Connection, text: str, now_s: float) -> list[int]:
    return find_ids(conn, Search(now_s, parse(text) if text.strip() else None))


def _of_group(conn: Connection, name: str, now_s: float) -> list[int]:
    del now_s
    group_id = conn.scalar(select(groups.c.id).where(groups.c.name_key == fold(name)))
    if group_id is None:
        raise NotFound("group", "the name of a group", name)
    query = select(group_members.c.computer_id).where(group_members.c.group_id == group_id)
    return list(conn.scalars(query.order_by(group_members.c.computer_id)))


def _with_tag(conn: Connection, pattern: str, now_s: float) -> list[int]:
    del now_s
    return list(conn.scalars(select(computers.c.id).where(matches(computers.c.tag, pattern)).order_by(computers.c.id)))


_CHOICES: Final[Mapping[OriginKind, Callable[[Connection, str, float], list[int]]]] = {
    OriginKind.FILTER: _of_filter,
    OriginKind.GROUP: _of_group,
    OriginKind.TAG: _with_tag,
}


def choose(conn: Connection, rollout_id: int, plan: RolloutPlan, who: AssignmentOrigin, now_s: float) -> int:
    """Give a roll-out that is not started its computers, each its wave, and no others. Gives how many match and are in
    no wave. They are taken in an order without meaning, so that a wave by number or share is a sample of all."""
    ids = sorted(find_matching(conn, who, now_s), key=lambda each: _place(rollout_id, each))
    matched = _matches_of_waves(conn, plan.waves, now_s)
    found = split(plan.waves, [matched[computer_id] for computer_id in ids])
    wanted = {each: wave for each, wave in zip(ids, found, strict=True) if wave is not None}
    query = select(members.c.computer_id, members.c.wave).where(members.c.rollout_id == rollout_id)
    known = {row.computer_id: row.wave for row in conn.execute(query)}
    for gone in dialect.chunks([each for each, wave in known.items() if wanted.get(each) != wave]):
        mine = members.c.rollout_id == rollout_id, members.c.computer_id.in_(gone)
        conn.execute(delete(members).where(*mine))
    _add(conn, rollout_id, {each: wave for each, wave in wanted.items() if known.get(each) != wave})
    return found.count(None)


def find_new(
    conn: Connection, rollout_id: int, plan: RolloutPlan, who: AssignmentOrigin, opened: int, now_s: float
) -> dict[int, int]:
    """The computers that match now, are not in it yet, and that a wave takes: each with its wave."""
    known = set(conn.scalars(select(members.c.computer_id).where(members.c.rollout_id == rollout_id)))
    new = [each for each in find_matching(conn, who, now_s) if each not in known]
    if not new:
        return {}
    matched = _matches_of_waves(conn, plan.waves, now_s)
    waves = {each: wave_to_join(plan.waves, opened, matched[each]) for each in new}
    return {each: wave for each, wave in waves.items() if wave is not None}


def add_new(conn: Connection, rollout_id: int, waves: Mapping[int, int]) -> dict[int, int]:
    """Give it these computers, each its wave, as far as they are still there and not in it; gives those."""
    added: dict[int, int] = {}
    for ids in dialect.chunks(list(waves)):
        there = set(conn.scalars(select(computers.c.id).where(computers.c.id.in_(ids))))
        mine = members.c.rollout_id == rollout_id, members.c.computer_id.in_(ids)
        there -= set(conn.scalars(select(members.c.computer_id).where(*mine)))
        added |= {each: waves[each] for each in sorted(there)}
    _add(conn, rollout_id, added)
    return added


def _matches_of_waves(conn: Connection, waves: Sequence[WavePlan], now_s: float) -> defaultdict[int, set[int]]:
    """By computer the waves by group or filter that it matches."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for place, wave in enumerate(waves):
        if wave.by in (WaveBy.GROUP, WaveBy.FILTER):
            for computer_id in _CHOICES[OriginKind(wave.by.value)](conn, wave.value, now_s):
                found[computer_id].add(place)
    return found


def _place(rollout_id: int, computer_id: int) -> bytes:
    return blake2b(f"{rollout_id}:{computer_id}".encode(), digest_size=8).digest()


def _add(conn: Connection, rollout_id: int, waves: Mapping[int, int]) -> None:
    """In one statement for many computers of a wave: rows one by one take twice as long."""
    names = ["rollout_id", "computer_id", "wave", "passed_over", "retries"]
    by_wave = defaultdict[int, list[int]](list)
    for computer_id, wave in sorted(waves.items()):
        by_wave[wave].append(computer_id)
    for wave, computer_ids in by_wave.items():
        for ids in dialect.chunks(computer_ids):
            row = literal(rollout_id), computers.c.id, literal(wave), false(), literal(0)
            conn.execute(insert(members).from_select(names, select(*row).where(computers.c.id.in_(ids))))


def count(conn: Connection, found: RunningRollout, now_s: float) -> list[WaveFacts]:
    """The numbers of each wave. Computers that were passed over, or whose assignment an operator took back or
    cancelled, count nowhere."""
    plan, mine = found.plan, (members.c.rollout_id == found.id, members.c.passed_over.is_(False))
    last_at_us = func.coalesce(progress.c.last_at_us, assignments.c.notified_at_us, assignments.c.assigned_at_us)
    each = (
        select(
            members.c.wave,
            (members.c.retries < plan.retries).label("can_retry"),
            assignments.c.state,
            assignments.c.result,
            assignments.c.cancelled_at_us.is_not(None).label("cancelled"),
            _is_by(found.origin).label("mine"),
            (last_at_us < micros(now_s - plan.halts.stalled_after_s)).label("late"),
        )
        .select_from(members)
        .join(assignments, _of_member(found.package_id))
        .outerjoin(progress, progress_of_assignment())
        .where(*mine, members.c.assigned_at_us.is_not(None))
        .subquery()
    )
    counted = [Counter[str]() for _ in plan.waves]
    pending = select(members.c.wave, func.count().label("computers")).where(*mine, members.c.assigned_at_us.is_(None))
    for row in conn.execute(pending.group_by(members.c.wave)):
        counted[row.wave]["pending"] = row.computers
    for row in conn.execute(select(*each.c, func.count().label("computers")).group_by(*each.c)):
        for name in _kinds_of(row):
            counted[row.wave][name] += row.computers
    return [WaveFacts(**numbers) for numbers in counted]


def _kinds_of(row: Any) -> list[str]:
    """The numbers of `WaveFacts` that an assignment counts for."""
    if row.state in OPEN:
        is_waiting = row.state == Outcome.WAITING
        late = ["silent" if is_waiting else "stalled"] if row.late else []
        return ["active", *late, *(["recallable"] if is_waiting and row.mine else [])]
    found = class_of(row.result, cancelled=row.cancelled)
    if found in DEPLOYED:
        return ["success"]
    if found is CodeClass.CANCELLED:
        return []
    return ["to_retry" if row.can_retry and found in RETRIED and row.state == Outcome.FAILED else "failed"]


def _of_member(package_id: str) -> Any:
    return and_(assignments.c.computer_id == members.c.computer_id, assignments.c.package_id == package_id, is_latest())


def find_pending(conn: Connection, rollout_id: int, wave: int, limit: int) -> dict[str, int]:
    """Ids by DEVICEID of computers of the wave that are to be assigned the package."""
    query = (
        select(computers.c.device_id, computers.c.id)
        .join(members, members.c.computer_id == computers.c.id)
        .where(members.c.rollout_id == rollout_id, members.c.wave == wave)
        .where(members.c.assigned_at_us.is_(None), members.c.passed_over.is_(False))
    )
    return {row.device_id: row.id for row in conn.execute(query.order_by(computers.c.id).limit(limit))}


def find_waiting(conn: Connection, found: RunningRollout, wave: int | None, limit: int) -> list[Any]:
    """So many assignments, at most, that this roll-out made and no agent was notified of, of the computers of the wave
    or of all: rows of the table, with `device_id` and `retries`."""
    query = _assigned(found, Outcome.WAITING).where(_is_by(found.origin))
    if wave is not None:
        query = query.where(members.c.wave == wave)
    return list(conn.execute(query.limit(limit)))


def has_waiting(rollouts: Table) -> ColumnElement[bool]:
    """Whether roll-outs, rows of this table, may have such assignments: their packages' counters tell most of them."""
    is_counted = counters.c.state == Outcome.WAITING, counters.c.computers > 0
    counted = exists().where(counters.c.package_id == rollouts.c.package_id, *is_counted)
    made = exists().where(
        assignments.c.package_id == rollouts.c.package_id,
        assignments.c.state == Outcome.WAITING,
        assignments.c.origin_kind == OriginKind.ROLLOUT,
        assignments.c.origin_name == rollouts.c.name,
    )
    return and_(counted, made)


def find_to_retry(conn: Connection, found: RunningRollout, wave: int, limit: int) -> list[Any]:
    """So many that failed, at most, and have an attempt left: rows as of `find_waiting`."""
    query = _assigned(found, Outcome.FAILED).where(members.c.wave == wave, members.c.retries < found.plan.retries)
    left = (row for row in _in_pages(conn, query.where(assignments.c.cancelled_at_us.is_(None)), limit))
    return list(islice((row for row in left if class_of(row.result) in RETRIED), limit))


def find_having(conn: Connection, found: RunningRollout) -> list[str]:
    """The DEVICEIDs of those that have the package."""
    query = _assigned(found, Outcome.SUCCESS, Outcome.ARCHIVED)
    return [row.device_id for row in conn.execute(query) if class_of(row.result) in DEPLOYED]


def _assigned(found: RunningRollout, *states: Outcome) -> Select[Any]:
    """The latest assignments in these states of the computers that have it by the roll-out."""
    return (
        select(assignments, computers.c.device_id, members.c.retries)
        .select_from(members)
        .join(assignments, _of_member(found.package_id))
        .join(computers, computers.c.id == members.c.computer_id)
        .where(members.c.rollout_id == found.id, assignments.c.state.in_(states))
        .where(members.c.assigned_at_us.is_not(None), members.c.passed_over.is_(False))
        .order_by(members.c.computer_id)
    )


def _in_pages(conn: Connection, query: Select[Any], size: int) -> Iterator[Any]:
    after = 0
    while rows := conn.execute(query.where(members.c.computer_id > after).limit(size)).all():
        yield from rows
        after = rows[-1].computer_id


def _is_by(origin: AssignmentOrigin) -> ColumnElement[bool]:
    """Whether an assignment was made by this roll-out, and not by another one of the same package."""
    return and_(assignments.c.origin_kind == origin.kind, assignments.c.origin_name == origin.name)


def change(conn: Connection, rollout_id: int, computer_ids: Sequence[int], **values: Any) -> None:
    """Set columns of these members."""
    for ids in dialect.chunks(computer_ids):
        mine = members.c.rollout_id == rollout_id, members.c.computer_id.in_(ids)
        conn.execute(update(members).where(*mine).values(**values))


def begin_anew(conn: Connection, rollout_id: int) -> None:
    """All its computers are to be assigned another package."""
    anew = {"assigned_at_us": None, "retries": 0, "passed_over": False}
    conn.execute(update(members).where(members.c.rollout_id == rollout_id).values(**anew))
