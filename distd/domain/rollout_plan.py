"""What a roll-out is to do: its waves, when each opens, what halts it, its limits. As people write it, and in JSON.
Pure."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from distd.domain.errors import BadInput
from distd.domain.folding import fold
from distd.domain.units import parse_duration
from distd.domain.weekly_windows import parse_windows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

MAX_WAVES: Final = 50
MAX_NAME: Final = 100  # characters of a wave's name
MAX_TEXT: Final = 4096  # characters of a filter
MAX_RETRIES: Final = 10
MAX_AT_ONCE: Final = 1_000_000
MAX_WAIT_S: Final = 366 * 86_400.0
DEFAULT_SUCCESS_PERCENT: Final = 90
JUDGED_FROM: Final = 20
STALLED_AFTER_S: Final = 2 * 86_400.0


class WaveBy(StrEnum):
    """By what a wave has its computers; what the wave's `value` then is."""

    NUMBER = "number"  # how many
    SHARE = "share"  # percent of all computers of the roll-out
    GROUP = "group"  # the group's name
    FILTER = "filter"  # the filter's text
    REST = "rest"  # all that are in no wave before; nothing


@dataclass(frozen=True, slots=True)
class WavePlan:
    """A wave. It opens when `success_percent` of the wave before have a success, but not before `after_s` seconds since
    that one opened; with `by_hand` only when an operator opens it. Of the first wave these mean nothing."""

    by: WaveBy
    value: str = ""
    name: str = ""
    success_percent: int = DEFAULT_SUCCESS_PERCENT
    after_s: float = 0.0
    by_hand: bool = False

    @property
    def number(self) -> int:
        """Of a wave by number or share: the value."""
        return int(self.value)


@dataclass(frozen=True, slots=True)
class RolloutLimits:
    """What is not exceeded. `at_once`: computers that have the package assigned without a result, those that stall or
    stay away not counted. `bytes_per_s`: what these computers fetch together, by the schedule that agents are told.
    None: no limit."""

    at_once: int | None = None
    bytes_per_s: float | None = None

    def capacity(self, each_bytes_per_s: float) -> int | None:
        """How many computers may be busy, where one fetches `each_bytes_per_s`: at least 1. None: no limit."""
        found = [] if self.at_once is None else [self.at_once]
        if self.bytes_per_s is not None and each_bytes_per_s > 0:
            found.append(max(1, int(self.bytes_per_s / each_bytes_per_s)))
        return min(found, default=None)


@dataclass(frozen=True, slots=True)
class RolloutHalts:
    """What halts it: when of the computers of an open wave this share failed, or stalls; percent, None: never. An error
    share counts as soon as `judged_from` computers of a wave have a result, or when it is reached whatever the rest
    does. One stalls when it was notified, and nothing has come from it for `stalled_after_s` seconds."""

    error_percent: int | None = None
    stalled_percent: int | None = None
    judged_from: int = JUDGED_FROM
    stalled_after_s: float = STALLED_AFTER_S


NO_LIMITS: Final = RolloutLimits()
NO_HALTS: Final = RolloutHalts()


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """A roll-out. `windows`: the times of the week in which computers are assigned the package and waves open by
    themselves; text as `domain.weekly_windows` reads it, empty: always. `dynamic`: computers that begin to match join.
    `approval`: by another operator than the one who made it. `roll_back_to`: the id of the package that those get who
    have this one, when it is rolled back; "": it cannot be."""

    waves: tuple[WavePlan, ...]
    limits: RolloutLimits = NO_LIMITS
    halts: RolloutHalts = NO_HALTS
    start_at_s: float | None = None
    windows: str = ""
    dynamic: bool = False
    approval: bool = False
    retries: int = 0
    roll_back_to: str = ""

    def is_within(self, day: int, minute: int) -> bool:
        """Whether a day of the week, 0 to 6, at a minute of the day is in one of the windows."""
        windows = parse_windows(self.windows, "windows")
        return not windows or any(window.holds(day, minute) for window in windows)


