"""What a comparison means: of an operator and texts a test of values, the same for all interpreters.

A test is of values as they are kept to be compared: folded texts, keys of versions and addresses, numbers, and
microseconds since 1970. It is one of three: `Like` a pattern, in one of some `Ranges`, `OneOf` several.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final, TypeAlias

from distd.domain.addresses import network_keys
from distd.domain.computer_facts import canonical_mac
from distd.domain.errors import BadInput
from distd.domain.filters.fields import Kind
from distd.domain.filters.patterns import read_pattern
from distd.domain.folding import fold
from distd.domain.units import parse_duration, parse_integer, parse_size
from distd.domain.versions import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from distd.domain.filters.patterns import Pattern

MAX_VALUE: Final = 255  # characters
MAX_NUMBER: Final = 1 << 62
MICROS: Final = 1_000_000
MAX_AGE_S: Final = MAX_NUMBER / MICROS
YEARS: Final = range(1971, 3000)
SIZES: Final = (
    *(("TiB", 2**40), ("TB", 10**12), ("GiB", 2**30), ("GB", 10**9), ("MiB", 2**20), ("MB", 10**6)),
    *(("KiB", 2**10), ("kB", 10**3), ("B", 1)),
)
# Formats of times, and how long a time of each is: "2026-11-26" is a day.
MOMENTS: Final = (
    ("%Y-%m-%d", timedelta(days=1)),
    ("%Y-%m-%d %H:%M", timedelta(minutes=1)),
    ("%Y-%m-%d %H:%M:%S", timedelta(seconds=1)),
)

Key: TypeAlias = str | int


class FilterOp(StrEnum):
    """How a value is compared. The opposites `!=` and `!~` are a `Not` around these."""

    EQUAL = "="
    LIKE = "~"
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    IN = "in"


ORDERED: Final = (FilterOp.LESS, FilterOp.AT_MOST, FilterOp.MORE, FilterOp.AT_LEAST)
OPPOSITES: Final = {"!=": FilterOp.EQUAL, "!~": FilterOp.LIKE}
_OF_TEXTS: Final = (FilterOp.EQUAL, FilterOp.LIKE, FilterOp.IN)
OPERATORS: Final[Mapping[Kind, tuple[FilterOp, ...]]] = {
    Kind.TEXT: _OF_TEXTS,
    Kind.VERSION: (*_OF_TEXTS, *ORDERED),
    Kind.ADDRESS: _OF_TEXTS,
    Kind.MAC: _OF_TEXTS,
    Kind.NUMBER: (FilterOp.EQUAL, *ORDERED, FilterOp.IN),
    Kind.SIZE: (FilterOp.EQUAL, *ORDERED),
    Kind.TIME: (FilterOp.EQUAL, *ORDERED),
}


def operators_of(kind: Kind) -> list[str]:
    """All operators that a field of this kind can be compared by, as people write them."""
    return [*map(str, OPERATORS[kind]), *(text for text, op in OPPOSITES.items() if op in OPERATORS[kind])]


@dataclass(frozen=True, slots=True)
class Like:
    """A text is like the pattern."""

    pattern: Pattern

    def holds(self, key: Key) -> bool:
        """Whether it is, of one value."""
        return self.pattern.matches(key)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Range:
    """What lies between two values that are in it; `open_low`, `open_high`: that are not. None: no limit there."""

    low: Key | None = None
    high: Key | None = None
    open_low: bool = False
    open_high: bool = False

    def holds(self, key: Key) -> bool:
        """Whether one value is in it."""
        low, high = self.low, self.high
        if low is not None and (key <= low if self.open_low else key < low):  # type: ignore[operator]
            return False
        return high is None or (key < high if self.open_high else key <= high)  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Ranges:
    """In one of these."""

    ranges: tuple[Range, ...]

    def holds(self, key: Key) -> bool:
        """Whether one value is."""
        return any(each.holds(key) for each in self.ranges)


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these; the empty text is not among them."""

    keys: frozenset[Key]

    def holds(self, key: Key) -> bool:
        """Whether one value is."""
        return key in self.keys


Test: TypeAlias = Like | Ranges | OneOf


@dataclass(frozen=True, slots=True)
class Criterion:
    """A test of a field's values. `of_text`: of the text of a version or an address, not of its key."""

    test: Test
    of_text: bool = False


def read_value(kind: Kind, op: FilterOp, text: str) -> str:
    """The canonical text of a value that is compared so. Raises `BadInput`, with the field "operator" or "value"."""
    if op not in OPERATORS[kind]:
        raise BadInput("operator", f"one of {' '.join(OPERATORS[kind])} for a {kind}", op)
    if len(text) > MAX_VALUE or not text.isprintable():
        raise BadInput("value", f"at most {MAX_VALUE} printable characters", text)
    if not text.strip():
        raise BadInput("value", f"a {kind}", text, "say `is empty` for computers that have none")
    if op is FilterOp.LIKE:
        read_pattern(text)
        return text
    return _READERS[kind](text if kind is Kind.TEXT else text.strip(), op)


