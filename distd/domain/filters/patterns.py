"""Patterns of texts: ? is one character, * are several. Folded, as the texts are that they are compared with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.domain.folding import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_STARS: Final = 8  # each is a loop within the one before it, in databases too
ONE: Final = None

_PARTS: Final = re.compile(r"\\([*?\\])|([*?])|([^*?\\]+|\\)")
_LIKE_ESCAPES: Final = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
ESCAPE: Final = "\\"


@dataclass(frozen=True, slots=True)
class Pattern:
    """`pieces` are what stands between stars: texts, and `ONE` for any character. A text matches when it begins with
    the first piece, ends with the last, and has the others between, in their order."""

    pieces: tuple[tuple[str | None, ...], ...]
    matches: Callable[[str], bool] = field(init=False, repr=False, compare=False)
    """Whether a folded text is like this."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "matches", _quick_matcher(self.pieces) or self._match)

    def _match(self, text: str) -> bool:
        first, *others = self.pieces
        if not others:
            return _length(first) == len(text) and _is_at(first, text, 0)
        if not _is_at(first, text, 0):
            return False
        place = _length(first)
        for piece in others[:-1]:
            found = _find(piece, text, place)
            if found is None:
                return False
            place = found + _length(piece)
        last = len(text) - _length(others[-1])
        return last >= place and _is_at(others[-1], text, last)

    @property
    def like(self) -> str:
        r"""As LIKE of SQL has it, with `ESCAPE` before what is no joker."""
        pieces = [
            "".join("_" if part is ONE else part.translate(_LIKE_ESCAPES) for part in piece) for piece in self.pieces
        ]
        return "%".join(pieces)

    @property
    def prefix(self) -> str:
        """What all texts that match begin with; it may be empty."""
        first = self.pieces[0]
        return first[0] or "" if first else ""

    def has_only(self, characters: frozenset[str]) -> bool:
        """Whether these are all of its characters, jokers aside. Where not, no text of these is like it."""
        return all(characters.issuperset(part or "") for piece in self.pieces for part in piece)


def _quick_matcher(pieces: Sequence[Sequence[str | None]]) -> Callable[[str], bool] | None:
    """What Python's texts can do themselves, for the patterns that people write: `x`, `x*`, `*x`, `*x*`."""
    if any(len(piece) > 1 or ONE in piece for piece in pieces):
        return None
    texts = ["".join(part or "" for part in piece) for piece in pieces]
    match texts:
        case [text]:
            return text.__eq__
        case [start, ""]:
            return lambda text: text.startswith(start)
        case ["", end]:
            return lambda text: text.endswith(end)
        case ["", part, ""]:
            return lambda text: part in text
    return None


@lru_cache(1024)
def read_pattern(text: str, *, whole: bool = False) -> Pattern:
    r"""A pattern as people write it; `\*`, `\?` and `\\` are these characters. Without jokers it may be anywhere in a
    text, but with `whole` it is all of it. Raises `BadInput`."""
    pieces: list[list[str | None]] = [[]]
    literal = ""

    def end_literal() -> None:
        nonlocal literal
        if folded := _fold_part(literal):
            pieces[-1].append(folded)
        literal = ""

    has_jokers = False
    for match in _PARTS.finditer(text):
        escaped, joker, plain = match.groups()
        if joker is None:
            literal += escaped or plain
            continue
        has_jokers = True
        end_literal()
        if joker == "?":
            pieces[-1].append(ONE)
        elif pieces[-1] or len(pieces) == 1:  # several stars are one
            pieces.append([])
    end_literal()
    if len(pieces) > MAX_STARS + 1:
        raise BadInput("pattern", f"at most {MAX_STARS} stars", text)
    if not has_jokers and not whole:
        pieces = [[], *pieces, []] if pieces[0] else [[], []]
    return Pattern(tuple(map(tuple, pieces)))


def escape(text: str) -> str:
    r"""The pattern that only `text` is like: with `\` before its jokers."""
    return re.sub(r"([*?\\])", r"\\\1", text)


def _fold_part(literal: str) -> str:
    """Folded, with white space at its ends, which counts in the middle of a text."""
    return fold(f"|{literal}|", 4 * len(literal) + 1000)[1:-1]


def _length(piece: tuple[str | None, ...]) -> int:
    return sum(1 if part is ONE else len(part) for part in piece)


def _is_at(piece: tuple[str | None, ...], text: str, place: int) -> bool:
    if place + _length(piece) > len(text):
        return False
    for part in piece:
        if part is ONE:
            place += 1
        elif text.startswith(part, place):
            place += len(part)
        else:
            return False
    return True


def _find(piece: tuple[str | None, ...], text: str, start: int) -> int | None:
    if len(piece) == 1 and piece[0] is not ONE:
        found = text.find(piece[0], start)
        return None if found < 0 else found
    return next((at for at in range(start, len(text) - _length(piece) + 1) if _is_at(piece, text, at)), None)
