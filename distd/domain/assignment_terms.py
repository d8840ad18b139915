"""How an assigned package is deployed, and by what it was assigned; as people write it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from distd.domain.errors import BadInput
from distd.domain.units import format_time, parse_moment

SCHEDULE_FORMAT: Final = "%Y/%m/%d %H:%M"  # of Windows agents
POSTCMD_LIMIT: Final = 4096  # characters


class OriginKind(StrEnum):
    """What a package was assigned by."""

    HAND = "hand"  # computers by name
    CSV = "csv"  # a list in a file; the origin's name is the file's
    TAG = "tag"
    FILTER = "filter"
    GROUP = "group"
    ROLLOUT = "rollout"
    RECURRENCE = "recurrence"  # its name is the id of the recurrence


@dataclass(frozen=True, slots=True)
class AssignmentOrigin:
    """What it was assigned by: `name` is that of the group, file, tag or roll-out, or the text of the filter."""

    kind: OriginKind
    name: str = ""


BY_HAND: Final = AssignmentOrigin(OriginKind.HAND)


@dataclass(frozen=True, slots=True)
class Terms:
    """How agents deploy an assigned package.

    `force`: even where it is in the agent's history. A Windows agent gets `schedule` (not before this local time,
    "YYYY/MM/DD HH:MM") and `postcmd` (a command to run afterwards) unchanged; a Unix agent ignores them. The server
    itself keeps `not_before_s` (no agent is notified earlier), `not_after_s` (whose agent was not notified by then is
    not notified any more) and `after` (the id of a package that must be deployed first); times in seconds, None: no
    limit. `any_os`: also on computers with another system than the package is for."""

    force: bool = False
    schedule: str = ""
    postcmd: str = ""
    any_os: bool = False
    not_before_s: float | None = None
    not_after_s: float | None = None
    after: str | None = None


NO_TERMS: Final = Terms()


def check_terms(terms: Terms, now_s: float) -> None:
    """Raise `BadInput` for a value that no assignment can have."""
    _check_schedule(terms.schedule)
    if len(terms.postcmd) > POSTCMD_LIMIT or not terms.postcmd.isprintable():
        raise BadInput("postcmd", f"at most {POSTCMD_LIMIT} printable characters", terms.postcmd)
    begin_s, end_s = terms.not_before_s, terms.not_after_s
    if end_s is not None and end_s <= max(now_s, -math.inf if begin_s is None else begin_s):
        first = "now" if begin_s is None or begin_s <= now_s else "not_before"
        raise BadInput("not_after", f"a time after {first}", format_time(end_s))


def read_schedule(text: str, now: datetime, field: str = "schedule") -> str:
    """A time as Windows agents get it: as they do, or as people write it ("fri 18:00", "2h" from `now`). Local time,
    naive: that of the computers too, or should be. Empty stays empty. Raises `BadInput`."""
    if not text or _is_schedule(text):
        return text
    return datetime.fromtimestamp(parse_moment(text, field, now)).strftime(SCHEDULE_FORMAT)  # noqa: DTZ006


def read_moment(text: str | None, now: datetime, field: str) -> float | None:
    """A time that is yet to come, in Unix time, or None for none. Raises `BadInput`."""
    return parse_moment(text, field, now) if text else None


def _check_schedule(text: str) -> None:
    if text and not _is_schedule(text):
        raise BadInput("schedule", "a time such as 2026/12/01 18:00", text)


def _is_schedule(text: str) -> bool:
    try:
        datetime.strptime(text, SCHEDULE_FORMAT)  # noqa: DTZ007 - the local time of the computers
    except ValueError:
        return False
    return True
