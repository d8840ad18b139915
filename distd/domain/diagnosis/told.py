"""Why a package has no result yet of which the agent was notified."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from distd.domain.diagnosis.causes import CauseKind
from distd.domain.diagnosis.situation import (
    START_S,
    assignment_of,
    cause_of,
    computer_of,
    fragment_s,
    gap_s,
    is_elsewhere,
    package_of,
    stall_limit_s,
)
from distd.domain.diagnosis.unfit import little_disk
from distd.domain.records import Dialect

if TYPE_CHECKING:
    from distd.domain.diagnosis.causes import Cause, Fact
    from distd.domain.diagnosis.facts import DiagnosedMirror, DiagnosisFacts


def ends_by_itself(facts: DiagnosisFacts) -> Cause | None:
    """It is taken back, and its agent is ending it."""
    if assignment_of(facts).cancelled:
        return cause_of(facts, CauseKind.CANCELLED_TOLD)
    return cause_of(facts, CauseKind.WITHDRAWN_TOLD) if package_of(facts).state == "WITHDRAWN" else None


def off_while_told(facts: DiagnosisFacts) -> Cause | None:
    """ON=0 stops agents, but for a Unix agent that is busy (trap 15)."""
    if facts.config.on or computer_of(facts).dialect is Dialect.UNIX:
        return None
    return cause_of(facts, CauseKind.SWITCHED_OFF, switched_off_by=facts.switched_off_by)


def starved(facts: DiagnosisFacts) -> Cause | None:
    """A package of priority 0 beside it gets all turns (trap 9)."""
    absolute = [package_id for package_id, priority in facts.others if priority == 0]
    if not absolute or package_of(facts).priority == 0:
        return None
    return cause_of(facts, CauseKind.STARVED, first_other=absolute[0])


def scheduled(facts: DiagnosisFacts) -> Cause | None:
    """Its time has not come yet."""
    schedule = assignment_of(facts).schedule
    if not schedule or computer_of(facts).dialect is not Dialect.WINDOWS:
        return None
    return cause_of(facts, CauseKind.SCHEDULED, schedule=schedule) if facts.is_schedule_to_come else None


def certificate(facts: DiagnosisFacts) -> Cause | None:
    """Agents refuse the certificate of this server."""
    server = facts.server
    if facts.fetches.count or is_elsewhere(facts) or server.names is None:
        return None
    if server.ends_at_s is not None and server.ends_at_s < facts.now_s:
        return cause_of(facts, CauseKind.CERTIFICATE_ENDED, ends_at_s=server.ends_at_s)
    if server.address.rpartition(":")[0].strip("[]").lower() in server.names:
        return None
    return cause_of(facts, CauseKind.CERTIFICATE_NAME)


def mirror_of_stall(facts: DiagnosisFacts) -> Cause | None:
    """What is wrong with the redistribution server that it fetches from, or should, where it is stalled."""
    return _mirror(facts) if is_stalled(facts) else None


def mirror_beside(facts: DiagnosisFacts) -> Cause | None:
    """The same where it is not: others serve the computer."""
    return None if is_stalled(facts) else _mirror(facts)


def is_stalled(facts: DiagnosisFacts) -> bool:
    """Whether two due turns have passed without a fragment."""
    return not _is_done(facts) and facts.now_s - _since_s(facts) > stall_limit_s(facts)


def _since_s(facts: DiagnosisFacts) -> float:
    return facts.fetches.last_at_s or assignment_of(facts).notified_at_s or facts.now_s


def _mirror(facts: DiagnosisFacts) -> Cause | None:
    mirror = facts.mirror
    if mirror is None or _is_done(facts):
        return None
    more: dict[str, Fact] = {"mirror": mirror.name, "seen_at_s": mirror.seen_at_s, "bad_file": mirror.bad_file}
    kind = _mirror_kind(facts, mirror)
    return cause_of(facts, kind, **more) if kind else None


def _mirror_kind(facts: DiagnosisFacts, mirror: DiagnosedMirror) -> CauseKind | None:
    if not mirror.online:
        return CauseKind.MIRROR_LOST
    if mirror.bad_file:
        return CauseKind.MIRROR_BAD
    return None if mirror.ready else CauseKind.MIRROR_NOT_READY


def line_full(facts: DiagnosisFacts) -> Cause | None:
    """The bandwidth rules leave too little for a fragment within a turn."""
    long_s, rate = fragment_s(facts), facts.server.line_bytes_per_s
    if _is_done(facts) or rate is None or long_s <= max(gap_s(facts), START_S):
        return None
    return cause_of(facts, CauseKind.LINE_FULL, line_bytes_per_s=rate, fragment_s=long_s)


def _is_done(facts: DiagnosisFacts) -> bool:
    return facts.fetches.missing is None or package_of(facts).fragments == 0


def turns_due(facts: DiagnosisFacts) -> Cause | None:
    """What the agent's own schedule says: on it, or stalled."""
    package, fetches, longest_s = package_of(facts), facts.fetches, gap_s(facts)
    since_s = _since_s(facts)
    more: dict[str, Fact] = {
        "count": fetches.count,
        "fragments": package.fragments,
        "missing": fetches.missing,
        "last_at_s": since_s,
        "notified_at_s": assignment_of(facts).notified_at_s,
        "gap_s": longest_s,
        "due_at_s": since_s + longest_s + (0 if fetches.count else START_S),
        "execution_timeout_min": facts.config.execution_timeout_min,
    }
    if package.fragment_server and not fetches.count and package.fragments:
        return cause_of(facts, CauseKind.ELSEWHERE, fragment_server=package.fragment_server)
    if package.fragments and _is_done(facts):
        return cause_of(facts, CauseKind.ALL_FETCHED, **more)
    if math.isinf(longest_s):
        return None
    if facts.now_s - since_s <= stall_limit_s(facts):
        return cause_of(facts, CauseKind.ON_SCHEDULE if fetches.count else CauseKind.FIRST_TURN, **more)
    if fetches.count or not package.fragments:
        return cause_of(facts, CauseKind.STALLED if fetches.count else CauseKind.NO_RESULT, **more)
    is_windows = computer_of(facts).dialect is Dialect.WINDOWS
    return cause_of(facts, CauseKind.INFO_NOT_FETCHED if is_windows else CauseKind.NO_FRAGMENT, **more)


def disk_while_told(facts: DiagnosisFacts) -> Cause | None:
    """Windows agents look at the disk before they begin."""
    return None if facts.fetches.count or computer_of(facts).dialect is not Dialect.WINDOWS else little_disk(facts)


def unnamed(facts: DiagnosisFacts) -> Cause | None:
    """Its address fetches on a path without a token."""
    count = facts.fetches.unnamed
    return cause_of(facts, CauseKind.FETCHED_UNNAMED, unnamed=count) if count else None


def repeated(facts: DiagnosisFacts) -> Cause | None:
    """Fragments were sent more than once."""
    count = facts.fetches.repeated
    return cause_of(facts, CauseKind.FETCHED_TWICE, repeated=count) if count else None
