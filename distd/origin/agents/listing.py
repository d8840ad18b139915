"""Which packages a PROLOG reply lists: the rules that keep a stock agent from hanging itself up. Pure.

Two rules say what must be listed or must not (`_settled`, and: what the agent was notified of stays). The table `RULES`
then narrows down what may be listed for the first time. The traps are those of the stock agents, by their numbers in
docs/protocol.md, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from distd.domain.records import DownloadConfig

STOCK_UNIX: Final = "OCS-NG_unified_unix_agent"
NATIVE: Final = "distd-agent"
STOCK_WINDOWS: Final = "OCS-NG_WINDOWS_AGENT"


@dataclass(slots=True)
class Open:
    """An assignment without a result, with what a PACK line says of it. Servers None: this one."""

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


@dataclass(frozen=True, slots=True)
class Agent:
    """What is known of the agent that asks. `inventoried`: it has sent an inventory, so its history is known."""

    user_agent: str
    history: frozenset[str]
    inventoried: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """`listed` stands in the reply, `new` is the part of it that the agent has not seen before, and `settled` has
    been done long ago, so it gets its result without the agent."""

    listed: list[Open]
    new: list[Open]
    settled: list[Open]


def choose(assignments: list[Open], agent: Agent, config: DownloadConfig) -> Listing:
    """Which of a computer's open `assignments` are listed now."""
    # Trap 3: a package that vanishes from the PROLOG midway makes the agent loop until TIMEOUT. So what it was once
    # told stays, withdrawn or deactivated as it may be, until its final status.
    notified = [one for one in assignments if one.notified]
    waiting = [one for one in assignments if not one.notified and one.active and not one.withdrawn]
    settled = [one for one in waiting if _settled(one, agent)]
    new = sorted((one for one in waiting if one not in settled), key=lambda one: (one.priority, one.id))
    for rule in RULES:
        new = rule(new, notified, agent, config)
    return Listing(notified + new, new, settled)


def may_switch_off(assignments: list[Open], agent: Agent) -> bool:
    """Trap 15: ON=0 makes the Unix agent kill its busy child and leave its `suspend` file behind. The next child waits
    for that file; when a later contact removes it, this child wakes up without any PACK_LOC and fails for ever. So a
    Unix agent that has unfinished packages is not told that it is off: it is only given no new ones."""
    return not (agent.user_agent.startswith(STOCK_UNIX) and any(one.notified for one in assignments))


def learns(user_agent: str, code: str) -> bool:
    """Whether an agent that sends this final code has the package in its history from now on.

    The Unix agent writes its history before it reports any SUCCESS…, whatever exit code stands behind it
    (Download.pm, `done`); the Windows agent only for exactly SUCCESS.
    """
    return code == "SUCCESS" if STOCK_WINDOWS in user_agent else code.startswith("SUCCESS")


def _settled(assignment: Open, agent: Agent) -> bool:
    """Trap 2: a package of its own history makes the agent's child die as soon as another one is unfinished."""
    return not assignment.force and assignment.package_id in agent.history


def _switched_off(new: list[Open], _notified: list[Open], _agent: Agent, config: DownloadConfig) -> list[Open]:
    """ON=0: nobody starts anything."""
    return new if config.on else []


def _busy_child(new: list[Open], notified: list[Open], agent: Agent, _config: DownloadConfig) -> list[Open]:
    """Trap 14: a child of the Unix agent knows the PACK_LOCs of the PROLOG that it was forked from and no others,
    yet takes up every package whose info it finds: it then loops on the newcomer until TIMEOUT. So newcomers wait
    until the child has finished its packages. (It then goes on to the end of its period, at most some minutes. An
    agent that is started by hand in these minutes is told all the same: its operator waits for it.)"""
    return [] if notified and agent.user_agent.startswith(STOCK_UNIX) else new


def _unknown_history(new: list[Open], notified: list[Open], agent: Agent, _config: DownloadConfig) -> list[Open]:
    """Trap 2 again: before the first inventory any package may be in the history. A lone one does no harm there."""
    if agent.inventoried:
        return new
    return [] if notified else new[:1]


def _absolute_priority(new: list[Open], notified: list[Open], _agent: Agent, _config: DownloadConfig) -> list[Open]:
    """Trap 9: a package of priority 0 succeeds and then starves whatever stands beside it. So it comes alone: it waits
    for those that the agent has, and those that the agent has not yet wait for it."""
    if any(one.priority == 0 for one in notified):
        return []
    if new and new[0].priority == 0:
        return [] if notified else new[:1]
    return new


# Each gets the newcomers by priority, and those that the agent knows; it gives the newcomers that remain.
RULES: Final = (_switched_off, _busy_child, _absolute_priority, _unknown_history)
