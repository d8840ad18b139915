"""The languages of the console: its texts, and how numbers, sizes and times are written.

The texts in the source and in the templates are English. `locale/fr.po` has the French ones; it is read when the
program starts, so nothing has to be compiled.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

FOLDER: Final = Path(__file__).parent / "locale"
LANGUAGES: Final = ("en", "fr")
SIZE_UNITS: Final = {"en": ("bytes", "kB", "MB", "GB", "TB"), "fr": ("octets", "Ko", "Mo", "Go", "To")}
NO_BREAK: Final = "\u00a0"
JUST_NOW_S: Final = 2
NEVER: Final = "–"
SENTENCE: Final = "sentence"  # the context, in the catalogue, of what use cases say
MAX_SENTENCE: Final = 1000  # characters
MAX_NUMBERS: Final = 4096  # whose texts are kept
_PLACE: Final = re.compile(r"\{(\d)\}")
# In French these stand after a space, at which no line may end.
_FRENCH_SIGN: Final = re.compile(r" (?=[:;?!%»])|(?<=«) ")


@dataclass(frozen=True, slots=True)
class SentenceForm:
    """A sentence of use cases with values in the places of {0}, {1}, …; `translated` has the same places."""

    pattern: re.Pattern[str]
    translated: str

    def written(self, match: re.Match[str]) -> str:
        """The translation, with the values of a match of `pattern`."""
        return _PLACE.sub(lambda place: match[int(place[1]) + 1], self.translated)


def sentence_form(english: str, translated: str) -> SentenceForm:
    """A form of `english`, in which {0} stands for any text."""
    parts = _PLACE.split(english)[::2]
    return SentenceForm(re.compile("(.+?)".join(map(re.escape, parts)), re.DOTALL), translated)


@lru_cache
def _locale_of(code: str) -> Locale:
    return Locale("en", "GB") if code == "en" else Locale(code)


@lru_cache(MAX_NUMBERS)
def _decimal(locale: Locale, number: float) -> str:
    return str(format_decimal(number, locale=locale))


@dataclass(frozen=True)
class Language:
    """One of `LANGUAGES`. `code` is its name in HTML; times are those of this machine."""

    code: str
    texts: dict[Any, Any] = field(repr=False, default_factory=dict)
    sentences: tuple[SentenceForm, ...] = field(repr=False, default=())

    @property
    def _locale(self) -> Locale:
        return _locale_of(self.code)

    def text(self, english: str, **values: object) -> str:
        """A text, with `{name}` replaced by the value of this name."""
        found = self.texts.get(english, english)
        return found.format(**values) if values else str(found)

    def sentence(self, english: str) -> str:
        """What a use case says in English, with values in it: by the forms of sentences that there are, else as it
        is."""
        if english in self.texts:
            return str(self.texts[english])
        if len(english) > MAX_SENTENCE:
            return english
        found = ((form, form.pattern.fullmatch(english)) for form in self.sentences)
        return next((form.written(match) for form, match in found if match is not None), english)

    def plural(self, one: str, many: str, number: int, **values: object) -> str:
        """A text for one or for many, with `{number}` and other values replaced. French: 0 is as 1."""
        is_one = number in (0, 1) if self.code == "fr" else number == 1
        pair = self.texts.get(one, (one, many))
        return str(pair[0 if is_one else 1]).format(number=self.number(number), **values)

    def number(self, number: float) -> str:
        """1,204 or 1 204."""
        return _decimal(self._locale, number)

    def percent(self, share: float) -> str:
        """93.1% or 93,1 %, of 0.931."""
        return format_percent(share, "#,##0.#%" if self.code == "en" else "#,##0.#\u00a0%", locale=self._locale)

    def size(self, size_bytes: float) -> str:
        """252 kB or 252 Ko: of 1,000 bytes each, as mirrors' and lines' rates are."""
        unit = 0 if size_bytes < 1000 else min(int(math.log(size_bytes, 1000) + 1e-9), 4)
        value = size_bytes / 1000**unit
        shown = format_decimal(value, "#,##0.#" if unit and value < 100 else "#,##0", locale=self._locale)
        return f"{shown}{NO_BREAK}{SIZE_UNITS[self.code][unit]}"

    def rate(self, bytes_per_s: float) -> str:
        """3.1 MB/s or 3,1 Mo/s."""
        return f"{self.size(bytes_per_s)}/s"

    def duration(self, seconds: float) -> str:
        """15 seconds, 6 minutes, 3 days: with one unit."""
        return format_timedelta(round(seconds), threshold=1.5 if seconds < 86_400 else 1.1, locale=self._locale)

    def exact_duration(self, seconds: float) -> str:
        """6 min 15 s, 2 h 5 min, 3 d 4 h: with two units; French has j for days."""
        if not math.isfinite(seconds):
            return NEVER
        whole = round(seconds)
        units = (("j" if self.code == "fr" else "d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
        first = next((place for place, (_, size) in enumerate(units) if whole >= size), 3)
        parts: list[str] = []
        for name, size in units[first : first + 2]:
            number, whole = divmod(whole, size)
            if number or not parts:
                parts.append(f"{self.number(number)}{NO_BREAK}{name}")
        return " ".join(parts)

    def bits(self, bytes_per_s: float) -> str:
        """The rate of a line, as providers name it: 10 Mbit/s."""
        return f"{self.number(bytes_per_s * 8 / 1e6)}{NO_BREAK}Mbit/s"

    def ago(self, at_s: float | None, now_s: float) -> str:
        """12 minutes ago; a dash for never."""
        if at_s is None:
            return NEVER
        seconds = round(at_s - now_s)
        if 0 <= seconds <= JUST_NOW_S:  # what the page itself has caused
            seconds = -1
        return format_timedelta(seconds, add_direction=True, locale=self._locale)

    def moment(self, at_s: float | None) -> str:
        """The exact time: Fri 27 Nov 2026, 05:31:07."""
        if at_s is None:
            return NEVER
        local = datetime.fromtimestamp(at_s).astimezone()
        day = format_date(local, "EEE d MMM y", locale=self._locale)
        return f"{day}, {format_time(local, 'HH:mm:ss', tzinfo=local.tzinfo, locale=self._locale)}"

    def short_moment(self, at_s: float | None, now_s: float) -> str:
        """05:31 today, else Fri 27 Nov 05:31, with the year when it is another one."""
        if at_s is None:
            return NEVER
        local, now = datetime.fromtimestamp(at_s).astimezone(), datetime.fromtimestamp(now_s).astimezone()
        year = "" if local.year == now.year else " y"
        form = "HH:mm" if local.date() == now.date() else f"EEE d MMM{year} HH:mm"
        return format_datetime(local, form, tzinfo=local.tzinfo, locale=self._locale)


def iso(at_s: float) -> str:
    """For the attribute `datetime`."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")


