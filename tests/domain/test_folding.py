"""Texts without case and accents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.folding import KEY_LIMIT, fold


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Zoë", "zoe"),
        ("ÉCOLE Élémentaire", "ecole elementaire"),
        ("Straße", "strasse"),
        ("ﬁle", "file"),
        ("İstanbul", "istanbul"),
        (" PC-17\n", "pc-17"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("", ""),
    ],
)
def test_folding(text: str, key: str) -> None:
    assert fold(text) == key


@given(st.text(max_size=300))
def test_what_is_folded_stays_so_and_is_bounded(text: str) -> None:
    key = fold(text)
    assert fold(key) == key
    assert len(key) <= KEY_LIMIT


@given(st.text(max_size=100))
def test_case_does_not_count(text: str) -> None:
    assert fold(text.casefold()) == fold(text)
