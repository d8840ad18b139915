"""Fragment plans: the lengths into which a package is cut. The concatenation of the fragments is the package."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain import schedule
from distd.domain.errors import BadInput
from distd.domain.records import Dialect

if TYPE_CHECKING:
    from distd.domain.settings import DownloadConfig

MIN_FRAGMENT_BYTES: Final = 1024
MAX_FRAGMENTS: Final = 1_000_000
DEFAULT_FRAGMENT_BYTES: Final = 1_048_576

# The allowed average of content-defined fragments, whose lengths are from a fifth to about three times the average.
AVERAGES: Final = range(8 * MIN_FRAGMENT_BYTES, 4_194_304 + 1)


@dataclass(frozen=True, slots=True)
class BySize:
    """All fragments of one size but the last."""

    fragment_bytes: int = DEFAULT_FRAGMENT_BYTES


@dataclass(frozen=True, slots=True)
class ByCount:
    """A number of fragments, as equal as possible."""

    count: int


@dataclass(frozen=True, slots=True)
class ByDuration:
    """So many fragments that the latencies of an agent add up to about this duration; transfers take time besides."""

    duration_s: float
    priority: int
    config: DownloadConfig


@dataclass(frozen=True, slots=True)
class ByContent:
    """Boundaries depend on the content: a change in one place leaves the fragments elsewhere as they were."""

    average_bytes: int = DEFAULT_FRAGMENT_BYTES


Plan = BySize | ByCount | ByDuration | ByContent


def check(plan: Plan) -> None:
    """Check what can be checked before the size of the package is known. Raises `BadInput`."""
    match plan:
        case ByCount(count) if not 1 <= count <= MAX_FRAGMENTS:
            raise BadInput("fragments.count", f"1 to {MAX_FRAGMENTS}", count)
        case ByContent(average_bytes) if average_bytes not in AVERAGES:
            expected = f"{AVERAGES[0]} to {AVERAGES[-1]} bytes on average when it is cut by content"
            raise BadInput("fragments.size_bytes", expected, average_bytes)
        case BySize():
            lengths(plan, 0)
        case ByDuration():
            count_within(plan)


def text_of(plan: Plan) -> str:
    """A plan in one word, as `read_plan` takes it."""
    match plan:
        case BySize(number):
            return f"size:{number}"
        case ByCount(number):
            return f"count:{number}"
        case ByDuration(seconds):
            return f"duration:{seconds:g}"
        case ByContent(number):
            return f"content:{number}"


def read_plan(text: str, priority: int, config: DownloadConfig) -> Plan:
    """What `text_of` has written; the default for an empty text."""
    kind, _, number = text.partition(":")
    match kind:
        case "size":
            return BySize(int(number))
        case "count":
            return ByCount(int(number))
        case "duration":
            return ByDuration(float(number), priority, config)
        case "content":
            return ByContent(int(number))
    return BySize()


def lengths(plan: BySize | ByCount | ByDuration, size_bytes: int) -> list[int]:
    """The lengths of the fragments of a package of `size_bytes`, in order. Raises `BadInput`."""
    match plan:
        case BySize(fragment_bytes):
            return by_size(size_bytes, fragment_bytes)
        case ByCount(count):
            return by_count(size_bytes, count)
        case ByDuration():
            return by_count(size_bytes, max(1, min(count_within(plan), size_bytes // MIN_FRAGMENT_BYTES)))


def count_within(plan: ByDuration) -> int:
    """The most fragments that an agent has fetched and assembled when the duration ends.

    Raises `BadInput` when not even one is, or when there are no latencies to spread them by.
    """
    if schedule.gets_no_turn(plan.priority, plan.config):
        raise BadInput("priority", f"at most download.period_length, {plan.config.period_length}", plan.priority)
    assembled_s = _AssemblyTimes(plan)
    if assembled_s[MAX_FRAGMENTS] <= plan.duration_s:
        hint = "see the settings download.*_latency_s"
        raise BadInput("fragments.duration_s", "a time that the latencies can fill", f"{plan.duration_s:g} s", hint)
    count = bisect_right(assembled_s, plan.duration_s, lo=1, hi=MAX_FRAGMENTS) - 1
    if count < 1:
        raise BadInput(
            "fragments.duration_s", f"at least {assembled_s[1]:g} s with these latencies", f"{plan.duration_s:g} s"
        )
    return count


class _AssemblyTimes:
    """When a package of n fragments is assembled, in seconds, by n: a sequence that grows, as `bisect` needs it."""

    def __init__(self, plan: ByDuration) -> None:
        self._plan = plan

    def __len__(self) -> int:
        return MAX_FRAGMENTS + 1

    def __getitem__(self, count: int) -> float:
        return float(schedule.start_s(Dialect.NATIVE, self._plan.config, self._plan.priority, count + 1, 0))


def by_size(size_bytes: int, fragment_bytes: int) -> list[int]:
    """Lengths of the fragments in order: all of `fragment_bytes` but the last.

    A file of no bytes still has one fragment, of no bytes: FRAGS=0 is for a command without a file.
    """
    if fragment_bytes < MIN_FRAGMENT_BYTES:
        raise BadInput("fragments.size_bytes", "at least 1024 bytes (1KiB)", fragment_bytes)
    full, rest = divmod(size_bytes, fragment_bytes)
    count = full + bool(rest or not full)
    if count > MAX_FRAGMENTS:
        smallest = -(-size_bytes // MAX_FRAGMENTS)
        hint = f"for this file use at least {smallest} bytes"
        raise BadInput("fragments.size_bytes", f"at most {MAX_FRAGMENTS} fragments", f"{count} fragments", hint)
    return [fragment_bytes] * full + [rest] * (count - full)


def by_count(size_bytes: int, count: int) -> list[int]:
    """Lengths of exactly `count` fragments, as equal as possible: the first ones are a byte longer."""
    most = min(MAX_FRAGMENTS, max(1, size_bytes // MIN_FRAGMENT_BYTES))
    if not 1 <= count <= most:
        raise BadInput("fragments.count", f"1 to {most} for {size_bytes} bytes, each of at least 1024", count)
    length, longer = divmod(size_bytes, count)
    return [length + 1] * longer + [length] * (count - longer)
