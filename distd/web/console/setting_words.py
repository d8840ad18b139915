"""The words of the console for settings: what each of them means, and their units."""

from __future__ import annotations

from typing import Any, Final

from distd.domain.parameters import ON
from distd.domain.settings import SECTIONS, TABLE
from distd.web.console.frame import current
from distd.web.console.language import NO_BREAK

# By the end of a name, the longest first.
UNITS: Final = {
    "_bytes_per_s_per_address": "bytes/s for each address",
    "_per_s_per_address": "a second for each address",
    "_mib_per_s": "MiB/s",
    "_per_day": "a day",
    "_days": "d",
    "_bytes": "bytes",
    "_kib": "KiB",
    "_mib": "MiB",
    "_min": "min",
    "_ms": "ms",
    "_h": "h",
    "_s": "s",
}
MEANINGS: Final = {name: row.meaning for name, row in TABLE.items()}
SECTION_MEANINGS: Final = {name: (record.__doc__ or "").strip() for name, record in SECTIONS.items()}
INVENTORIES: Final = "agents.inventory_freq_days"
ORIGINS: Final = {"default": "default", "--set": "command line"}


def unit_of(name: str) -> str:
    """The unit of a setting or a parameter, as its name says it; empty: it has none."""
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")


def _parameter_value(name: str, value: Any) -> str:
    """A value that agents get, with its unit."""
    language = current().language
    if name == ON:
        return language.text("on") if value else language.text("off")
    if name == INVENTORIES and value <= 0:
        return language.text("only the first one") if value else language.text("every contact")
    return f"{language.number(value)}{NO_BREAK}{language.text(unit_of(name))}".rstrip(NO_BREAK)


def _meaning(name: str) -> str:
    """In the language of the request."""
    return current().language.text(MEANINGS[name])


def _section_meaning(name: str) -> str:
    return current().language.text(SECTION_MEANINGS[name])


def _origin(origin: str) -> str:
    return current().language.text(ORIGINS.get(origin, origin))


SETTING_TABLES: Final = (UNITS, MEANINGS, SECTION_MEANINGS, ORIGINS)
SETTING_WORDS: Final = {
    "setting_meaning": _meaning,
    "section_meaning": _section_meaning,
    "setting_origin": _origin,
    "setting_unit": unit_of,
    "parameter_value": _parameter_value,
}