def check_plan(plan: RolloutPlan) -> None:
    """Raise `BadInput` for what no roll-out can have. Whether groups and filters are there is not looked at."""
    if not 1 <= len(plan.waves) <= MAX_WAVES:
        raise BadInput("waves", f"1 to {MAX_WAVES} waves", len(plan.waves))
    for place, wave in enumerate(plan.waves):
        _check_wave(wave, f"waves.{place}", is_last=place == len(plan.waves) - 1)
    shares = sum(wave.number for wave in plan.waves if wave.by is WaveBy.SHARE)
    if shares > 100:
        raise BadInput("waves", "shares of at most 100 % together", f"{shares} %")
    limits, halts = plan.limits, plan.halts
    _check_range("limits.at_once", limits.at_once, 1, MAX_AT_ONCE)
    _check_range("limits.bytes_per_s", limits.bytes_per_s, 1, 1e15)
    _check_range("halts.error_percent", halts.error_percent, 1, 100)
    _check_range("halts.stalled_percent", halts.stalled_percent, 1, 100)
    _check_range("halts.judged_from", halts.judged_from, 1, MAX_AT_ONCE)
    _check_range("halts.stalled_after_s", halts.stalled_after_s, 60, MAX_WAIT_S)
    _check_range("retries", plan.retries, 0, MAX_RETRIES)
    parse_windows(plan.windows, "windows")


def _check_wave(wave: WavePlan, field: str, *, is_last: bool) -> None:
    if len(wave.name) > MAX_NAME or not wave.name.isprintable():
        raise BadInput(f"{field}.name", f"at most {MAX_NAME} printable characters", wave.name)
    if wave.by in (WaveBy.NUMBER, WaveBy.SHARE):
        high = 100 if wave.by is WaveBy.SHARE else MAX_AT_ONCE
        if not (wave.value.isdecimal() and wave.value.isascii() and len(wave.value) < 9 and 1 <= wave.number <= high):
            raise BadInput(f"{field}.value", f"a whole number from 1 to {high}", wave.value)
    elif wave.by is WaveBy.REST:
        if wave.value or not is_last:
            raise BadInput(field, "the rest as the last wave", wave.value or "waves after it")
    elif not wave.value.strip() or len(wave.value) > MAX_TEXT:
        raise BadInput(f"{field}.value", f"a {wave.by} of 1 to {MAX_TEXT} characters", wave.value)
    _check_range(f"{field}.success_percent", wave.success_percent, 0, 100)
    _check_range(f"{field}.after_s", wave.after_s, 0, MAX_WAIT_S)


