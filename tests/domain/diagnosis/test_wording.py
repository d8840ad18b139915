"""The texts of all kinds of causes, in both languages."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import pytest

from distd.domain.diagnosis import english, french, french_codes
from distd.domain.diagnosis.causes import Cause, CauseKind
from distd.domain.diagnosis.wording import DIAGNOSIS_LANGUAGES
from distd.domain.results import CODES

if TYPE_CHECKING:
    from distd.domain.diagnosis.causes import CauseText

ENGLISH, FRENCH = DIAGNOSIS_LANGUAGES["en"], DIAGNOSIS_LANGUAGES["fr"]


def names(text: CauseText) -> set[str]:
    parts = string.Formatter().parse(f"{text.sentence} {text.advice} {text.group}")
    return {name for _, name, _, _ in parts if name}


@pytest.mark.parametrize("kind", CauseKind)
def test_both_languages_tell_the_same_facts(kind: CauseKind) -> None:
    assert names(english.TEXTS[kind]) == names(french.TEXTS[kind])
    assert "{" not in english.TEXTS[kind].group + french.TEXTS[kind].group
    assert all((english.TEXTS[kind].sentence, french.TEXTS[kind].sentence))


def test_nothing_else_has_texts() -> None:
    assert set(english.TEXTS) == set(french.TEXTS) == set(CauseKind)


def test_each_known_code_has_its_french_meaning() -> None:
    assert set(french_codes.CODES) == set(CODES)
    assert FRENCH.result_meaning("EXIT_CODE_1603") == "La commande s'est terminée avec le code 1603."
    assert FRENCH.result_meaning("WHATEVER") == "Un code que distd ne connaît pas."


def test_units_are_those_of_the_language() -> None:
    facts = {"free_bytes": 1536 * 2**20, "needed_bytes": 30 * 2**30}
    cause = Cause(CauseKind.LITTLE_DISK, "17", facts)
    assert "1.5 GiB free" in ENGLISH.sentence(cause)
    assert "a 1,5\u00a0Gio libres" in FRENCH.sentence(cause)
    line = Cause(CauseKind.LINE_FULL, "17", {"line_bytes_per_s": 64_000.0, "fragment_s": 5400.0})
    assert "leave 64 kB/s" in ENGLISH.sentence(line)
    assert "90 min 0 s" not in ENGLISH.sentence(line)
    assert "laissent 64\u00a0ko/s" in FRENCH.sentence(line)
    assert "1\u00a0h\u00a030\u00a0min" in FRENCH.sentence(line)
    assert ENGLISH.group(CauseKind.DISK_FULL, 1204) == "1,204 with a full disk"
    assert FRENCH.group(CauseKind.STALLED, 1) == "1 bloqué à un fragment"
    assert FRENCH.group(CauseKind.STALLED, 2) == "2 bloqués à un fragment"
    assert FRENCH.group(CauseKind.DISK_FULL, 1204) == "1\u00a0204 au disque plein"


def test_what_is_not_known_is_a_dash_and_controls_are_shown() -> None:
    cause = Cause(CauseKind.NOT_ASSIGNED, "17", {"asked_id": None, "device_id": "a\x1b[31m"})
    assert ENGLISH.sentence(cause) == "Package – is not assigned to it."
    assert "\x1b" not in ENGLISH.advice(cause)
