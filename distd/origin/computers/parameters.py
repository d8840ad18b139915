"""Parameters of the site, of groups and of computers: show them, set them, say what setting them would change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from distd.catalogue import dialect, event_log
from distd.catalogue.access_schema import parameters
from distd.catalogue.groups_schema import group_members, groups
from distd.catalogue.schema import computers
from distd.domain.errors import NotFound
from distd.domain.parameters import (
    NOTHING,
    PARAMETERS,
    Effective,  # noqa: TC001 - the API looks at the fields
    Level,
    Own,
    effective,
    typed,
)
from distd.origin.agents import agent_parameters
from distd.origin.deployments.named_computers import find_computers
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.parameters import Number
    from distd.domain.settings import Settings

SITE_ID: Final = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose parameters: `name` is a group's, or the DEVICEID of a computer; "": the site's."""

    level: Level
    name: str = ""


@dataclass(frozen=True, slots=True)
class ValueChange:
    """So many computers get another value of a parameter; each value with where it comes from."""

    parameter: str
    before: Effective
    after: Effective
    computers: int


SITE: Final = Subject(Level.SITE)


def show(conn: Connection, actor: Actor, settings: Settings, subject: Subject) -> dict[str, Effective]:
    """The parameters that hold, by their names. Of a group: with its own alone, whatever other groups its members are
    in. Raises `NotFound`."""
    subject_id = _find(conn, actor, subject)
    site, own = agent_parameters.read(conn, [subject_id] if subject.level is Level.COMPUTER else [])
    if subject.level is Level.GROUP:
        of_group = _stored(conn, subject.level, [subject_id]).get(subject_id, {})
        return effective(settings, site, Own({subject.name: of_group}, {}))
    return effective(settings, site, own.get(subject_id, NOTHING))


def set_values(
    conn: Connection, actor: Actor, subject: Subject, values: Mapping[str, Number | None], now_s: float
) -> None:
    """Set parameters; None: from now on inherited. Those that are not named stay. Raises `NotFound`."""
    told = {"group": subject.name} if subject.level is Level.GROUP else {}
    notes = _set(conn, subject.level, [_find(conn, actor, subject)], values)
    _note(conn, actor, [(subject_id, detail | told) for subject_id, detail in notes], now_s)


def set_of_computers(
    conn: Connection, actor: Actor, device_ids: Sequence[str], values: Mapping[str, Number | None], now_s: float
) -> None:
    """Set the same parameters of each of these computers; see `set_values`. Raises `NotFound`."""
    ids = [row.id for row in find_computers(conn, device_ids, actor).values()]
    for some in dialect.chunks(ids):
        _note(conn, actor, _set(conn, Level.COMPUTER, some, values), now_s)


def foresee(
    conn: Connection, actor: Actor, settings: Settings, subject: Subject, values: Mapping[str, Number | None]
) -> list[ValueChange]:
    """What `set_values` would change: how many computers would get which other values. Raises `NotFound`."""
    subject_id = _find(conn, actor, subject)
    return _foresee(conn, settings, subject, _reached(conn, subject, subject_id), values)


def foresee_of_computers(
    conn: Connection,
    actor: Actor,
    settings: Settings,
    device_ids: Sequence[str],
    values: Mapping[str, Number | None],
) -> list[ValueChange]:
    """What `set_of_computers` would change; what most would get first. Raises `NotFound`."""
    ids = [row.id for row in find_computers(conn, device_ids, actor).values()]
    return _foresee(conn, settings, Subject(Level.COMPUTER), ids, values)


def _foresee(
    conn: Connection,
    settings: Settings,
    subject: Subject,
    computer_ids: Sequence[int],
    values: Mapping[str, Number | None],
) -> list[ValueChange]:
    found: Counter[tuple[str, Effective, Effective]] = Counter()
    for count, site, own in _alike(conn, computer_ids):
        old = effective(settings, site, own)
        new = effective(settings, *_changed(site, own, subject, values))
        for name in PARAMETERS:
            if old[name].value != new[name].value:
                found[name, old[name], new[name]] += count
    return [ValueChange(*key, count) for key, count in found.most_common()]


def forget(conn: Connection, level: Level, subject_ids: Collection[int]) -> None:
    """Of computers, or groups, that are deleted."""
    where = (parameters.c.level == str(level), parameters.c.subject_id.in_(subject_ids))
    conn.execute(delete(parameters).where(*where))


