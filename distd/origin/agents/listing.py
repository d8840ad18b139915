"""Which packages a PROLOG reply lists, so that no stock agent hangs. Pure.

A package of which the agent was notified is always listed, one that it has installed already, or claims to have,
never. The table `RULES` then reduces what may be listed for the first time. The numbers of the stock agents' traps are
those of distd/docs/protocol.md, section 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.hold_reasons import HoldReason
from distd.domain.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distd.domain.settings import DownloadConfig

    Rule = Callable[[list["OpenAssignment"], list["OpenAssignment"], "Agent", DownloadConfig], list["OpenAssignment"]]

STOCK_UNIX: Final = "OCS-NG_unified_unix_agent"
NATIVE: Final = "distd-agent"


@dataclass(slots=True)
class OpenAssignment:
    """An assignment without a result, with what its PACK line says. A server None: this server. `imported`: OCS made
    the package; `claimed`: it is recorded that the agent only claims to have it, `unproven`: that this is so now.
    `cancelled`: the agent is to end it. `fetched`: a fragment was sent. `after`: the package whose success it waits
    for, "": none."""

    id: int
    package_id: str
    priority: int
    force: bool = False
    schedule: str = ""
    postcmd: str = ""
    notified: bool = False
    withdrawn: bool = False
    active: bool = True
    info_server: str | None = None
    fragment_server: str | None = None
    fragments: int = 0
    imported: bool = False
    claimed: bool = False
    unproven: bool = False
    cancelled: bool = False
    fetched: bool = False
    not_before_s: float = 0.0
    not_after_s: float = math.inf
    after: str = ""

    @property
    def state(self) -> Outcome:
        """Where its computer is with the package."""
        if not self.notified:
            return Outcome.WAITING
        return Outcome.DOWNLOADING if self.fetched else Outcome.NOTIFIED

    @property
    def needs_proof(self) -> bool:
        """Whether a success is to be believed only when fragments were sent: this server or its mirrors serve them."""
        return self.fragments > 0 and self.fragment_server is None


@dataclass(frozen=True, slots=True)
class Agent:
    """What is known of the agent. `inventoried`: it has sent an inventory, so its history is known. `proven` are the
    packages of its history that this server has delivered, or that are trusted; `succeeded`: those that others wait
    for and that are deployed. `now_s`: the time of its contact."""

    user_agent: str
    history: frozenset[str]
    inventoried: bool
    proven: frozenset[str] = frozenset()
    succeeded: frozenset[str] = frozenset()
    now_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Listing:
    """`listed` are in the reply, `new` are those of them that the agent has not seen before. `installed` are in the
    agent's history already, so they get their result without it; `claimed` are in its history too, but nothing proves
    it. `expired`: their time was over before the agent was notified, so they end without it."""

    listed: list[OpenAssignment]
    new: list[OpenAssignment]
    installed: list[OpenAssignment]
    claimed: list[OpenAssignment]
    expired: list[OpenAssignment]


def choose_packages(assignments: list[OpenAssignment], agent: Agent, config: DownloadConfig) -> Listing:
    """Which of a computer's open `assignments` are listed now."""
    if not assignments:
        return Listing([], [], [], [], [])
    # Trap 3: a package that is no longer in the PROLOG makes the agent loop until TIMEOUT. So a package of which it was
    # notified stays listed until its final status, even when it is withdrawn or deactivated.
    notified = [assignment for assignment in assignments if assignment.notified]
    waiting = [
        assignment
        for assignment in assignments
        if not assignment.notified and assignment.active and not assignment.withdrawn
    ]
    had = [assignment for assignment in waiting if _is_in_history(assignment, agent)]
    installed = [assignment for assignment in had if assignment.package_id in agent.proven]
    claimed = [assignment for assignment in had if assignment.package_id not in agent.proven]
    # Only where the agent was not notified: trap 3 again.
    expired = [each for each in waiting if each not in had and each.not_after_s < agent.now_s]
    new = [assignment for assignment in waiting if assignment not in had and assignment not in expired]
    new.sort(key=lambda assignment: (assignment.priority, assignment.id))
    for rule in RULES.values():
        new = rule(new, notified, agent, config)
    return Listing(notified + new, new, installed, claimed, expired)


