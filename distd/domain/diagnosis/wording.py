"""The sentence and the advice of a cause in a language, with units as that language writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from distd.domain.diagnosis import english, french, french_codes
from distd.domain.results import meaning
from distd.domain.units import format_duration, format_rate, format_size, format_time
from distd.domain.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distd.domain.diagnosis.causes import Cause, CauseKind, CauseText, Fact

NO_BREAK: Final = "\u00a0"
_FRENCH_UNITS: Final = {"KiB": "Kio", "MiB": "Mio", "GiB": "Gio", "TiB": "Tio", "B": "o", "kB": "ko", "MB": "Mo"}
_FRENCH_UNITS_OF_TIME: Final = {"d": "j"}
_EXIT_CODE: Final = re.compile(r"(?:SUCCESS|EXIT_CODE|ERR_EXIT_CODE)_(-?[0-9]+)")


@dataclass(frozen=True, slots=True)
class DiagnosisLanguage:
    """A language of diagnoses. `formats`: by the end of a fact's name, the first that fits; `result_meaning`: a
    sentence on a result code."""

    texts: Mapping[CauseKind, CauseText]
    formats: Mapping[str, Callable[[float], str]]
    number: Callable[[float], str]
    result_meaning: Callable[[str], str]

    def sentence(self, cause: Cause) -> str:
        """What is the case."""
        return self._fill(self.texts[cause.kind].sentence, cause.facts)

    def advice(self, cause: Cause) -> str:
        """What to do; "": nothing."""
        return self._fill(self.texts[cause.kind].advice, cause.facts)

    def group(self, kind: CauseKind, computers: int) -> str:
        """ "4 with a full disk": how many computers have this as their first cause."""
        text = self.texts[kind].group.replace("(s)", "" if computers < 2 else "s")
        return f"{self.number(computers)} {text}"

    def _fill(self, template: str, facts: Mapping[str, Fact]) -> str:
        shown = {name: self._show(name, value) for name, value in facts.items()}
        if code := facts.get("code"):
            shown["meaning"] = self.result_meaning(str(code))
        return template.format_map(shown)

    def _show(self, name: str, value: Fact) -> str:
        if value is None:
            return "–"
        if isinstance(value, str):
            return visible(value)
        for end, show in self.formats.items():
            if name.endswith(end):
                return show(value)
        return self.number(value)


def _french_number(number: float) -> str:
    return f"{number:,}".replace(",", NO_BREAK)


def _french_units(text: str, units: Mapping[str, str]) -> str:
    words = [units.get(word, word.replace(".", ",")) for word in text.replace("/s", " /s").split()]
    return NO_BREAK.join(words).replace(f"{NO_BREAK}/s", "/s")


def _french_time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).astimezone().strftime("%d/%m/%Y à %H:%M:%S")


def _french_meaning(code: str) -> str:
    known = french_codes.CODES.get(code)
    if known is not None:
        return known
    exit_code = _EXIT_CODE.fullmatch(code)
    return french_codes.EXIT_CODE.format(number=exit_code[1]) if exit_code else french_codes.UNKNOWN_CODE


# Of the ends of names the longer ones come first: "_at_s" ends with "_s" too.
DIAGNOSIS_LANGUAGES: Final[Mapping[str, DiagnosisLanguage]] = {
    "en": DiagnosisLanguage(
        english.TEXTS,
        {
            "_at_s": format_time,
            "_before_s": format_time,
            "_after_s": format_time,
            "_bytes_per_s": format_rate,
            "_bytes": format_size,
            "_s": format_duration,
        },
        lambda number: f"{number:,}",
        meaning,
    ),
    "fr": DiagnosisLanguage(
        french.TEXTS,
        {
            "_at_s": _french_time,
            "_before_s": _french_time,
            "_after_s": _french_time,
            "_bytes_per_s": lambda rate: _french_units(format_rate(rate), _FRENCH_UNITS),
            "_bytes": lambda size: _french_units(format_size(size), _FRENCH_UNITS),
            "_s": lambda seconds: _french_units(format_duration(seconds), _FRENCH_UNITS_OF_TIME),
        },
        _french_number,
        _french_meaning,
    ),
}
