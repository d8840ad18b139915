"""Texts from outside, written so that a terminal, a log or a page shows them and does not obey them.

Control characters move the cursor or begin a line of a log; line and paragraph separators (U+2028, U+2029) do so for
what reads Unicode; bidirectional and other invisible format characters show another text than the one that is there.
"""

from __future__ import annotations

from unicodedata import category


def visible(text: str, keep: str = "") -> str:
    r"""The text with escapes such as ``\n``, ``\x1b``, ``\u202e``; spaces of any width, and `keep`, stay."""
    if text.isprintable():
        return text
    return "".join(char if _is_harmless(char) or char in keep else repr(char)[1:-1] for char in text)


def visible_json(text: str) -> str:
    r"""A JSON document, whose strings mean the same, with escapes such as ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(char if _is_harmless(char) or char == "\n" else _json_escape(char) for char in text)


def _is_harmless(char: str) -> bool:
    return char.isprintable() or category(char) == "Zs"


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
