"""Which computers cannot take a package, and why: judged before it is assigned."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from distd.catalogue import dialect
from distd.catalogue.schema import assignments, computers
from distd.domain.diagnosis.unfit import DISK_FACTOR
from distd.domain.records import Dialect
from distd.domain.results import Outcome, classify
from distd.domain.schedule import gets_no_turn
from distd.domain.systems import is_for
from distd.domain.units import format_size
from distd.origin.deployments.named_computers import of_few

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.settings import DownloadConfig
    from distd.origin.packages.packages import Package

_FREE: Final = computers.c.get("system_free_bytes")  # of the drive where the agent downloads; NULL: not known

_is_for = lru_cache(maxsize=4096)(is_for)  # computers have few different systems


class UnfitReason(StrEnum):
    """Why a computer cannot take a package. By its name a message catalogue finds the sentence."""

    OTHER_SYSTEM = "OTHER_SYSTEM"  # the package is for another one
    LITTLE_DISK = "LITTLE_DISK"  # less than three times the package is free
    NO_TURN = "NO_TURN"  # its agent's periods are too short for the package's priority
    WAITS_FOREVER = "WAITS_FOREVER"  # for a package that it neither has nor is assigned


@dataclass(frozen=True, slots=True)
class Unfit:
    """A computer that cannot take a package. `detail`: the facts in words."""

    device_id: str
    reason: UnfitReason
    detail: str


@dataclass(frozen=True, slots=True)
class Demands:
    """What is asked of a computer. `config_of(id)`: the schedule that its agent is told, None: not judged. `after`: the
    package that it must have or be assigned."""

    package: Package
    config_of: Callable[[int], DownloadConfig] | None = None
    after: str | None = None
    any_os: bool = False


def judge(conn: Connection, demands: Demands, found: Mapping[str, Row[Any]]) -> list[Unfit]:
    """The first reason of each computer that has one, in their order. `found`: see `find_computers`."""
    rows = list(found.values())
    free_bytes = _free_bytes(conn, [row.id for row in rows])
    has_before = None if demands.after is None else _having(conn, demands.after, [row.id for row in rows])
    unfit = []
    for row in rows:
        reason = _judge_one(demands, row, free_bytes.get(row.id), has_before)
        if reason is not None:
            unfit.append(Unfit(row.device_id, *reason))
    return unfit


def _judge_one(
    demands: Demands, row: Row[Any], free_bytes: int | None, has_before: set[int] | None
) -> tuple[UnfitReason, str] | None:
    package = demands.package
    if not demands.any_os and not _is_for(package.os, row.user_agent or "", row.os_name or ""):
        return UnfitReason.OTHER_SYSTEM, f"has {system_of(row)}"
    needed_bytes = DISK_FACTOR * package.size_bytes
    if free_bytes is not None and free_bytes < needed_bytes:
        return UnfitReason.LITTLE_DISK, f"has {format_size(free_bytes)} free of {format_size(needed_bytes)}"
    if demands.config_of is not None:
        config = demands.config_of(row.id)
        if gets_no_turn(package.priority, config):
            length = f"{config.period_length} cycles"
            return UnfitReason.NO_TURN, f"has periods of {length}, too few for priority {package.priority}"
    if has_before is not None and row.id not in has_before:
        return UnfitReason.WAITS_FOREVER, f"neither has {demands.after} nor is assigned it"
    return None


def system_of(row: Row[Any]) -> str:
    """The system of a computer, for people."""
    is_windows = Dialect.of_user_agent(row.user_agent or "") is Dialect.WINDOWS
    return row.os_name or f"a {'Windows' if is_windows else 'Unix'} agent"


def _free_bytes(conn: Connection, ids: Sequence[int]) -> dict[int, int]:
    if _FREE is None:
        return {}
    found: dict[int, int] = {}
    for some in dialect.chunks(ids):
        query = select(computers.c.id, _FREE).where(computers.c.id.in_(some), _FREE.is_not(None))
        found.update((computer_id, free_bytes) for computer_id, free_bytes in conn.execute(query))
    return found


def _having(conn: Connection, package_id: str, computer_ids: Sequence[int]) -> set[int]:
    query = select(assignments.c.computer_id, assignments.c.result).where(assignments.c.package_id == package_id)
    return {
        row.computer_id
        for row in conn.execute(query.where(of_few(assignments.c.computer_id, computer_ids)))
        if row.result is None or classify(row.result) is Outcome.SUCCESS
    }
