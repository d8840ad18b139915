"""Parameters of agents at three levels, the site's, groups' and a computer's own, and which of them hold. Pure.

They have the names, types and limits of the settings whose place they take. OCS's rules: a computer's own value comes
before those of its groups, these before the site's. Among groups the longest pause and the shortest of all else hold.
Deployment that is off anywhere is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from distd.domain.errors import BadInput
from distd.domain.settings import TABLE, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.settings import DownloadConfig, Settings

Number: TypeAlias = int  # of a bool: 0 or 1
Choice: TypeAlias = Callable[[Iterable[Number]], Number]

ON: Final = "download.on"
SETTINGS: Final = "settings"  # where a value comes from that no level has


class Level(StrEnum):
    """Whose parameter it is."""

    SITE = "site"
    GROUP = "group"
    COMPUTER = "computer"


def _most_inventories(days: Iterable[Number]) -> Number:
    """0: at every contact, -1: only the first."""
    return min(days, key=lambda number: (number < 0, number))


# What holds among several groups.
PARAMETERS: Final[Mapping[str, Choice]] = {
    ON: min,
    "download.frag_latency_s": max,
    "download.cycle_latency_s": max,
    "download.period_latency_s": max,
    "download.period_length": min,
    "download.timeout_days": min,
    "download.execution_timeout_min": min,
    "agents.prolog_freq_h": min,
    "agents.inventory_freq_days": _most_inventories,
}


@dataclass(frozen=True, slots=True)
class Effective:
    """A value that holds, and where it comes from: "settings", "site", "group NAME" or "computer"."""

    value: bool | int
    origin: str


@dataclass(frozen=True, slots=True)
class Own:
    """What is set for a computer: by its groups, by the names of these, and for itself."""

    groups: Mapping[str, Mapping[str, Number]]
    computer: Mapping[str, Number]


@dataclass(frozen=True, slots=True)
class AgentParameters:
    """What an agent is told beside its packages; `inventory_freq_days` decides whether it is asked for an inventory."""

    download: DownloadConfig
    prolog_freq_h: int
    inventory_freq_days: int


NOTHING: Final = Own({}, {})


def effective(settings: Settings, site: Mapping[str, Number], own: Own = NOTHING) -> dict[str, Effective]:
    """The parameters that hold for a computer, by their names."""
    return {name: _effective(name, settings, site, own) for name in PARAMETERS}


def of_settings(settings: Settings) -> AgentParameters:
    """What an agent is told where no level has a value."""
    return AgentParameters(settings.download, settings.agents.prolog_freq_h, settings.agents.inventory_freq_days)


def of_agent(settings: Settings, site: Mapping[str, Number], own: Own = NOTHING) -> AgentParameters:
    """The same, for the reply to an agent."""
    values = {name: each.value for name, each in effective(settings, site, own).items()}
    download = {name.partition(".")[2]: value for name, value in values.items() if name.startswith("download.")}
    return AgentParameters(
        replace(settings.download, **download),  # type: ignore[arg-type]
        int(values["agents.prolog_freq_h"]),
        int(values["agents.inventory_freq_days"]),
    )


def read_values(texts: Mapping[str, str]) -> dict[str, Number | None]:
    """Values by the names of parameters, as a command has them; an empty text: inherit. Raises `BadInput`."""
    return {
        name: int(TABLE[check_name(name)].parse_text(text, name)) if text.strip() else None
        for name, text in texts.items()
    }


def check_values(values: Mapping[str, object]) -> dict[str, Number | None]:
    """Values by the names of parameters, as JSON has them; None: inherit. Raises `BadInput`."""
    found: dict[str, Number | None] = {}
    for name, value in values.items():
        setting = TABLE[check_name(name)]
        found[name] = None if value is None else int(setting.accept(value, name))
    return found


def check_name(name: str) -> str:
    """The name, where it is one of a parameter. Raises `BadInput`."""
    if name not in PARAMETERS:
        raise BadInput(name, f"one of {', '.join(PARAMETERS)}", name, nearest(name, PARAMETERS))
    return name


def typed(name: str, number: Number) -> bool | int:
    """The value that a number stands for."""
    return bool(number) if name == ON else number


def _effective(name: str, settings: Settings, site: Mapping[str, Number], own: Own) -> Effective:
    setting = settings.value(name)
    base = Effective(typed(name, site[name]), Level.SITE) if name in site else Effective(int(setting), SETTINGS)
    if name == ON:
        base = replace(base, value=bool(base.value))
        if not setting:
            return Effective(False, SETTINGS)
        if not base.value:
            return base
    among = {group: values[name] for group, values in own.groups.items() if name in values}
    if among:
        number = PARAMETERS[name](among.values())
        group = min(group for group, value in among.items() if value == number)
        base = Effective(typed(name, number), f"{Level.GROUP} {group}")
    if name in own.computer and (name != ON or base.value):
        base = Effective(typed(name, own.computer[name]), Level.COMPUTER)
    return base
