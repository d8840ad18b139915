"""Texts from outside."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.visible import visible, visible_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Salle 4, été", "Salle 4, été"),
        ("", ""),
        ("12\u202f345\u00a0Ko", "12\u202f345\u00a0Ko"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\x1b[2J\x7f", r"\x1b[2J\x7f"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("exe\u202egpj.a", r"exe\u202egpj.a"),
        ("\u2066a\u2069\u200b\ufeff", r"\u2066a\u2069\u200b\ufeff"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_what_is_kept() -> None:
    assert visible("a\n\tb\x00", "\n\t") == "a\n\tb\\x00"


@given(st.text(alphabet=st.characters()))
def test_json_means_the_same(text: str) -> None:
    written = visible_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(written) == {text: [text]}
    assert visible(written, "\n") == written