def _check_range(field: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise BadInput(field, f"{low:,} to {high:,}", value)


WAVE_FORMAT: Final = (
    "`5`, `10%`, `group NAME`, `filter FILTER` or `rest`, a name and a colon before it where wanted, and after it, "
    "with `;` between them, `success 95%`, `after 2h`, `by hand`"
)
_NAMED: Final = re.compile(r"([\w -]{1,100}) ?:\s+(.*)", re.DOTALL)
# In English and in French, folded.
_SUCCESS: Final = re.compile(r"success? (\d{1,3})\s?%")
_AFTER: Final = re.compile(r"(?:after|apres) (.+)")
_BY_HAND: Final = ("by hand", "a la main")
_WHO: Final = {"group": WaveBy.GROUP, "groupe": WaveBy.GROUP, "filter": WaveBy.FILTER, "filtre": WaveBy.FILTER}
_REST: Final = ("rest", "reste", "le reste")


def parse_wave(text: str, field: str, default: WavePlan) -> WavePlan:
    """A wave as people write it, such as `pilot: 10%; success 95%; after 2h`, or in French `pilote : 10 %; succès 95 %;
    après 2h`; what it does not say is as in `default`.
    Raises `BadInput`."""
    named = _NAMED.fullmatch(text.strip())
    name, rest = (named[1].strip(), named[2]) if named else ("", text.strip())
    who, *conditions = (part.strip() for part in rest.split(";"))
    by, value = _read_who(who, field)
    found: dict[str, Any] = {}
    for condition in conditions:
        word = fold(condition)
        if success := _SUCCESS.fullmatch(word):
            found["success_percent"] = int(success[1])
        elif after := _AFTER.fullmatch(word):
            found["after_s"] = parse_duration(after[1], field)
        elif word in _BY_HAND:
            found["by_hand"] = True
        else:
            raise BadInput(field, WAVE_FORMAT, condition)
    values = {"success_percent": default.success_percent, "after_s": default.after_s, "by_hand": default.by_hand}
    return WavePlan(by, value, name, **(values | found))


def _read_who(text: str, field: str) -> tuple[WaveBy, str]:
    word, _, value = text.partition(" ")
    if word.lower() in _WHO and value.strip():
        return _WHO[word.lower()], value.strip()
    if text.lower() in _REST:
        return WaveBy.REST, ""
    number = text.removesuffix("%").strip()
    if number.isascii() and number.isdecimal():
        return (WaveBy.SHARE if text.endswith("%") else WaveBy.NUMBER), number
    raise BadInput(field, WAVE_FORMAT, text)


def describe_wave(wave: WavePlan) -> str:
    """Whom it is for, as `parse_wave` reads it."""
    return {WaveBy.NUMBER: wave.value, WaveBy.SHARE: f"{wave.value}%"}.get(wave.by, f"{wave.by} {wave.value}".strip())


def split(waves: Sequence[WavePlan], candidates: Sequence[Collection[int]]) -> list[int | None]:
    """The wave of each computer, by its place in `waves`; None: it is in none. `candidates`: of each computer, in the
    order in which they are taken, the waves by group or filter that it matches. Each is in the first that takes it."""
    found: list[int | None] = [None] * len(candidates)
    for place, wave in enumerate(waves):
        left = [index for index, taken in enumerate(found) if taken is None]
        if wave.by in (WaveBy.GROUP, WaveBy.FILTER):
            left = [index for index in left if place in candidates[index]]
        elif wave.by is WaveBy.NUMBER:
            left = left[: wave.number]
        elif wave.by is WaveBy.SHARE:
            left = left[: -(-wave.number * len(candidates) // 100)]
        for index in left:
            found[index] = place
    return found


def wave_to_join(waves: Sequence[WavePlan], opened: int, matched: Collection[int]) -> int | None:
    """The wave that a computer joins which begins to match when `opened` waves are open: the first of the last open one
    and the later ones whose group or filter it matches, or which has the rest; a wave by number or share has the size
    it has, unless it is the last. None: no wave takes it."""
    last = len(waves) - 1
    for place in range(max(0, opened - 1), len(waves)):
        by = waves[place].by
        if place in matched or by is WaveBy.REST or (place == last and by in (WaveBy.NUMBER, WaveBy.SHARE)):
            return place
    return None


def write_plan(plan: RolloutPlan) -> dict[str, Any]:
    """As JSON has it: `read_plan` reads it."""
    return asdict(plan)


def read_plan(found: Mapping[str, Any], field: str = "plan") -> RolloutPlan:
    """The plan that JSON says. Raises `BadInput` for names that are unknown and values of a wrong type; `check_plan`
    looks at the values."""
    values = dict(found)
    waves = values.get("waves", ())
    if not isinstance(waves, list | tuple):
        raise BadInput(f"{field}.waves", "a list of waves", waves)
    values["waves"] = tuple(_read(WavePlan, wave, f"{field}.waves.{place}") for place, wave in enumerate(waves))
    for name, record in (("limits", RolloutLimits), ("halts", RolloutHalts)):
        if name in values:
            values[name] = _read(record, values[name], f"{field}.{name}")
    plan: RolloutPlan = _read(RolloutPlan, values, field)
    return plan


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
}


def _read(record: type[Any], found: Any, field: str) -> Any:
    if not isinstance(found, dict):
        raise BadInput(field, "an object", found)
    known = {each.name: str(each.type) for each in fields(record)}
    values = dict(found)
    for name, value in values.items():
        if name not in known:
            raise BadInput(f"{field}.{name}", f"one of {', '.join(known)}", name)
        if known[name] == "WaveBy":
            if value not in list(WaveBy):
                raise BadInput(f"{field}.{name}", f"one of {', '.join(WaveBy)}", value)
            values[name] = WaveBy(value)
        allowed = _TYPES.get(known[name])
        if allowed and (not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed)):
            raise BadInput(f"{field}.{name}", known[name], value)
    if record is WavePlan and "by" not in values:
        raise BadInput(f"{field}.by", f"one of {', '.join(WaveBy)}", "nothing")
    return record(**values)