def _spaced(french: str) -> str:
    """The only language that is translated to has spaces before signs."""
    return _FRENCH_SIGN.sub(NO_BREAK, french)


@cache
def load(code: str) -> Language:
    """One of `LANGUAGES`."""
    path = FOLDER / f"{code}.po"
    if not path.exists():
        return Language(code)
    with path.open("rb") as file:
        catalog = read_po(file, locale=code, abort_invalid=True)
    texts: dict[Any, Any] = {}
    sentences: list[tuple[str, str]] = []
    for message in catalog:
        english = message.id if isinstance(message.id, str) else message.id[0]
        found = message.string or ""
        translated = _spaced(found) if isinstance(found, str) else tuple(map(_spaced, found))
        if message.context == SENTENCE and _PLACE.search(english):
            sentences.append((english, str(translated)))
        elif english:
            texts.setdefault(english, translated)
    # What says more is tried first: "at most {0} characters in all" before "at most {0}".
    sentences.sort(key=lambda pair: -len(_PLACE.sub("", pair[0])))
    return Language(code, texts, tuple(sentence_form(*pair) for pair in sentences))


def choose(asked: str | None, kept: str | None, accepted: str) -> str:
    """The code of a language: the one asked for, else the one that the browser keeps, else the first of its field
    Accept-Language that there is, else English."""
    for code in (asked, kept):
        if code in LANGUAGES:
            return code
    offers = []
    for part in accepted.split(",")[:20]:
        name, _, quality = part.partition(";q=")
        try:
            offers.append((float(quality or 1), name.strip().lower().partition("-")[0]))
        except ValueError:
            continue
    known = [(weight, name) for weight, name in offers if name in LANGUAGES and weight > 0]
    return max(known, key=lambda offer: offer[0])[1] if known else LANGUAGES[0]
