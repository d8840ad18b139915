"""When an agent takes its turns: periods, cycles and priorities, in the three dialects.

A period is `period_length` cycles, numbered from 1. In cycle i every package with i mod priority = 0 gets one turn (one
fragment, or, when none is left, its assembly), and then the fragment latency. The cycle latency follows the cycle, the
period latency the period. The rules, and the faults of the Unix agent that `_unix` keeps, come from the published
sources of the stock agents (2.10).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from distd.domain.records import Dialect
from distd.domain.settings import DownloadConfig

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from fractions import Fraction


class Reason(StrEnum):
    """Why an agent pauses, in the words of its log."""

    FRAGMENT = "fragment latency"
    CYCLE = "cycle latency"
    PERIOD = "period latency"


@dataclass(frozen=True, slots=True)
class Turn:
    """A package has its turn."""

    package_id: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The agent waits."""

    reason: Reason
    seconds: int


Step = Turn | Pause
Config = DownloadConfig | Callable[[], DownloadConfig]

WINDOWS_EXTRA_PERIOD_S = 1

# Agents have few different turns and pauses.
_pause = lru_cache(maxsize=1024)(Pause)
_turn = lru_cache(maxsize=4096)(Turn)


def turns(dialect: Dialect, config: Config, packages: Mapping[str, int]) -> Iterator[Step]:
    """The turns and pauses of one agent, for as long as it has packages.

    `packages` (id → priority, in the order of their turns) is a live view: the caller removes a finished package during
    its turn, and one that it adds takes part from the next period on. `config` is either fixed or a callable that is
    called at the start of each period. Pauses of 0 s are yielded too.

    It ends when a period starts without a package, or with downloads switched off. With `Dialect.UNIX` it may also end
    while packages are left: the stock agent's process has then died, and only the next contact starts it again.
    """
    ask = config if callable(config) else lambda: config
    return _DIALECTS[dialect](ask, packages)


def gets_no_turn(priority: int, config: DownloadConfig) -> bool:
    """Whether a package of this priority gets no turn at all, because no cycle's number reaches its priority."""
    return max(priority, 1) > config.period_length


def _native(ask: Callable[[], DownloadConfig], packages: Mapping[str, int]) -> Iterator[Step]:
    while packages and (config := ask()).on:
        joined = list(packages)
        for cycle in range(1, config.period_length + 1):
            first = [package_id for package_id in joined if packages.get(package_id) == 0]
            yield from _cycle(first or _due(joined, packages, cycle), packages, config)
            if not first:
                yield _pause(Reason.CYCLE, config.cycle_latency_s)
        yield _pause(Reason.PERIOD, config.period_latency_s)


def _windows(ask: Callable[[], DownloadConfig], packages: Mapping[str, int]) -> Iterator[Step]:
    while packages and (config := ask()).on:
        # Priority 0 keeps all others out for the whole period, even if it is finished before the period ends.
        joined = [package_id for package_id in packages if packages[package_id] == 0] or list(packages)
        for cycle in range(1, config.period_length + 1):
            yield from _cycle(_due(joined, packages, cycle), packages, config)
            yield _pause(Reason.CYCLE, config.cycle_latency_s)
        yield _pause(Reason.PERIOD, config.period_latency_s + WINDOWS_EXTRA_PERIOD_S)


def _unix(ask: Callable[[], DownloadConfig], packages: Mapping[str, int]) -> Iterator[Step]:
    """As `_native`, with the stock agent's list of packages of priority 0, which lives as long as its process.

    Every period appends the unfinished packages again, so that they get one more turn in each cycle. When a package is
    finished, only its first entry is removed, and the list gets shorter only if that was the last of the list. The
    stale entries that remain keep the list from being empty, so no other package has a turn again; each costs a
    fragment latency. If the list does become empty, the agent divides by the missing priority of a stale entry, and
    dies.
    """
    absolute: list[str | None] = []
    met_stale = False
    while packages and (config := ask()).on:
        joined = list(packages)
        absolute += [package_id for package_id in joined if packages[package_id] == 0]
        for cycle in range(1, config.period_length + 1):
            if absolute:
                met_stale = (yield from _absolute_cycle(absolute, packages, config)) or met_stale
                continue
            if met_stale:
                return
            yield from _cycle(_due(joined, packages, cycle), packages, config)
            yield _pause(Reason.CYCLE, config.cycle_latency_s)
        yield _pause(Reason.PERIOD, config.period_latency_s)


