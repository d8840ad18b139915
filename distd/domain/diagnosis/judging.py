"""From facts to causes, the most likely first. Pure.

A computer is at one stage with a package; the table `STAGES` has for each the rules that are tried, in their order. A
rule is a function of the facts that gives a cause, or None.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from distd.domain.diagnosis import told, unfit
from distd.domain.diagnosis.causes import CauseKind
from distd.domain.diagnosis.situation import assignment_of, cause_of, computer_of, expected_at_s, package_of
from distd.domain.diagnosis.unfit import DISK_FACTOR
from distd.domain.hold_reasons import HoldReason
from distd.domain.results import EXPIRED, CodeClass, Outcome, class_of, classify
from distd.domain.rollout_state import Phase
from distd.domain.units import HOUR_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from distd.domain.diagnosis.causes import Cause, Fact
    from distd.domain.diagnosis.facts import DiagnosisFacts

    Rule = Callable[[DiagnosisFacts], Cause | None]

INFO_ERROR: Final = "ERR_DOWNLOAD_INFO"
OVERDUE_S: Final = HOUR_S  # agents wait up to some minutes at random, computers are started late


class Stage(Enum):
    """Where a computer is with a package."""

    NO_COMPUTER = auto()
    NO_PACKAGE = auto()
    NOT_ASSIGNED = auto()
    WAITING = auto()
    TOLD = auto()
    ENDED = auto()


def diagnose(facts: DiagnosisFacts) -> list[Cause]:
    """Why the package is not, or is, deployed on the computer. At least one."""
    return list(_causes(facts)) or [cause_of(facts, CauseKind.NOT_JUDGED)]


def first_cause(facts: DiagnosisFacts) -> Cause:
    """The first of `diagnose`, without looking for the others."""
    return next(_causes(facts), None) or cause_of(facts, CauseKind.NOT_JUDGED)


def _causes(facts: DiagnosisFacts) -> Iterator[Cause]:
    for rule in STAGES[stage_of(facts)]:
        cause = rule(facts)
        if cause is not None:
            yield cause


def stage_of(facts: DiagnosisFacts) -> Stage:
    """See `Stage`."""
    if facts.computer is None:
        return Stage.NO_COMPUTER
    if facts.package is None:
        return Stage.NO_PACKAGE
    if facts.assignment is None:
        return Stage.NOT_ASSIGNED
    if not facts.assignment.is_open:
        return Stage.ENDED
    return Stage.TOLD if facts.assignment.is_told else Stage.WAITING


# --- the computer ---------------------------------------------------------------------------------------------------


def _unknown_computer(facts: DiagnosisFacts) -> Cause | None:
    return None if facts.refusal else cause_of(facts, CauseKind.UNKNOWN_COMPUTER)


def _refused(facts: DiagnosisFacts) -> Cause | None:
    refusal = facts.refusal
    if refusal is None:
        return None
    networks = facts.computer.networks if facts.computer else ""
    return cause_of(facts, refusal.kind, refused_at_s=refusal.at_s, address=refusal.address, networks=networks)


def _waiting_room(facts: DiagnosisFacts) -> Cause | None:
    return cause_of(facts, CauseKind.WAITING_ROOM) if computer_of(facts).waiting else None


def _contact_overdue(facts: DiagnosisFacts) -> Cause | None:
    is_late = facts.now_s > expected_at_s(facts) + OVERDUE_S
    return cause_of(facts, CauseKind.CONTACT_OVERDUE) if is_late and facts.refusal is None else None


def _no_contact_since(facts: DiagnosisFacts) -> Cause | None:
    assigned_at_s = assignment_of(facts).assigned_at_s
    if computer_of(facts).last_contact_at_s >= assigned_at_s or _contact_overdue(facts) or facts.refusal:
        return None
    return cause_of(facts, CauseKind.NO_CONTACT_SINCE, assigned_at_s=assigned_at_s)


# --- the package ----------------------------------------------------------------------------------------------------


def _no_package(facts: DiagnosisFacts) -> Cause | None:
    return cause_of(facts, CauseKind.UNKNOWN_PACKAGE if facts.asked_id else CauseKind.NOTHING_ASSIGNED)


def _not_assigned(facts: DiagnosisFacts) -> Cause | None:
    return None if facts.rollout else cause_of(facts, CauseKind.NOT_ASSIGNED)


def _in_rollout(facts: DiagnosisFacts) -> Cause | None:
    found = facts.rollout
    if found is None:
        return None
    kind = CauseKind.ROLLOUT_NEXT if found.wave <= found.opened else CauseKind.WAVE_NOT_OPEN
    if found.passed_over:
        kind = CauseKind.ROLLOUT_PASSED_OVER
    elif found.phase != Phase.RUNNING:
        kind = CauseKind.ROLLOUT_RESTS
    return cause_of(facts, kind, rollout=found.name, phase=found.phase, wave=found.wave, opened=found.opened)


def _package_state(facts: DiagnosisFacts) -> Cause | None:
    package = package_of(facts)
    known: dict[str, tuple[CauseKind, dict[str, Fact]]] = {
        "DELETED": (CauseKind.DELETED, {}),
        "WITHDRAWN": (CauseKind.WITHDRAWN, {}),
        "SUPERSEDED": (CauseKind.SUPERSEDED, {"superseded_by": package.superseded_by}),
        "INACTIVE": (CauseKind.NOT_ACTIVE, {}),
        "PLANNED": (CauseKind.PLANNED, {"planned_at_s": package.planned_at_s}),
    }
    if package.state not in known:
        return None
    kind, more = known[package.state]
    return cause_of(facts, kind, **more)


# --- not told yet ---------------------------------------------------------------------------------------------------

_SIMPLY_HELD: Final[Mapping[HoldReason, CauseKind]] = {
    HoldReason.INSTALLED: CauseKind.INSTALLED,
    HoldReason.CLAIMED: CauseKind.CLAIMED,
    HoldReason.TOO_LATE: CauseKind.TOO_LATE,
    HoldReason.TOO_EARLY: CauseKind.TOO_EARLY,
    HoldReason.SWITCHED_OFF: CauseKind.SWITCHED_OFF,
    HoldReason.BUSY_CHILD: CauseKind.BUSY_CHILD,
    HoldReason.PRIORITY_ZERO: CauseKind.PRIORITY_ZERO,
    HoldReason.UNKNOWN_HISTORY: CauseKind.UNKNOWN_HISTORY,
}


def _held(facts: DiagnosisFacts) -> Cause | None:
    """What `origin.agents.listing` holds back; a package that is not active has its own cause."""
    assignment = assignment_of(facts)
    if facts.held is HoldReason.WAITS_FOR_PACKAGE:
        kind = CauseKind.WAITS_FOREVER if assignment.after_state is None else CauseKind.WAITS_FOR_PACKAGE
        return cause_of(facts, kind, after=assignment.after, after_state=assignment.after_state)
    if facts.held is None or facts.held not in _SIMPLY_HELD:
        return None
    more: dict[str, Fact] = {
        "not_before_s": assignment.not_before_s,
        "not_after_s": assignment.not_after_s,
        "switched_off_by": facts.switched_off_by,
        "others": ", ".join(package_id for package_id, _ in facts.others) or None,
        "first_other": facts.others[0][0] if facts.others else None,
    }
    return cause_of(facts, _SIMPLY_HELD[facts.held], **more)


def _listed_next(facts: DiagnosisFacts) -> Cause | None:
    if facts.held is not None or computer_of(facts).waiting or facts.refusal:
        return None
    if _no_contact_since(facts) or _contact_overdue(facts):
        return None
    return cause_of(facts, CauseKind.LISTED_NEXT)


# --- ended ----------------------------------------------------------------------------------------------------------

_OF_CODES: Final[Mapping[str, CauseKind]] = {
    INFO_ERROR: CauseKind.INFO_FAILED,
    "ERR_OUT_OF_SPACE": CauseKind.DISK_FULL,
    "ERR_BAD_DIGEST": CauseKind.BAD_DIGEST,
    "ERR_TIMEOUT": CauseKind.TIMED_OUT,
    "ERR_ABORTED": CauseKind.REFUSED_BY_USER,
    EXPIRED: CauseKind.EXPIRED,
}


def kind_of_code(code: str, *, cancelled: bool = False) -> CauseKind:
    """The cause that a result is."""
    if class_of(code, cancelled=cancelled) is CodeClass.CANCELLED:
        return CauseKind.CANCELLED
    if code in _OF_CODES:
        return _OF_CODES[code]
    if classify(code) is Outcome.SUCCESS:
        return CauseKind.SUCCEEDED
    is_exit_code = code.rpartition("_")[2].lstrip("-").isdecimal()
    return CauseKind.EXIT_CODE if is_exit_code else CauseKind.FAILED


def _result(facts: DiagnosisFacts) -> Cause | None:
    assignment = assignment_of(facts)
    code = assignment.code or ""
    kind = kind_of_code(code, cancelled=assignment.cancelled)
    if assignment.unproven:
        kind = CauseKind.UNPROVEN
    if assignment.state == Outcome.ARCHIVED:
        kind = CauseKind.ARCHIVED
    more: dict[str, Fact] = {
        "code": code,
        "result_at_s": assignment.result_at_s,
        "not_after_s": assignment.not_after_s,
        "needed_bytes": DISK_FACTOR * package_of(facts).size_bytes,
        "timeout_days": facts.config.timeout_days,
    }
    return cause_of(facts, kind, **more)


def _certificate_of_failure(facts: DiagnosisFacts) -> Cause | None:
    """Why `info` could not be fetched, where this server knows it."""
    return told.certificate(facts) if assignment_of(facts).code == INFO_ERROR else None


def _contradicted(facts: DiagnosisFacts) -> Cause | None:
    later = assignment_of(facts).later_code
    return cause_of(facts, CauseKind.CONTRADICTED, later_code=later) if later else None


_UNFIT: Final[tuple[Rule, ...]] = (unfit.other_system, unfit.little_disk, unfit.no_turn)
STAGES: Final[Mapping[Stage, tuple[Rule, ...]]] = {
    Stage.NO_COMPUTER: (_refused, _unknown_computer),
    Stage.NO_PACKAGE: (_no_package, _waiting_room, _refused, _contact_overdue),
    Stage.NOT_ASSIGNED: (_package_state, _in_rollout, _not_assigned, _waiting_room, _refused, _contact_overdue),
    Stage.WAITING: (
        *(_waiting_room, _refused, _contact_overdue, _no_contact_since, _package_state, _held),
        *(*_UNFIT, _listed_next, unfit.option_ignored),
    ),
    Stage.TOLD: (
        *(_waiting_room, _refused, told.ends_by_itself, told.off_while_told, unfit.no_turn, told.starved),
        *(told.certificate, _contact_overdue, told.scheduled, told.disk_while_told, told.mirror_of_stall),
        *(told.line_full, told.turns_due, told.mirror_beside, told.repeated, told.unnamed, unfit.option_ignored),
    ),
    Stage.ENDED: (_result, _certificate_of_failure, _contradicted, unfit.option_ignored),
}
