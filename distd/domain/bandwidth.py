"""Rules that limit bandwidth: for which addresses, when, and to which rate.

A rule is a rate and, in any order, its conditions: `2MB/s mon-fri 8-18; 500kB/s 10.1.0.0/16; 64kB/s each`. Without a
network it is for all addresses. The rate is shared by all connections that the rule is for; with `each`, every
connection has it for itself. Days and hours are in the server's local time. All rules that apply hold together.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final, TypeAlias

from distd.domain.errors import BadInput
from distd.domain.units import DAY_MIN, split_rate
from distd.domain.weekly_windows import EVERY_DAY, WeeklyWindow, read_days, read_hours

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_RULES: Final = 64
EXPECTED: Final = (
    "rules such as `2MB/s mon-fri 8-18`, with `;` between them: a rate (kB/s, MB/s, KiB/s, MiB/s, kbit/s, Mbit/s …) "
    "and, where wanted, a network (10.1.0.0/16), `each`, days (mon-fri,sun), hours (8-18, 22:30-6)"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit, and when and for which addresses it applies.

    `days` counts from Monday, 0. `begin_min` and `end_min` are minutes of the day; an end that is not after the
    beginning is on the next day.
    """

    text: str
    bytes_per_s: float
    each: bool = False
    network: Network | None = None
    days: frozenset[int] = EVERY_DAY
    begin_min: int = 0
    end_min: int = DAY_MIN

    def covers(self, address: str) -> bool:
        """Whether it is for this address. Anything else (the name of a Unix socket) is in no network."""
        if self.network is None:
            return True
        try:
            return ipaddress.ip_address(address) in self.network
        except ValueError:
            return False

    def applies(self, day: int, minute: int) -> bool:
        """Whether it is in force on this day of the week, 0 to 6, at this minute of the day, 0 to 1439."""
        return WeeklyWindow(self.days, self.begin_min, self.end_min).holds(day, minute)


def parse(text: str, where: str) -> tuple[Rule, ...]:
    """The rules in `text`; none when it is empty. Raises `BadInput` that names `where` it stood, and the rule."""
    rules = tuple(_rule(part.strip(), where) for part in text.split(";") if part.strip())
    if len(rules) > MAX_RULES:
        raise BadInput(where, f"at most {MAX_RULES} rules", len(rules))
    return rules


def _rule(text: str, where: str) -> Rule:
    rate = split_rate(text)
    if rate is None:
        raise BadInput(where, EXPECTED, text)
    bytes_per_s, conditions = rate
    found: dict[str, object] = {}
    for word in conditions.lower().split():
        for read in _READERS:
            values = read(word)
            if values is not None:
                break
        else:
            raise BadInput(where, EXPECTED, f"`{word}` in `{text}`")
        if values.keys() & found.keys():
            raise BadInput(where, "each kind of condition once in a rule", f"`{word}` in `{text}`")
        found |= values
    if bytes_per_s < 1:
        raise BadInput(where, "at least 1 byte a second", text)
    return Rule(text, bytes_per_s, **found)  # type: ignore[arg-type]


def _each(word: str) -> dict[str, object] | None:
    return {"each": True} if word == "each" else None


def _network(word: str) -> dict[str, object] | None:
    if "." not in word and ":" not in word:
        return None
    try:
        return {"network": ipaddress.ip_network(word)}
    except ValueError:
        return None


def _days(word: str) -> dict[str, object] | None:
    days = read_days(word)
    return None if days is None else {"days": days}


def _hours(word: str) -> dict[str, object] | None:
    hours = read_hours(word)
    return None if hours is None else {"begin_min": hours[0], "end_min": hours[1]}


_READERS: Final = (_each, _days, _hours, _network)
