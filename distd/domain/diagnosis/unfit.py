"""Why a computer cannot take a package, or an option of its assignment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.diagnosis.causes import CauseKind
from distd.domain.diagnosis.situation import assignment_of, cause_of, computer_of, package_of
from distd.domain.records import Dialect
from distd.domain.schedule import gets_no_turn
from distd.domain.systems import is_for

if TYPE_CHECKING:
    from distd.domain.diagnosis.causes import Cause
    from distd.domain.diagnosis.facts import DiagnosisFacts

DISK_FACTOR: Final = 3  # a Windows agent takes a package only when so many times its size is free


def other_system(facts: DiagnosisFacts) -> Cause | None:
    """The package is for another one."""
    package, computer = package_of(facts), computer_of(facts)
    if is_for(package.os, computer.user_agent, computer.os_name):
        return None
    has = computer.os_name or f"a {computer.dialect.value.capitalize()} agent"
    return cause_of(facts, CauseKind.OTHER_SYSTEM, package_os=package.os, os_name=has)


def little_disk(facts: DiagnosisFacts) -> Cause | None:
    """Less than three times the package is free."""
    free_bytes, needed_bytes = computer_of(facts).free_bytes, DISK_FACTOR * package_of(facts).size_bytes
    if free_bytes is None or free_bytes >= needed_bytes:
        return None
    return cause_of(facts, CauseKind.LITTLE_DISK, free_bytes=free_bytes, needed_bytes=needed_bytes)


def no_turn(facts: DiagnosisFacts) -> Cause | None:
    """No cycle's number reaches its priority."""
    priority, config = package_of(facts).priority, facts.config
    if not gets_no_turn(priority, config):
        return None
    return cause_of(facts, CauseKind.NO_TURN, priority=priority, period_length=config.period_length)


def option_ignored(facts: DiagnosisFacts) -> Cause | None:
    """Only Windows agents know `schedule` and `postcmd`."""
    assignment, options = assignment_of(facts), []
    if computer_of(facts).dialect is Dialect.WINDOWS or not computer_of(facts).user_agent:
        return None
    options += ["--schedule"] if assignment.schedule else []
    options += ["--postcmd"] if assignment.postcmd else []
    return cause_of(facts, CauseKind.OPTION_IGNORED, options=", ".join(options)) if options else None
