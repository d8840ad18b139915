"""Roll-outs as rows of the catalogue: find, read, write; and what is counted of one."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.rollouts_schema import rollout_waves, rollouts
from distd.catalogue.schema import micros, packages, seconds
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import NotFound
from distd.domain.folding import fold
from distd.domain.rollout_plan import read_plan
from distd.domain.rollout_state import Moment, Phase, RolloutFacts, RolloutState, WaveState
from distd.origin.deployments import rollout_members
from distd.origin.deployments.rollout_record import RunningRollout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from distd.catalogue.event_log import Kind
    from distd.domain.actor import Actor
    from distd.domain.rollout_state import WaveFacts
    from distd.domain.settings import DownloadConfig

MAX_ID_DIGITS: Final = 18


def find_row(conn: Connection, name: str) -> Row[Any]:
    """By its name, or its id. Raises `NotFound`."""
    is_it = rollouts.c.id == int(name) if is_id(name) else rollouts.c.name_key == fold(name)
    row = conn.execute(select(rollouts).where(is_it)).one_or_none()
    if row is None:
        raise NotFound("rollout", "the name or the id of a roll-out", name)
    return row


def is_id(text: str) -> bool:
    """Whether it can be an id: a name cannot."""
    return text.isascii() and text.isdecimal() and len(text) <= MAX_ID_DIGITS


def load(conn: Connection, row: Row[Any]) -> RunningRollout:
    """Of a row of the table."""
    return load_all(conn, [row])[0]


def load_all(conn: Connection, rows: Sequence[Row[Any]]) -> list[RunningRollout]:
    """The same, of many."""
    waves = defaultdict[int, list[WaveState]](list)
    for ids in dialect.chunks([row.id for row in rows]):
        query = select(rollout_waves).where(rollout_waves.c.rollout_id.in_(ids))
        for wave in conn.execute(query.order_by(rollout_waves.c.rollout_id, rollout_waves.c.wave)):
            accepted = wave.accepted_failed, wave.accepted_ended, wave.accepted_stalled
            waves[wave.rollout_id].append(WaveState(seconds(wave.opened_at_us), *accepted))
    return [_loaded(row, tuple(waves[row.id])) for row in rows]


def _loaded(row: Row[Any], waves: tuple[WaveState, ...]) -> RunningRollout:
    state = RolloutState(Phase(row.phase), waves, row.created_by, row.approved_by, row.reason)
    who = AssignmentOrigin(OriginKind(row.who_kind), row.who_name)
    plan, package_id = read_plan(json.loads(row.plan)), row.package_id
    return RunningRollout(row.id, row.name, package_id, who, plan, state, row.force, row.any_os, revision=row.revision)


def save(conn: Connection, found: RunningRollout, before: RolloutState, after: RolloutState, now_s: float) -> None:
    """Write what has changed of its state."""
    if before == after:
        return
    conn.execute(update(rollouts).where(rollouts.c.id == found.id).values(**row_of(after, now_s)))
    for place, (old, new) in enumerate(zip(before.waves, after.waves, strict=True)):
        if old != new:
            mine = rollout_waves.c.rollout_id == found.id, rollout_waves.c.wave == place
            conn.execute(update(rollout_waves).where(*mine).values(**row_of_wave(new)))


def touch(conn: Connection, rollout_id: int) -> None:
    """What was counted of it before is not to be acted on any more."""
    conn.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(revision=rollouts.c.revision + 1))


def row_of(state: RolloutState, now_s: float) -> dict[str, Any]:
    """The columns of a state."""
    values = {"phase": state.phase, "reason": state.reason[:4096], "approved_by": state.approved_by}
    return {**values, "changed_at_us": micros(now_s)}


def row_of_wave(wave: WaveState) -> dict[str, Any]:
    """The columns of the state of a wave."""
    accepted = {name: getattr(wave, name) for name in ("accepted_failed", "accepted_ended", "accepted_stalled")}
    return {"opened_at_us": None if wave.opened_at_s is None else micros(wave.opened_at_s), **accepted}


def note(conn: Connection, kind: Kind, actor: Actor, found: RunningRollout, now_s: float, **more: Any) -> None:
    """Write an event about it."""
    detail: dict[str, Any] = {"rollout": found.id, "name": found.name, **more}
    event_log.append(conn, kind, actor, at_s=now_s, package_id=found.package_id, **detail)


def count_waves(conn: Connection, found: RunningRollout, now_s: float) -> list[WaveFacts]:
    """The numbers of each wave."""
    return rollout_members.count(conn, found, now_s)


def each_bytes_per_s(conn: Connection, package_id: str, config: DownloadConfig) -> float:
    """What one computer fetches of the package on the average, by the schedule that agents are told; of one that was
    deleted too: its roll-out can be stopped."""
    columns = packages.c.size_bytes, packages.c.fragments
    package = conn.execute(select(*columns).where(packages.c.id == package_id)).one_or_none()
    fragment_bytes = package.size_bytes / package.fragments if package is not None and package.fragments else 0.0
    # A pause follows each fragment: one a second at most is a fast agent's.
    return fragment_bytes / max(1, config.frag_latency_s)


def read_facts(conn: Connection, found: RunningRollout, now_s: float, config: DownloadConfig) -> RolloutFacts:
    """What its engine decides by. With 100,000 computers it takes some tenths of a second."""
    return RolloutFacts(tuple(count_waves(conn, found, now_s)), each_bytes_per_s(conn, found.package_id, config))


def moment_of(now_s: float) -> Moment:
    """A time, as the clock on the wall here has it."""
    local = time.localtime(now_s)
    return Moment(now_s, local.tm_wday, local.tm_hour * 60 + local.tm_min)