def _absolute_cycle(
    absolute: list[str | None], packages: Mapping[str, int], config: DownloadConfig
) -> Generator[Step, None, bool]:
    """One cycle over the Unix agent's list, which may shrink meanwhile. Returns whether it met a stale entry."""
    met_stale = False
    index = 0
    while index < len(absolute):
        entry = absolute[index]
        if entry in packages and entry is not None:
            yield _turn(entry)
            if entry not in packages:
                _remove_first(absolute, entry)
        else:
            met_stale = True
        yield _pause(Reason.FRAGMENT, config.frag_latency_s)
        index += 1
    return met_stale


def _remove_first(absolute: list[str | None], entry: str) -> None:
    """As Perl's `delete` on an array element: it leaves a hole, or, at the end, a shorter array."""
    first = absolute.index(entry)
    absolute[first] = None
    if first == len(absolute) - 1:
        while absolute and absolute[-1] is None:
            absolute.pop()


def _due(joined: Iterable[str], packages: Mapping[str, int], cycle: int) -> list[str]:
    return [package_id for package_id in joined if package_id in packages and cycle % max(packages[package_id], 1) == 0]


def _cycle(chosen: Iterable[str], packages: Mapping[str, int], config: DownloadConfig) -> Iterator[Step]:
    pause = _pause(Reason.FRAGMENT, config.frag_latency_s)
    for package_id in chosen:
        if package_id in packages:
            yield _turn(package_id)
            yield pause


def start_s(
    dialect: Dialect, config: DownloadConfig, priority: int, turn: int, fetch_s: float | Fraction
) -> float | Fraction:
    """Seconds from the start of the first period to the start of turn `turn` (from 1) of a package that is alone.

    Each earlier turn took `fetch_s`. Exact when `fetch_s` is an int or a Fraction. `math.inf` when there is no such
    turn. A package of n fragments is assembled in turn n + 1.
    """
    if gets_no_turn(priority, config):
        return math.inf
    before, length = turn - 1, config.period_length
    step_s = fetch_s + config.frag_latency_s
    if priority == 0 and dialect is not Dialect.WINDOWS:
        # Unix: m periods hold length·(1 + 2 + … + m) turns; native: length·m.
        periods = _unix_priority_0_periods(before, length) if dialect is Dialect.UNIX else before // length
        return before * step_s + periods * config.period_latency_s
    priority = max(priority, 1)
    period_s = config.period_latency_s + (WINDOWS_EXTRA_PERIOD_S if dialect is Dialect.WINDOWS else 0)
    periods, rest = divmod(before, length // priority)
    cycles = periods * length + (rest + 1) * priority - 1
    return before * step_s + cycles * config.cycle_latency_s + periods * period_s


def arrival_s(
    dialect: Dialect, config: DownloadConfig, priority: int, turn: int, fetch_s: float | Fraction
) -> float | Fraction:
    """Seconds from the start of the first period until the fragment of turn `turn` has arrived; else as `start_s`."""
    return start_s(dialect, config, priority, turn, fetch_s) + fetch_s


def _unix_priority_0_periods(before: int, length: int) -> int:
    """The largest m with length·m(m+1)/2 ≤ before."""
    return (math.isqrt(1 + 8 * (before // length)) - 1) // 2


_DIALECTS = {Dialect.NATIVE: _native, Dialect.WINDOWS: _windows, Dialect.UNIX: _unix}