def _set(
    conn: Connection, level: Level, subject_ids: Sequence[int], values: Mapping[str, Number | None]
) -> list[tuple[int, dict[str, Any]]]:
    """Gives those whose own have changed, and how. At most as many as one statement takes."""
    before = _stored(conn, level, subject_ids)
    gone = [name for name, value in values.items() if value is None]
    where = (parameters.c.level == str(level), parameters.c.subject_id.in_(subject_ids))
    conn.execute(delete(parameters).where(*where, parameters.c.name.in_(gone)))
    rows, notes = [], []
    for subject_id in subject_ids:
        known = before.get(subject_id, {})
        changed = {name: value for name, value in values.items() if known.get(name) != value}
        key = {"level": str(level), "subject_id": subject_id}
        rows += [{**key, "name": name, "value": value} for name, value in changed.items() if value is not None]
        if changed:
            detail: dict[str, Any] = {
                "level": str(level),
                "before": {name: _typed(name, known.get(name)) for name in changed},
                "after": {name: _typed(name, value) for name, value in changed.items()},
            }
            notes.append((subject_id, detail))
    dialect.upsert(conn, parameters, rows)
    return notes


def _note(conn: Connection, actor: Actor, changes: Sequence[tuple[int, dict[str, Any]]], now_s: float) -> None:
    notes = []
    for subject_id, detail in changes:
        computer_id = subject_id if detail["level"] == str(Level.COMPUTER) else None
        notes.append(event_log.Note(event_log.Kind.PARAMETERS_SET, actor, now_s, None, computer_id, detail))
    event_log.append_many(conn, notes)


def _reached(conn: Connection, subject: Subject, subject_id: int) -> list[int]:
    """Ids of the computers that the subject's parameters reach."""
    query = select(computers.c.id)
    match subject.level:
        case Level.GROUP:
            query = select(group_members.c.computer_id).where(group_members.c.group_id == subject_id)
        case Level.COMPUTER:
            query = query.where(computers.c.id == subject_id)
    return list(conn.scalars(query))


def _alike(conn: Connection, computer_ids: Sequence[int]) -> Iterator[tuple[int, dict[str, Number], Own]]:
    """How many of these computers have the same of their own."""
    site, _ = agent_parameters.read(conn, [])
    alike: Counter[tuple[object, ...]] = Counter()
    kinds: dict[tuple[object, ...], Own] = {}
    for some in dialect.chunks(computer_ids):
        _, found = agent_parameters.read(conn, some)
        for computer_id in some:
            own = found.get(computer_id, NOTHING)
            key: tuple[object, ...] = (tuple(sorted(own.groups)), tuple(sorted(own.computer.items())))
            kinds[key] = own
            alike[key] += 1
    for alike_key, count in alike.items():
        yield count, site, kinds[alike_key]


def _changed(
    site: Mapping[str, Number], own: Own, subject: Subject, values: Mapping[str, Number | None]
) -> tuple[dict[str, Number], Own]:
    match subject.level:
        case Level.SITE:
            return _merged(site, values), own
        case Level.GROUP:
            mine = _merged(own.groups.get(subject.name, {}), values)
            return dict(site), Own({**own.groups, subject.name: mine}, own.computer)
        case Level.COMPUTER:
            return dict(site), Own(own.groups, _merged(own.computer, values))


def _merged(known: Mapping[str, Number], values: Mapping[str, Number | None]) -> dict[str, Number]:
    return {name: value for name, value in {**known, **values}.items() if value is not None}


def _stored(conn: Connection, level: Level, subject_ids: Sequence[int]) -> dict[int, dict[str, Number]]:
    query = select(parameters.c.subject_id, parameters.c.name, parameters.c.value)
    rows = conn.execute(query.where(parameters.c.level == str(level), parameters.c.subject_id.in_(subject_ids)))
    found: dict[int, dict[str, Number]] = {}
    for subject_id, name, value in rows:
        if name in PARAMETERS:
            found.setdefault(subject_id, {})[name] = value
    return found


def _find(conn: Connection, actor: Actor, subject: Subject) -> int:
    match subject.level:
        case Level.SITE:
            return SITE_ID
        case Level.GROUP:
            found = conn.scalar(select(groups.c.id).where(groups.c.name == subject.name))
            wanted = NotFound("group", "the name of a group", subject.name)
        case Level.COMPUTER:
            seen = visible(conn, actor)
            found = conn.scalar(select(computers.c.id).where(computers.c.device_id == subject.name, seen))
            wanted = NotFound("device_id", "the DEVICEID of a computer", subject.name)
    if found is None:
        raise wanted
    return int(found)


def _typed(name: str, value: Number | None) -> bool | int | None:
    return None if value is None else typed(name, value)
