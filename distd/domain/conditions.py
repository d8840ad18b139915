"""What somebody should know of, and when it is told: each condition once when it begins and once when it is over. Pure.

A condition that comes and goes is one occurrence: it is over when it was not found for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from distd.domain.notice_settings import NoticeSettings

Facts: TypeAlias = Mapping[str, str | float]


class ConditionKind(StrEnum):
    """What it is; comments name its facts."""

    ROLLOUT_HALTED = "ROLLOUT_HALTED"  # package_id, reason; the subject is the roll-out's id
    DEPLOYMENT_STALLED = "DEPLOYMENT_STALLED"  # stalled, fetching: computers; the subject is the package's id
    MIRROR_LOST = "MIRROR_LOST"  # the subject is the mirror's name
    DISK_LOW = "DISK_LOW"  # free_bytes; the subject is the server's machine, as of the next one
    CERTIFICATE_ENDS = "CERTIFICATE_ENDS"  # ends_at_s


OF_SERVER: Final = frozenset({ConditionKind.DISK_LOW, ConditionKind.CERTIFICATE_ENDS})
"""Each server finds them of itself only."""

QUIET_S: Final[Mapping[ConditionKind, float]] = {
    ConditionKind.ROLLOUT_HALTED: 0.0,
    ConditionKind.DEPLOYMENT_STALLED: 900.0,
    ConditionKind.MIRROR_LOST: 300.0,
    ConditionKind.DISK_LOW: 900.0,
    ConditionKind.CERTIFICATE_ENDS: 0.0,
}
"""For how long it must not be found until it is over."""


class NoticePhase(StrEnum):
    """What is told of a condition."""

    BEGAN = "BEGAN"
    ENDED = "ENDED"
    TEST = "TEST"  # of none: whether notices come through


@dataclass(frozen=True, slots=True)
class Condition:
    """What is so now. `subject` tells those of one kind apart, `name` is for people; `since_s`: Unix time."""

    kind: ConditionKind
    subject: str
    name: str
    since_s: float
    facts: Facts


@dataclass(frozen=True, slots=True)
class OpenNotice:
    """A condition that is not over, as it is written down. `told`: somebody was told; `gone_at_s`: since when it is not
    found."""

    id: int
    kind: ConditionKind
    subject: str
    since_s: float
    told: bool
    gone_at_s: float | None


class NoticeStep(StrEnum):
    """What becomes of a notice."""

    FOUND = "FOUND"  # it is written down
    TOLD = "TOLD"
    GONE = "GONE"  # not found any more, for now
    BACK = "BACK"  # found again
    ENDED = "ENDED"  # over, and that is told
    DROPPED = "DROPPED"  # gone before it was told


@dataclass(frozen=True, slots=True)
class NoticeChange:
    """A step of a notice that is open, or of a condition that was found for the first time."""

    step: NoticeStep
    notice: OpenNotice | None = None
    condition: Condition | None = None


def next_changes(
    known: Iterable[OpenNotice], found: Sequence[Condition], settings: NoticeSettings, server: str, now_s: float
) -> list[NoticeChange]:
    """What changes where these conditions are found by the machine `server`."""
    missing = {(each.kind, each.subject): each for each in known}
    changes = []
    for condition in found:
        notice = missing.pop((condition.kind, condition.subject), None)
        if notice is None:
            changes.append(NoticeChange(NoticeStep.FOUND, None, condition))
        elif notice.gone_at_s is not None:
            changes.append(NoticeChange(NoticeStep.BACK, notice))
        if (notice is None or not notice.told) and now_s - condition.since_s >= _wait_s(condition.kind, settings):
            changes.append(NoticeChange(NoticeStep.TOLD, notice, condition))
    others = (each for each in missing.values() if each.kind not in OF_SERVER or each.subject == server)
    return [*changes, *(change for each in others if (change := _of_missing(each, now_s)) is not None)]


def _wait_s(kind: ConditionKind, settings: NoticeSettings) -> float:
    """For how long it must be so until it is told."""
    return settings.mirror_lost_min * 60.0 if kind is ConditionKind.MIRROR_LOST else 0.0


def _of_missing(notice: OpenNotice, now_s: float) -> NoticeChange | None:
    if not notice.told:
        return NoticeChange(NoticeStep.DROPPED, notice)
    gone_at_s = now_s if notice.gone_at_s is None else notice.gone_at_s
    if now_s - gone_at_s >= QUIET_S[notice.kind]:
        return NoticeChange(NoticeStep.ENDED, notice)
    return NoticeChange(NoticeStep.GONE, notice) if notice.gone_at_s is None else None


FIRST_PAUSE_S: Final = 30.0
LONGEST_PAUSE_S: Final = 3600.0
MAX_TRIES: Final = 30  # about a day


def pause_s(tries: int) -> float:
    """From the failure of so many tries to tell something to the next one."""
    return min(FIRST_PAUSE_S * 2.0 ** min(tries - 1, 20), LONGEST_PAUSE_S)
