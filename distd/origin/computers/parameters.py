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
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

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
        return effective(settings, site, Own({subject.name: _stored(conn, subject.level, subject_id)}, {}))
    return effective(settings, site, own.get(subject_id, NOTHING))


def set_values(
    conn: Connection, actor: Actor, subject: Subject, values: Mapping[str, Number | None], now_s: float
) -> None:
    """Set parameters; None: from now on inherited. Those that are not named stay. Raises `NotFound`."""
    subject_id = _find(conn, actor, subject)
    before = _stored(conn, subject.level, subject_id)
    changed = {name: value for name, value in values.items() if before.get(name) != value}
    if not changed:
        return
    gone = [name for name, value in changed.items() if value is None]
    where = (parameters.c.level == str(subject.level), parameters.c.subject_id == subject_id)
    conn.execute(delete(parameters).where(*where, parameters.c.name.in_(gone)))
    key = {"level": str(subject.level), "subject_id": subject_id}
    rows = [{**key, "name": name, "value": value} for name, value in changed.items() if value is not None]
    dialect.upsert(conn, parameters, rows)
    detail: dict[str, Any] = {
        "level": str(subject.level),
        "before": {name: _typed(name, before.get(name)) for name in changed},
    }
    detail["after"] = {name: _typed(name, value) for name, value in changed.items()}
    if subject.level is Level.GROUP:
        detail["group"] = subject.name
    computer_id = subject_id if subject.level is Level.COMPUTER else None
    kind = event_log.Kind.PARAMETERS_SET
    event_log.append(conn, kind, actor, at_s=now_s, computer_id=computer_id, **detail)


def foresee(
    conn: Connection, actor: Actor, settings: Settings, subject: Subject, values: Mapping[str, Number | None]
) -> list[ValueChange]:
    """What `set_values` would change: how many computers would get which other values. Raises `NotFound`."""
    subject_id = _find(conn, actor, subject)
    found: Counter[tuple[str, Effective, Effective]] = Counter()
    for count, site, own in _computers(conn, subject, subject_id):
        old = effective(settings, site, own)
        new = effective(settings, *_changed(site, own, subject, values))
        for name in PARAMETERS:
            if old[name].value != new[name].value:
                found[name, old[name], new[name]] += count
    return [ValueChange(*key, count) for key, count in found.items()]


def forget(conn: Connection, level: Level, subject_ids: Collection[int]) -> None:
    """Of computers, or groups, that are deleted."""
    where = (parameters.c.level == str(level), parameters.c.subject_id.in_(subject_ids))
    conn.execute(delete(parameters).where(*where))


def _computers(conn: Connection, subject: Subject, subject_id: int) -> Iterator[tuple[int, dict[str, Number], Own]]:
    """How many computers have the same of their own, among those that the subject's parameters reach."""
    query = select(computers.c.id)
    match subject.level:
        case Level.GROUP:
            query = select(group_members.c.computer_id).where(group_members.c.group_id == subject_id)
        case Level.COMPUTER:
            query = query.where(computers.c.id == subject_id)
    ids = list(conn.scalars(query))
    site, _ = agent_parameters.read(conn, [])
    alike: Counter[tuple[object, ...]] = Counter()
    kinds: dict[tuple[object, ...], Own] = {}
    for some in dialect.chunks(ids):
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


def _stored(conn: Connection, level: Level, subject_id: int) -> dict[str, Number]:
    query = select(parameters.c.name, parameters.c.value)
    rows = conn.execute(query.where(parameters.c.level == str(level), parameters.c.subject_id == subject_id))
    return {name: value for name, value in rows if name in PARAMETERS}


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
