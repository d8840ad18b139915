"""How a package would be cut, before it is made: size and number of fragments bound to each other, and how long an
agent's pauses make it last. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain import schedule
from distd.domain.errors import BadInput
from distd.domain.fragment_plan import DEFAULT_FRAGMENT_BYTES, MAX_FRAGMENTS, MIN_FRAGMENT_BYTES

if TYPE_CHECKING:
    from distd.domain.records import Dialect
    from distd.domain.settings import DownloadConfig

MAX_POINTS: Final = 60  # of the course of a download
ROUNDS: Final = 100  # of an iteration; near a load of 1 it would take more, where it hardly matters
SHARES: Final = (50, 95, 100)  # of many agents, in %


@dataclass(frozen=True, slots=True)
class Cut:
    """`total_bytes` in `count` fragments of `fragment_bytes`, of which the last may be shorter. `by_count`: the number
    was asked for, and the size follows from it."""

    total_bytes: int
    fragment_bytes: int
    count: int
    by_count: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """How an agent that has only this package gets it, in seconds from its contact. `fetched`: (when, how many
    fragments are there then), some of them; `done_s`: it is assembled."""

    fetched: tuple[tuple[float, int], ...]
    done_s: float


def finish_of_many(
    agents: int, course: Course, cut: Cut, contact_every_s: float, shared_bytes_per_s: float | None = None
) -> dict[int, float]:
    """By share of so many agents (%), when they have the package, in seconds from its activation: agents make contacts
    evenly over `contact_every_s`, and each then takes its course. `shared_bytes_per_s`: what the server sends to all of
    them together at most; None: no limit.

    It is what a simulation gives where lines between are not full; at most one course more where the server is the
    limit, as agents pause while others are served.
    """
    load = 0.0
    if shared_bytes_per_s is not None:
        load = agents * cut.total_bytes / shared_bytes_per_s / contact_every_s
    return {share: _finish(share / 100, load, cut.count) * contact_every_s + course.done_s for share in SHARES}


def _finish(share: float, load: float, count: int) -> float:
    """When a share of the agents has been sent `count` fragments each, in the time over which they come. `load`: in how
    much of that time the server could send all.

    With one fragment they are served in the order in which they come. With very many all are served at once, each at
    the same rate: the fluid limit of processor sharing, in which those that come evenly leave evenly as long as others
    come, later by a factor. With some it is between, exactly so where all come at once.
    """
    if load <= 1:
        return share
    late = 1.0  # 1 - 1 / that factor, the root of late = 1 - exp(-load * late)
    for _ in range(ROUNDS):
        late = 1 - math.exp(-load * late)
    shared = share / (1 - late) if share <= 1 - late else _finish_after(share, load, late)
    in_order = share * load
    return in_order + (1 - 1 / count) * (shared - in_order)


def _finish_after(share: float, load: float, late: float) -> float:
    """Of a share that is not done when the last ones come."""
    return 1 + (math.log(share) + load * late - share + 1 - late) / late


def cut_by_size(total_bytes: int, fragment_bytes: int | None = None) -> Cut:
    """None: the default, or one fragment where that is more than the whole. Raises `BadInput`."""
    if fragment_bytes is None:
        fragment_bytes = min(DEFAULT_FRAGMENT_BYTES, max(total_bytes, MIN_FRAGMENT_BYTES))
    if fragment_bytes < MIN_FRAGMENT_BYTES:
        raise BadInput("fragments.size_bytes", "at least 1024 bytes (1KiB)", fragment_bytes)
    count = max(1, -(-total_bytes // fragment_bytes))
    if count > MAX_FRAGMENTS:
        hint = f"for this file use at least {-(-total_bytes // MAX_FRAGMENTS)} bytes"
        raise BadInput("fragments.size_bytes", f"at most {MAX_FRAGMENTS} fragments", f"{count} fragments", hint)
    return Cut(total_bytes, fragment_bytes, count)


def cut_by_count(total_bytes: int, count: int) -> Cut:
    """Raises `BadInput`."""
    most = min(MAX_FRAGMENTS, max(1, total_bytes // MIN_FRAGMENT_BYTES))
    if not 1 <= count <= most:
        raise BadInput("fragments.count", f"1 to {most} for {total_bytes} bytes, each of at least 1024", count)
    return Cut(total_bytes, -(-total_bytes // count), count, by_count=True)


def course_of(cut: Cut, priority: int, dialect: Dialect, config: DownloadConfig, line_bytes_per_s: float) -> Course:
    """With the pauses of `config`, and a line of so many bytes a second. `done_s` is infinite where an agent never gets
    a turn."""
    fetch_s = cut.total_bytes / cut.count / line_bytes_per_s
    step = max(1, -(-cut.count // MAX_POINTS))
    turns = [*range(1, cut.count, step), cut.count]
    fetched = tuple((float(schedule.arrival_s(dialect, config, priority, turn, fetch_s)), turn) for turn in turns)
    return Course(fetched, float(schedule.start_s(dialect, config, priority, cut.count + 1, fetch_s)))
