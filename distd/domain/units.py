"""Sizes, volumes, rates, durations, shares and times as people write them: read and written here, and nowhere else.

Inside the program all of them are plain numbers in base units: bytes, bytes a second, seconds, 0 to 1, Unix time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.domain.folding import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive, as the times that are compared with it
MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400
DAY_MIN: Final = 24 * 60
WEEK_MIN: Final = 7 * DAY_MIN
MAX_YEARS: Final = 100
_YEAR_S: Final = 365.25 * DAY_S
MAX_DURATION_S: Final = MAX_YEARS * _YEAR_S  # more is a slip of the finger, and over what clocks and databases have

# Of each day of the week, from Monday, what a word for it is the beginning of: at least three letters.
WEEKDAYS: Final = tuple(
    zip(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        strict=True,
    )
)
_DAYS_FROM_TODAY: Final = {"yesterday": -1, "hier": -1, "today": 0, "aujourd'hui": 0, "tomorrow": 1, "demain": 1}
_NOW: Final = ("now", "maintenant")
# Dates and times of the command line and of forms, in local time; the day first, as French and British people write it.
DATE_FORMATS: Final = (
    *("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d"),
    *("%d/%m/%Y %H:%M", "%d/%m/%Y"),
)

# French: "o" (octet) for B, "j" (jour) for d.
_DECIMAL: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_PREFIXES: Final = _DECIMAL | {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
# A bare letter counts in powers of two, as in `dd` and `split`.
_BARE: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_SIZE_UNITS: Final = _BARE | {f"{prefix}{unit}": factor for prefix, factor in _PREFIXES.items() for unit in "bo"}
_DURATION_UNITS: Final = {
    "": 1,
    "s": 1,
    "min": MINUTE_S,
    "h": HOUR_S,
    "d": DAY_S,
    "j": DAY_S,
    "hours": HOUR_S,
    "heures": HOUR_S,
    "day": DAY_S,
    "days": DAY_S,
    "jour": DAY_S,
    "jours": DAY_S,
}

_SIZE: Final = re.compile(r"([0-9]{1,15})\s*([a-zA-Z]*)")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:[.,][0-9]{1,3})?)\s*([a-z]*)")
_RATE: Final = re.compile(r"([0-9]{1,12}(?:[.,][0-9]{1,6})?)\s*([kmg]i?|)(b|bit|o)/s", re.IGNORECASE)
_SHARE: Final = re.compile(r"([0-9]{1,3}(?:[.,][0-9]{1,6})?)\s*%")
# A day, or none, and a time of it: "fri 18", "18h00", "demain".
_DAY_AND_TIME: Final = re.compile(r"([a-z][a-z']*\.?)?\s*(?:([0-9]{1,2})(?:[:h]([0-9]{2})|h)?)?")
_AT: Final = re.compile(r"\s+(?:at|a)\s+")  # as `fold` leaves "à"
_FRENCH_HOUR: Final = re.compile(r"([0-9])h([0-9]{2})$")

# Units of figures that are compared with a limit. As decimals: 99.9 % is to be just 0.999.
FIGURE_UNITS: Final[Mapping[str, Decimal]] = {
    "": Decimal(1),
    "%": Decimal("0.01"),
    "us": Decimal("0.000001"),
    "ms": Decimal("0.001"),
    **{unit: Decimal(seconds) for unit, seconds in _DURATION_UNITS.items() if unit in ("s", "min", "h")},
    "/s": Decimal(1),
    **{f"{unit}B": Decimal(_PREFIXES[unit.lower()]) for unit in ("k", "M", "G")},
    **{f"{unit}B/s": Decimal(_PREFIXES[unit.lower()]) for unit in ("k", "M")},
}


# --- reading -----------------------------------------------------------------------------------------------------
# `field` is what the user calls the value: an option, a setting. All raise `BadInput` that names it.


def parse_size(text: str, field: str) -> int:
    """Bytes of "1MiB", "512kB", "64 KiB", "1000"."""
    match = _SIZE.fullmatch(text.strip())
    unit = _SIZE_UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise BadInput(field, "a size such as 1MiB, 512KiB or 65536", text)
    return int(match[1]) * unit


def parse_integer(text: str, field: str, low: int, high: int, expected: str = "") -> int:
    """A whole number in ASCII digits, however many there are. `expected`: what an error says instead of the limits."""
    digits = text.lstrip("0") or "0"
    is_number = text.isascii() and text.isdecimal() and len(digits) <= len(str(high))
    if not (is_number and low <= int(digits) <= high):
        raise BadInput(field, expected or f"{low} to {high}", text)
    return int(digits)


def parse_duration(text: str, field: str, max_s: float = MAX_DURATION_S) -> float:
    """Seconds, at most `max_s`, of "2h", "90 min", "1.5d", "7200"."""
    match = _DURATION.fullmatch(text.strip().lower())
    unit = _DURATION_UNITS.get(match[2]) if match else None
    if match is None or unit is None:
        raise BadInput(field, "a time such as 2h, 90min or 1.5d", text)
    duration_s = _number(match[1]) * unit
    if duration_s > max_s:
        raise BadInput(field, "a time such as 2h, 90min or 1.5d", text, f"it is over {max_s / _YEAR_S:,.0f} years")
    return duration_s


def parse_rate(text: str, field: str) -> float:
    """Bytes a second, at least 1, of "64kB/s", "2MiB/s", "4 Mbit/s"."""
    found = split_rate(text.strip())
    if found is None or found[1] or found[0] < 1:
        raise BadInput(field, "a rate such as 64kB/s, 5MB/s or 4Mbit/s", text)
    return found[0]


def split_rate(text: str) -> tuple[float, str] | None:
    """The rate at the beginning of a text, in bytes a second, and the rest of the text; None: there is no rate."""
    match = _RATE.match(text)
    if match is None:
        return None
    number, prefix, kind = match.groups()
    bits = 8 if kind.lower() == "bit" else 1
    return _number(number) * _PREFIXES[prefix.lower()] / bits, text[match.end() :]


def parse_share(text: str, field: str) -> float:
    """0 to 1, of "0%" to "100%"."""
    match = _SHARE.fullmatch(text.strip())
    if match is None or _number(match[1]) > 100:
        raise BadInput(field, "a share such as 5%", text)
    return _number(match[1]) / 100


def parse_weekday_time(text: str, field: str) -> int:
    """Minutes after Monday 0:00 of "wed", "wed 8", "wed 8:30"."""
    minutes = _minute_of_week(text)
    if minutes is None:
        raise BadInput(field, "a day and a time such as mon 8:30", text)
    return minutes


def parse_deadline(text: str, field: str, now: datetime) -> float:
    """Seconds from `now` to "18:00", "tomorrow 8:00" or "fri 18:00" (the next one), to "2026-11-27 18:00", or of "2h".

    Also as French writes it: "demain 8h", "vendredi 18h30", "27/11/2026 18:00", "2 jours". `now` is local time, naive:
    the clocks may change between it and then. A time that is not after `now` is refused.
    """
    found = _named_time(text, now)
    if found is None:
        try:
            return parse_duration(text, field)
        except BadInput as error:
            raise BadInput(field, "a time such as 18:00, fri 18:00, 2026-11-27 18:00 or 2h", text, error.hint) from None
    then, every_days = found
    if then <= now:
        then += timedelta(days=every_days)
    if then <= now:
        raise BadInput(field, "a time that is yet to come", text)
    if (then - now).total_seconds() > MAX_DURATION_S:
        raise BadInput(field, f"a time within the next {MAX_YEARS} years", text)
    return then.timestamp() - now.timestamp()


def parse_moment(text: str, field: str, now: datetime) -> float:
    """A time that is yet to come, in Unix time: "now", or as `parse_deadline` reads it."""
    return now.timestamp() + (0.0 if _is_now(text) else parse_deadline(text, field, now))


def parse_past(text: str, field: str, now: datetime) -> float:
    """A time that has passed, in Unix time: "now", "7d" (ago), "yesterday", "2026-11-27 18:00", or "18:00" or
    "fri 18:00" (the last one); in French as `parse_deadline` reads it.

    `now` is local time, naive.
    """
    if _is_now(text):
        return now.timestamp()
    found = _named_time(text, now)
    if found is not None:
        then, every_days = found
        if then > now:
            then -= timedelta(days=every_days)
        return max((then - EPOCH).total_seconds(), 0.0) if then.year < 1971 else then.timestamp()
    try:
        return max(now.timestamp() - parse_duration(text, field), 0.0)
    except BadInput as error:
        raise BadInput(
            field, "a time such as 7d (ago), 18:00, fri 18:00 or 2026-11-27 18:00", text, error.hint
        ) from None


def read_weekday(word: str) -> int | None:
    """From Monday, 0, the day whose name a small word is or begins: "fri", "ven.", "vendredi"; None: of none."""
    start = word.removesuffix(".")
    if len(start) < 3:
        return None
    return next((day for day, names in enumerate(WEEKDAYS) if any(name.startswith(start) for name in names)), None)


def _number(text: str) -> float:
    """Of "1.5", and of "1,5" as French writes it."""
    return float(text.replace(",", "."))


def _is_now(text: str) -> bool:
    return text.strip().lower() in _NOW


def _named_time(text: str, now: datetime) -> tuple[datetime, int] | None:
    """A time by its name, and after how many days there is one of this name again (0: never); None: it is none."""
    text = _AT.sub(" ", fold(text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if (found := _day_and_minute(text)) is not None:
        word, minute = found
        time_of_day = timedelta(minutes=minute)
        if not word:
            return midnight + time_of_day, 1
        if word in _DAYS_FROM_TODAY:
            return midnight + timedelta(days=_DAYS_FROM_TODAY[word]) + time_of_day, 0
        day = read_weekday(word)
        return None if day is None else (midnight + timedelta(days=day - now.weekday()) + time_of_day, 7)
    for date_format in DATE_FORMATS:
        try:
            return datetime.strptime(_FRENCH_HOUR.sub(r"\1:\2", text), date_format), 0  # noqa: DTZ007 - local
        except ValueError:
            continue
    return None


def _minute_of_week(text: str) -> int | None:
    word, minute = _day_and_minute(fold(text)) or ("", 0)
    day = read_weekday(word)
    return None if day is None else day * DAY_MIN + minute


def _day_and_minute(text: str) -> tuple[str, int] | None:
    """A word and a minute of the day. Without a word minutes are needed: "2h" is a duration. None: it is neither."""
    match = _DAY_AND_TIME.fullmatch(text)
    if match is None or not (match[1] or match[3]):
        return None
    hour, minute = int(match[2] or 0), int(match[3] or 0)
    return None if hour > 23 or minute > 59 else (match[1] or "", hour * 60 + minute)


# --- writing -----------------------------------------------------------------------------------------------------


def format_size(size_bytes: float) -> str:
    """Memory and files, in powers of two: "1.5 MiB"."""
    value, units = float(size_bytes), ("B", "KiB", "MiB", "GiB", "TiB")
    for unit in units:
        if value < 1024 or unit == units[-1]:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError


def format_volume(size_bytes: float) -> str:
    """What goes over a line, in powers of ten, as lines are sold: "1.24 MB"."""
    value, units = float(size_bytes), ("B", "kB", "MB", "GB", "TB")
    for unit in units:
        if abs(value) < 999.5 or unit == units[-1]:
            return f"{value:.3g} {unit}" if unit != "B" and value < 99.95 else f"{value:.0f} {unit}"
        value /= 1000
    raise AssertionError


def format_rate(bytes_per_s: float) -> str:
    """In powers of ten: "1.24 MB/s"."""
    return f"{format_volume(bytes_per_s)}/s"


def format_duration(seconds: float | None) -> str:
    """ "3 d 2 h", "26 h 12 min", "4 min 10 s", "12.3 s"; "never" for None."""
    if seconds is None:
        return "never"
    if round(seconds, 1) < MINUTE_S:
        return f"{seconds:.1f} s"
    if round(seconds) < HOUR_S:
        return f"{round(seconds) // MINUTE_S} min {round(seconds) % MINUTE_S} s"
    if (minutes := round(seconds / MINUTE_S)) < 2 * DAY_MIN:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / HOUR_S)
    return f"{hours // 24} d {hours % 24} h"


def format_count(number: int, noun: str) -> str:
    """ "1 fragment", "2 fragments", "1,200 fragments": for nouns that only add an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_time(at_s: float | None) -> str:
    """A Unix time in this machine's time zone: "2026-11-27 18:00:00"; nothing for None."""
    return "" if at_s is None else datetime.fromtimestamp(at_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
