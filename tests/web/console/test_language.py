"""Texts, numbers and times in the languages of the console."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from distd.web.console.language import LANGUAGES, choose, iso, load, sentence_form
from tests.web.console import texts

NOW_S = datetime(2026, 11, 27, 12, 0).astimezone().timestamp()
DAY_S = 86_400.0


def test_every_text_is_translated_and_none_is_left_over() -> None:
    used, french = texts.used(), texts.french()
    assert {(each.id, each.context) for each in used} == {(each.id, each.context) for each in french}
    for message in french:
        if message.id:
            found = message.string if isinstance(message.string, tuple) else (message.string,)
            assert all(found[:2]), message.id


def test_translations_have_the_same_values() -> None:
    for message in texts.french():
        both = (each if isinstance(each, tuple) else (each,) for each in (message.id, message.string))
        forms = zip(*both, strict=False)
        for english, french in forms:
            assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", french)), english


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "code"),
    [
        (None, None, "", "en"),
        ("fr", "en", "en", "fr"),
        ("xx", "fr", "en", "fr"),
        (None, None, "fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        (None, None, "de, en;q=0.5, fr;q=0.7", "fr"),
        (None, None, "fr;q=0, en;q=0.1", "en"),
        (None, None, "fr;q=x, *;q=0.5", "en"),
        (None, None, "," * 5000, "en"),
    ],
)
def test_which_language(asked: str | None, kept: str | None, accepted: str, code: str) -> None:
    assert choose(asked, kept, accepted) == code


@pytest.mark.parametrize(
    ("what", "english", "french"),
    [
        (lambda lang: lang.number(1204), "1,204", "1\u202f204"),
        (lambda lang: lang.percent(0.9314), "93.1%", "93,1\u00a0%"),
        (lambda lang: lang.percent(1), "100%", "100\u00a0%"),
        (lambda lang: lang.size(0), "0\u00a0bytes", "0\u00a0octets"),
        (lambda lang: lang.size(999), "999\u00a0bytes", "999\u00a0octets"),
        (lambda lang: lang.size(1000), "1\u00a0kB", "1\u00a0Ko"),
        (lambda lang: lang.size(252_000), "252\u00a0kB", "252\u00a0Ko"),
        (lambda lang: lang.size(61_440_000), "61.4\u00a0MB", "61,4\u00a0Mo"),
        (lambda lang: lang.size(5e15), "5,000\u00a0TB", "5\u202f000\u00a0To"),
        (lambda lang: lang.rate(3_100_000), "3.1\u00a0MB/s", "3,1\u00a0Mo/s"),
        (lambda lang: lang.ago(NOW_S - 720, NOW_S), "12 minutes ago", "il y a 12 minutes"),
        (lambda lang: lang.ago(NOW_S + 7200, NOW_S), "in 2 hours", "dans 2 heures"),
        (lambda lang: lang.ago(None, NOW_S), "–", "–"),
        (lambda lang: lang.duration(375), "6 minutes", "6 minutes"),
        (lambda lang: lang.moment(NOW_S), "Fri 27 Nov 2026, 12:00:00", "ven. 27 nov. 2026, 12:00:00"),
        (lambda lang: lang.short_moment(NOW_S, NOW_S), "12:00", "12:00"),
        (lambda lang: lang.short_moment(NOW_S - DAY_S, NOW_S), "Thu 26 Nov 12:00", "jeu. 26 nov. 12:00"),
        (lambda lang: lang.plural("{number} package", "{number} packages", 0), "0 packages", "0 paquet"),
        (lambda lang: lang.plural("{number} package", "{number} packages", 1), "1 package", "1 paquet"),
        (lambda lang: lang.plural("{number} package", "{number} packages", 20), "20 packages", "20 paquets"),
        (lambda lang: lang.text("{shown} of {total}", shown=1, total="x"), "1 of x", "1 sur x"),
        (lambda lang: lang.text("never heard"), "never heard", "never heard"),
    ],
)  # fmt: skip
def test_how_things_are_written(what: object, english: str, french: str) -> None:
    assert [what(load(code)) for code in LANGUAGES] == [english, french]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("true or false", "true ou false"),
        ("at most 9 characters", "au plus 9 caractères"),
        ("at most 9 characters in all", "au plus 9 caractères en tout"),
        ("there is a group a\nb already", "il y a déjà un groupe a\nb"),
        ("wave 1: 3 of 9 stall; limit 20 %", "vague 1\u00a0: 3 bloqués sur 9\u00a0; limite 20\u00a0%"),
        ("what nobody has translated", "what nobody has translated"),
        (f"there is a group {'x' * 1000} already", f"there is a group {'x' * 1000} already"),
    ],
)
def test_what_use_cases_say(english: str, french: str) -> None:
    assert [load(code).sentence(english) for code in LANGUAGES] == [english, french]


def test_values_stay_as_they_are() -> None:
    form = sentence_form("{0} of (a+) {1}", "{1} : {0}")
    match = form.pattern.fullmatch("{1} of (a+) \\1")
    assert match is not None
    assert form.written(match) == "\\1 : {1}"


def test_the_exact_time_for_machines() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00+00:00"
