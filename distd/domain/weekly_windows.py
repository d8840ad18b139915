"""Times of a week: `mon-fri 8-18`, `sat,sun`, `22:30-6`, with `;` between several; in French `lun-ven 8h-18h`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from distd.domain.errors import BadInput
from distd.domain.units import DAY_MIN, read_weekday

EVERY_DAY: Final = frozenset(range(7))
MAX_WINDOWS: Final = 32
EXPECTED: Final = "times such as `mon-fri 18-6; sat,sun`: days, hours, or both, with `;` between them"
_HOURS: Final = re.compile(r"(\d{1,2})(?:[:h](\d\d)|h)?-(\d{1,2})(?:[:h](\d\d)|h)?")


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """A time of the week. `days` counts from Monday, 0. `begin_min` and `end_min` are minutes of the day; an end that
    is not after the beginning is on the next day."""

    days: frozenset[int] = EVERY_DAY
    begin_min: int = 0
    end_min: int = DAY_MIN

    def holds(self, day: int, minute: int) -> bool:
        """Whether this day of the week, 0 to 6, at this minute of the day, 0 to 1439, is within it."""
        if self.begin_min < self.end_min:
            return day in self.days and self.begin_min <= minute < self.end_min
        # After midnight it is still the period of the day before.
        return (day in self.days and minute >= self.begin_min) or ((day - 1) % 7 in self.days and minute < self.end_min)


def parse_windows(text: str, field: str) -> tuple[WeeklyWindow, ...]:
    """The windows in `text`; none when it is empty. Raises `BadInput`."""
    windows = tuple(_window(part, field) for part in text.split(";") if part.strip())
    if len(windows) > MAX_WINDOWS:
        raise BadInput(field, f"at most {MAX_WINDOWS} times", len(windows))
    return windows


def _window(text: str, field: str) -> WeeklyWindow:
    days, hours = None, None
    for word in text.lower().split():
        found_days, found_hours = read_days(word), read_hours(word)
        if (found_days is None and found_hours is None) or (found_days and days) or (found_hours and hours):
            raise BadInput(field, EXPECTED, text.strip())
        days, hours = days or found_days, hours or found_hours
    return WeeklyWindow(days or EVERY_DAY, *(hours or (0, DAY_MIN)))


def read_days(word: str) -> frozenset[int] | None:
    """Of "mon-fri,sun" the days, from Monday, 0; None: it is something else."""
    days: set[int] = set()
    for part in word.split(","):
        first, _, last = part.partition("-")
        begin, end = read_weekday(first), read_weekday(last or first)
        if begin is None or end is None:
            return None
        days |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return frozenset(days)


def read_hours(word: str) -> tuple[int, int] | None:
    """Of "8-18" or "22:30-6" the first minute of the day and the one after the last; None: it is something else."""
    match = _HOURS.fullmatch(word)
    if match is None:
        return None
    begin_h, begin, end_h, end = (int(group or 0) for group in match.groups())
    begin_min, end_min = begin_h * 60 + begin, end_h * 60 + end
    if begin > 59 or end > 59 or begin_min >= DAY_MIN or end_min > DAY_MIN or begin_min == end_min:
        return None
    return begin_min, end_min