def held_back(assignments: list[OpenAssignment], agent: Agent, config: DownloadConfig) -> dict[int, HoldReason]:
    """What keeps each assignment (by its id) of which the agent was not notified from being listed now. Those that
    would be listed are left out."""
    listing = choose_packages(assignments, agent, config)
    found = {each.id: reason for reason, is_so in _NEVER_LISTED.items() for each in assignments if is_so(each)}
    for reason, held in (
        (HoldReason.INSTALLED, listing.installed),
        (HoldReason.CLAIMED, listing.claimed),
        (HoldReason.TOO_LATE, listing.expired),
    ):
        found |= {each.id: reason for each in held}
    new = [each for each in assignments if not each.notified and each.id not in found]
    new.sort(key=lambda assignment: (assignment.priority, assignment.id))
    for reason, rule in RULES.items():
        left = rule(new, [each for each in assignments if each.notified], agent, config)
        found |= {each.id: reason for each in new if each not in left}
        new = left
    return found


def may_switch_off(assignments: list[OpenAssignment], agent: Agent) -> bool:
    """Whether the reply may say ON=0.

    Trap 15: it makes the Unix agent kill its busy child, whose `suspend` file stays. The next child waits for that
    file; when a later contact removes it, this child has no PACK_LOC and fails for ever. So a Unix agent with
    unfinished packages does not get ON=0: it only gets no new packages.
    """
    is_busy = any(assignment.notified for assignment in assignments)
    return not (is_busy and agent.user_agent.startswith(STOCK_UNIX))


def _is_in_history(assignment: OpenAssignment, agent: Agent) -> bool:
    """Trap 2: a listed package of its own history makes the agent's child die (a division by zero) as soon as another
    is unfinished."""
    return not assignment.force and assignment.package_id in agent.history


def _too_early(
    new: list[OpenAssignment], _notified: list[OpenAssignment], agent: Agent, _config: DownloadConfig
) -> list[OpenAssignment]:
    """What is not to begin yet. It holds nothing else back."""
    return [each for each in new if each.not_before_s <= agent.now_s]


def _waits_for_package(
    new: list[OpenAssignment], _notified: list[OpenAssignment], agent: Agent, _config: DownloadConfig
) -> list[OpenAssignment]:
    """What waits for another package's success. It holds nothing else back."""
    return [each for each in new if not each.after or each.after in agent.succeeded]


def _switched_off(
    new: list[OpenAssignment], _notified: list[OpenAssignment], _agent: Agent, config: DownloadConfig
) -> list[OpenAssignment]:
    """ON=0: no agent starts anything new."""
    return new if config.on else []


def _busy_child(
    new: list[OpenAssignment], notified: list[OpenAssignment], agent: Agent, _config: DownloadConfig
) -> list[OpenAssignment]:
    """Trap 14: a child of the Unix agent knows only the PACK_LOCs of the PROLOG before it was forked, yet it takes
    every package whose info it finds, and loops on the new one until TIMEOUT. So new packages wait until the child has
    finished the others. (It then runs to the end of its period, at most some minutes. An agent that is started by hand
    in these minutes gets the new packages nevertheless: its operator waits for them.)"""
    return [] if notified and agent.user_agent.startswith(STOCK_UNIX) else new


def _unknown_history(
    new: list[OpenAssignment], notified: list[OpenAssignment], agent: Agent, _config: DownloadConfig
) -> list[OpenAssignment]:
    """Trap 2 again: before the first inventory any package may be in the history. A single one does no harm."""
    if agent.inventoried:
        return new
    return [] if notified else new[:1]


def _absolute_priority(
    new: list[OpenAssignment], notified: list[OpenAssignment], _agent: Agent, _config: DownloadConfig
) -> list[OpenAssignment]:
    """Trap 9: a package of priority 0 succeeds, and then no other package gets a turn. So it is listed alone: it waits
    for those of which the agent was notified, and the other new ones wait for it."""
    if any(assignment.priority == 0 for assignment in notified):
        return []
    if new and new[0].priority == 0:
        return [] if notified else new[:1]
    return new


# Each takes the new assignments by priority and the notified ones, and returns the new ones that may be listed.
RULES: Final[Mapping[HoldReason, Rule]] = {
    HoldReason.TOO_EARLY: _too_early,
    HoldReason.WAITS_FOR_PACKAGE: _waits_for_package,
    HoldReason.SWITCHED_OFF: _switched_off,
    HoldReason.BUSY_CHILD: _busy_child,
    HoldReason.PRIORITY_ZERO: _absolute_priority,
    HoldReason.UNKNOWN_HISTORY: _unknown_history,
}
_NEVER_LISTED: Final[Mapping[HoldReason, Callable[[OpenAssignment], bool]]] = {
    HoldReason.NOT_ACTIVE: lambda each: not each.notified and not each.active,
    HoldReason.WITHDRAWN: lambda each: not each.notified and each.withdrawn,
}
