"""Whom a roll-out is for, and in which wave each is.

Choosing among 100,000 computers takes a second, for which no agent is to wait: they are found beside the writer, and
become members in parts. Those of a roll-out that is not started are provisional: they are chosen anew when it starts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, false, insert, literal, select

from distd.catalogue import dialect
from distd.catalogue.groups_schema import group_members, groups
from distd.catalogue.lists import matches
from distd.catalogue.rollouts_schema import rollout_members as members
from distd.catalogue.schema import computers
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import BadInput, NotFound
from distd.domain.filters.parse import parse
from distd.domain.folding import fold
from distd.domain.rollout_plan import WaveBy, split, wave_to_join
from distd.domain.rollout_state import Phase
from distd.origin.computers.search import Search, find_ids
from distd.origin.deployments.rollout_rows import find_row, load, touch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from distd.domain.assignment_terms import AssignmentOrigin
    from distd.domain.rollout_plan import RolloutPlan, WavePlan

MAX_PART: Final = 5000  # computers that become members in one transaction


@dataclass(frozen=True, slots=True)
class RolloutChoice:
    """The wave of each computer, by its id. `left_out`: how many match, and are in no wave."""

    waves: Mapping[int, int]
    left_out: int


@dataclass(frozen=True, slots=True)
class MembersPart:
    """A part of what makes a choice the members: ids that are none, or in another wave, and the waves of new ones."""

    gone: Sequence[int]
    waves: Mapping[int, int]


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


def choose(conn: Connection, name: str, plan: RolloutPlan, who: AssignmentOrigin, now_s: float) -> RolloutChoice:
    """The computers of a roll-out of this name. They are taken in an order without meaning, so that a wave by number or
    share is a sample of all, and the same one each time. Only reads. Raises `BadInput`, `NotFound`."""
    ids = sorted(find_matching(conn, who, now_s), key=lambda each: _place(name, each))
    matched = _matches_of_waves(conn, plan.waves, now_s)
    found = split(plan.waves, [matched.get(computer_id, ()) for computer_id in ids])
    waves = {each: wave for each, wave in zip(ids, found, strict=True) if wave is not None}
    return RolloutChoice(waves, len(ids) - len(waves))


def choose_anew(conn: Connection, name: str, now_s: float) -> RolloutChoice | None:
    """Those of a roll-out that is to be started; None: it was. Only reads. Raises `NotFound`, `BadInput`."""
    found = load(conn, find_row(conn, name))
    is_draft = found.state.phase is Phase.DRAFT
    return choose(conn, found.name, found.plan, found.who, now_s) if is_draft else None


def find_parts(conn: Connection, name: str, choice: RolloutChoice) -> tuple[int, list[MembersPart]]:
    """The revision of a roll-out, and what makes the choice its members, part by part for `take_part`; nothing, if it
    was started. Only reads. Raises `NotFound`."""
    row = find_row(conn, name)
    return row.revision, changes(conn, row.id, choice) if row.phase == Phase.DRAFT else []


def take_part(conn: Connection, name: str, part: MembersPart, revision: int) -> int | None:
    """Change the members so, if the roll-out has that revision and was not started; gives the one that it has then.
    None: it has another one, and nothing is changed. Raises `NotFound`."""
    row = find_row(conn, name)
    if row.revision != revision or row.phase != Phase.DRAFT:
        return None
    put(conn, row.id, part)
    touch(conn, row.id)
    return revision + 1


def changes(conn: Connection, rollout_id: int, choice: RolloutChoice) -> list[MembersPart]:
    """What is to be changed for them to be the members, and nobody else. Only reads."""
    query = select(members.c.computer_id, members.c.wave).where(members.c.rollout_id == rollout_id)
    known = {row.computer_id: row.wave for row in conn.execute(query)}
    gone = [each for each, wave in known.items() if choice.waves.get(each) != wave]
    return [
        *(MembersPart(some, {}) for some in _in_parts(gone)),
        *parts_of({each: wave for each, wave in choice.waves.items() if known.get(each) != wave}),
    ]


def parts_of(waves: Mapping[int, int]) -> list[MembersPart]:
    """Of new ones."""
    return [MembersPart((), {each: waves[each] for each in some}) for some in _in_parts(sorted(waves))]


def _in_parts(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + MAX_PART] for start in range(0, len(ids), MAX_PART)]


def put(conn: Connection, rollout_id: int, part: MembersPart) -> None:
    """Change the members so."""
    for ids in dialect.chunks(part.gone):
        mine = members.c.rollout_id == rollout_id, members.c.computer_id.in_(ids)
        conn.execute(delete(members).where(*mine))
    _add(conn, rollout_id, part.waves)


def find_new(
    conn: Connection, rollout_id: int, plan: RolloutPlan, who: AssignmentOrigin, opened: int, now_s: float
) -> dict[int, int]:
    """The computers that match now, are not in it yet, and that a wave takes: each with its wave."""
    known = set(conn.scalars(select(members.c.computer_id).where(members.c.rollout_id == rollout_id)))
    new = [each for each in find_matching(conn, who, now_s) if each not in known]
    if not new:
        return {}
    matched = _matches_of_waves(conn, plan.waves, now_s)
    waves = {each: wave_to_join(plan.waves, opened, matched.get(each, ())) for each in new}
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


def _matches_of_waves(conn: Connection, waves: Sequence[WavePlan], now_s: float) -> dict[int, set[int]]:
    """By computer the waves by group or filter that it matches."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for place, wave in enumerate(waves):
        if wave.by in (WaveBy.GROUP, WaveBy.FILTER):
            for computer_id in _CHOICES[OriginKind(wave.by.value)](conn, wave.value, now_s):
                found[computer_id].add(place)
    return found


def _place(name: str, computer_id: int) -> bytes:
    return blake2b(f"{fold(name)}:{computer_id}".encode(), digest_size=8).digest()


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
