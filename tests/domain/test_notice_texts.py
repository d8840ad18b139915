"""What notices say."""

from __future__ import annotations

import string

import pytest

from distd.domain.conditions import ConditionKind, NoticePhase
from distd.domain.notice_texts import ENGLISH, LANGUAGES, describe

FACTS: dict[str, str | float] = {
    "reason": "9 % failed",
    "stalled": 3,
    "fetching": 10,
    "free_bytes": 2e9,
    "ends_at_s": 1.8e9,
}


@pytest.mark.parametrize("kind", ConditionKind)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("phase", [NoticePhase.BEGAN, NoticePhase.ENDED])
def test_each_condition_has_a_sentence(kind: ConditionKind, language: str, phase: NoticePhase) -> None:
    title, text = describe(kind, "17", "Putty", phase, 1.7e9, FACTS, language)
    assert "Putty" in title
    assert "{" not in title + text
    assert "2023-11" in text


def test_languages_use_the_same_facts() -> None:
    def fields(texts: object, part: str, kind: ConditionKind) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(getattr(texts, part)[kind]) if name}

    for texts in LANGUAGES.values():
        for kind in ConditionKind:
            for part in ("begins", "ends", "advice"):
                assert fields(texts, part, kind) == fields(ENGLISH, part, kind)


def test_what_a_disk_and_a_certificate_say() -> None:
    title, _ = describe(ConditionKind.DISK_LOW, "node", "origin", NoticePhase.BEGAN, 0.0, FACTS, "fr")
    assert title == "Il ne reste que 1.9 GiB pour les paquets sur origin"
