"""The kinds of causes, and a cause with the facts that it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Fact: TypeAlias = str | int | float | None


class CauseKind(StrEnum):
    """Why a computer has not got a package, or what else is to be known of the two. `english.TEXTS` and `french.TEXTS`
    have the sentences."""

    # The computer.
    UNKNOWN_COMPUTER = "UNKNOWN_COMPUTER"
    TOO_MANY_COMPUTERS = "TOO_MANY_COMPUTERS"
    TOO_MANY_NEW = "TOO_MANY_NEW"
    WAITING_ROOM = "WAITING_ROOM"
    WRONG_NETWORK = "WRONG_NETWORK"
    NO_LOGIN = "NO_LOGIN"
    NO_KEY = "NO_KEY"
    NOTHING_ASSIGNED = "NOTHING_ASSIGNED"
    NO_CONTACT_SINCE = "NO_CONTACT_SINCE"
    CONTACT_OVERDUE = "CONTACT_OVERDUE"
    # A roll-out has not assigned it yet.
    WAVE_NOT_OPEN = "WAVE_NOT_OPEN"
    ROLLOUT_RESTS = "ROLLOUT_RESTS"
    ROLLOUT_NEXT = "ROLLOUT_NEXT"
    ROLLOUT_PASSED_OVER = "ROLLOUT_PASSED_OVER"
    # The package.
    UNKNOWN_PACKAGE = "UNKNOWN_PACKAGE"
    NOT_ASSIGNED = "NOT_ASSIGNED"
    DELETED = "DELETED"
    WITHDRAWN = "WITHDRAWN"
    SUPERSEDED = "SUPERSEDED"
    NOT_ACTIVE = "NOT_ACTIVE"
    PLANNED = "PLANNED"
    # The agent has not been told.
    INSTALLED = "INSTALLED"
    CLAIMED = "CLAIMED"
    TOO_LATE = "TOO_LATE"
    TOO_EARLY = "TOO_EARLY"
    WAITS_FOR_PACKAGE = "WAITS_FOR_PACKAGE"
    WAITS_FOREVER = "WAITS_FOREVER"
    SWITCHED_OFF = "SWITCHED_OFF"
    BUSY_CHILD = "BUSY_CHILD"
    PRIORITY_ZERO = "PRIORITY_ZERO"
    UNKNOWN_HISTORY = "UNKNOWN_HISTORY"
    LISTED_NEXT = "LISTED_NEXT"
    # It cannot take it.
    OTHER_SYSTEM = "OTHER_SYSTEM"
    LITTLE_DISK = "LITTLE_DISK"
    NO_TURN = "NO_TURN"
    OPTION_IGNORED = "OPTION_IGNORED"
    # It has been told.
    WITHDRAWN_TOLD = "WITHDRAWN_TOLD"
    CANCELLED_TOLD = "CANCELLED_TOLD"
    STARVED = "STARVED"
    SCHEDULED = "SCHEDULED"
    CERTIFICATE_NAME = "CERTIFICATE_NAME"
    CERTIFICATE_ENDED = "CERTIFICATE_ENDED"
    INFO_NOT_FETCHED = "INFO_NOT_FETCHED"
    NO_FRAGMENT = "NO_FRAGMENT"
    STALLED = "STALLED"
    MIRROR_LOST = "MIRROR_LOST"
    MIRROR_BAD = "MIRROR_BAD"
    MIRROR_NOT_READY = "MIRROR_NOT_READY"
    LINE_FULL = "LINE_FULL"
    ON_SCHEDULE = "ON_SCHEDULE"
    FIRST_TURN = "FIRST_TURN"
    ALL_FETCHED = "ALL_FETCHED"
    NO_RESULT = "NO_RESULT"
    ELSEWHERE = "ELSEWHERE"
    FETCHED_UNNAMED = "FETCHED_UNNAMED"
    FETCHED_TWICE = "FETCHED_TWICE"
    # It has ended.
    SUCCEEDED = "SUCCEEDED"
    UNPROVEN = "UNPROVEN"
    ARCHIVED = "ARCHIVED"
    CONTRADICTED = "CONTRADICTED"
    INFO_FAILED = "INFO_FAILED"
    DISK_FULL = "DISK_FULL"
    BAD_DIGEST = "BAD_DIGEST"
    TIMED_OUT = "TIMED_OUT"
    EXPIRED = "EXPIRED"
    REFUSED_BY_USER = "REFUSED_BY_USER"
    CANCELLED = "CANCELLED"
    EXIT_CODE = "EXIT_CODE"
    FAILED = "FAILED"
    NOT_JUDGED = "NOT_JUDGED"  # of a whole package: computers beyond the limit


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause. The unit of a fact is in its name: `_at_s` is a time, `_s` a duration, `_bytes` a size. A fact "code" is
    a result code; its sentence has the meaning of that too. `package_id`: "" where it is of the computer alone."""

    kind: CauseKind
    package_id: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CauseText:
    """What is told of a kind, with `{name}` for a fact. `sentence`: of one computer; `advice`: what to do; "": nothing.
    `group`: it comes after the number of the computers of which this is the first cause, and
    "(s)" in it is an s for several."""

    sentence: str
    advice: str
    group: str
