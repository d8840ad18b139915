"""What rules of a diagnosis read from the facts, and how they make a cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.diagnosis.causes import Cause
from distd.domain.diagnosis.due_turns import contact_interval_s, due_gap_s

if TYPE_CHECKING:
    from distd.domain.diagnosis.causes import CauseKind, Fact
    from distd.domain.diagnosis.facts import DiagnosedAssignment, DiagnosedComputer, DiagnosedPackage, DiagnosisFacts

START_S: Final = 120.0  # an agent sends its inventory before its first turn
DUE_TURNS: Final = 2  # without a fragment, after which it is a stall


def stall_limit_s(facts: DiagnosisFacts) -> float:
    """So long after its last fragment, or its notification, a computer is stalled; `math.inf`: it has no turn."""
    return DUE_TURNS * gap_s(facts) + START_S + fragment_s(facts)


def cause_of(facts: DiagnosisFacts, kind: CauseKind, **more: Fact) -> Cause:
    """A cause, with the facts that sentences and commands of many kinds have beside `more`."""
    names = ", ".join(facts.server.names or ()) or None
    common: dict[str, Fact] = {"device_id": facts.device_id, "asked_id": facts.asked_id}
    common |= {"http": facts.http, "server": _info_server(facts), "names": names}
    common["info_url"] = (
        f"https://{_info_server(facts)}{'' if is_elsewhere(facts) else '/download'}/{facts.asked_id}/info"
    )
    if facts.computer is not None:
        common["last_contact_at_s"] = facts.computer.last_contact_at_s
        common["expected_at_s"] = expected_at_s(facts)
    return Cause(kind, facts.asked_id, common | more)


def is_elsewhere(facts: DiagnosisFacts) -> bool:
    """Whether `info` is on another server."""
    return facts.package is not None and bool(facts.package.info_server)


def _info_server(facts: DiagnosisFacts) -> str:
    package = facts.package
    return package.info_server if package is not None and package.info_server else facts.server.address


def computer_of(facts: DiagnosisFacts) -> DiagnosedComputer:
    """Where there is one."""
    assert facts.computer is not None
    return facts.computer


def package_of(facts: DiagnosisFacts) -> DiagnosedPackage:
    """Where there is one."""
    assert facts.package is not None
    return facts.package


def assignment_of(facts: DiagnosisFacts) -> DiagnosedAssignment:
    """Where there is one."""
    assert facts.assignment is not None
    return facts.assignment


def expected_at_s(facts: DiagnosisFacts) -> float:
    """When the next contact is due."""
    computer = computer_of(facts)
    return computer.last_contact_at_s + contact_interval_s(computer.contacts_at_s, facts.prolog_freq_h)


def gap_s(facts: DiagnosisFacts) -> float:
    """See `due_gap_s`."""
    package = package_of(facts)
    packages = ((package.id, package.priority), *facts.others)
    return due_gap_s(computer_of(facts).dialect, facts.config, package.id, packages)


def fragment_s(facts: DiagnosisFacts) -> float:
    """How long a fragment takes by the bandwidth rules; 0: they do not hold it up."""
    rate = facts.server.line_bytes_per_s
    return package_of(facts).fragment_bytes / rate if rate else 0.0