def criterion_of(kind: Kind, op: FilterOp, texts: Iterable[str], now_s: float) -> Criterion:
    """The meaning of a comparison with canonical values (one; of `in` some). `now_s`: from when ages count."""
    if op is FilterOp.LIKE:
        (text,) = texts
        return Criterion(Like(read_pattern(text.replace("-", ":") if kind is Kind.MAC else text)), of_text=True)
    if kind is Kind.ADDRESS:
        return Criterion(Ranges(tuple(Range(*network_keys(ip_network(text))) for text in texts)))
    if kind is Kind.TIME:
        (text,) = texts
        return Criterion(Ranges((_time_range(op, text, now_s),)))
    keys = [_KEYS[kind](text) for text in texts]
    if op in (FilterOp.EQUAL, FilterOp.IN):
        return Criterion(OneOf(frozenset(key for key in keys if key != "")))
    (limit,) = keys
    return Criterion(Ranges((_range(op, limit, limit),)))


def is_age(text: str) -> bool:
    """Whether a canonical time is an age, so that what it means moves with the clock."""
    return text[4:5] != "-"


def age_us(text: str) -> int:
    """An age in microseconds."""
    return round(parse_duration(text, "value", MAX_AGE_S) * MICROS)


def ascii_lower(text: str) -> str:
    """A text without regard to case as all databases have it, of ASCII alone: what is not folded is compared so."""
    return text.encode().lower().decode()


def _range(op: FilterOp, first: Key, last: Key) -> Range:
    """Of a value that reaches from `first` to `last`, both included."""
    match op:
        case FilterOp.LESS:
            return Range(high=first, open_high=True)
        case FilterOp.AT_MOST:
            return Range(high=last)
        case FilterOp.MORE:
            return Range(low=last, open_low=True)
        case FilterOp.AT_LEAST:
            return Range(low=first)
    return Range(first, last)


def _time_range(op: FilterOp, text: str, now_s: float) -> Range:
    if is_age(text):
        then_us = round(now_s * MICROS) - age_us(text)
        return _range(op, then_us, then_us)
    for form, length in MOMENTS:
        try:
            then = datetime.strptime(text, form)  # noqa: DTZ007 - local time, as people say it
        except ValueError:
            continue
        return _range(op, _micros(then), _micros(then + length) - 1)
    raise AssertionError(text)


def _micros(local: datetime) -> int:
    return round(local.timestamp()) * MICROS


def _read_text(text: str, _op: FilterOp) -> str:
    return text


def _read_number(text: str, _op: FilterOp) -> str:
    return str(parse_integer(text, "value", 0, MAX_NUMBER, "a number"))


def _read_size(text: str, _op: FilterOp) -> str:
    expected = "a size with its unit, such as 8GiB"
    if text.isdecimal() and text.strip("0"):
        raise BadInput("value", expected, text)
    try:
        size_bytes = parse_size(text, "value")
    except BadInput:
        raise BadInput("value", expected, text) from None
    if size_bytes > MAX_NUMBER:
        raise BadInput("value", expected, text)
    return write_size(size_bytes)


def write_size(size_bytes: int) -> str:
    """A size exactly, in the largest unit that has it so: "8GiB", "1500MiB", "0B"."""
    unit, factor = next(pair for pair in SIZES if size_bytes % pair[1] == 0 and (size_bytes or pair[1] == 1))
    return f"{size_bytes // factor}{unit}"


def _read_time(text: str, op: FilterOp) -> str:
    for form, _ in MOMENTS:
        for written in (form, form.replace("%Y-%m-%d", "%d-%m-%Y")):  # the day first, as French writes it
            try:
                then = datetime.strptime(text.replace("/", "-").replace("T", " "), written)  # noqa: DTZ007 - local
            except ValueError:
                continue
            if then.year in YEARS:
                return then.strftime(form)
    expected = "a time such as 7d (ago), 2026-11-26 or 2026-11-26 18:00"
    try:
        age_s = parse_duration(text, "value", MAX_AGE_S)
    except BadInput as error:
        raise BadInput("value", expected, text, error.hint) from None
    if text.replace(".", "").replace(",", "").isdecimal():
        raise BadInput("value", expected, text, "an age has a unit: s, min, h or d")
    if op is FilterOp.EQUAL:
        raise BadInput("operator", f"one of {' '.join(ORDERED)} for an age", op)
    return _write_age(age_s)


def _write_age(age_s: float) -> str:
    whole_s = round(age_s)
    for unit, factor in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if whole_s % factor == 0 and (whole_s or factor == 1):
            return f"{whole_s // factor}{unit}"
    raise AssertionError


def _read_network(text: str, _op: FilterOp) -> str:
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise BadInput("value", "an address or a network such as 10.1.0.0/16", text) from None
    mapped = found.network_address.ipv4_mapped if found.version == 6 else None
    if mapped is not None and found.prefixlen >= 96:
        found = ip_network((mapped, found.prefixlen - 96), strict=False)
    return str(found.network_address) if found.num_addresses == 1 else str(found)


_READERS: Final[Mapping[Kind, Callable[[str, FilterOp], str]]] = {
    Kind.TEXT: _read_text,
    Kind.VERSION: _read_text,
    Kind.MAC: lambda text, _op: canonical_mac(text),
    Kind.ADDRESS: _read_network,
    Kind.NUMBER: _read_number,
    Kind.SIZE: _read_size,
    Kind.TIME: _read_time,
}
_KEYS: Final[Mapping[Kind, Callable[[str], Key]]] = {
    Kind.TEXT: fold,
    Kind.VERSION: version_key,
    Kind.MAC: canonical_mac,
    Kind.NUMBER: int,
    Kind.SIZE: lambda text: parse_size(text, "value"),
}
