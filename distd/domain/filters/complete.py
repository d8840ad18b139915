"""What may stand at a place in the text of a filter: for completion while somebody types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from lark.exceptions import UnexpectedInput

from distd.domain.errors import BadInput
from distd.domain.filters.criteria import operators_of
from distd.domain.filters.fields import ACCOUNT, FIELDS, Kind, find_field
from distd.domain.filters.parse import FUNCTIONS, MAX_TEXT, Placed, interactive
from distd.domain.filters.tree import SOFTWARE_FIELDS
from distd.domain.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lark import Token

    from distd.domain.filters.fields import FilterField

_OPERATOR: Final = re.compile(r"[=!~<>]+$")
_WORD: Final = re.compile(r'[^\s()"=!~<>,]*$')


class ValueSource(StrEnum):
    """Where the values come from that may stand at a place."""

    NONE = ""
    FIELD = "field"
    SOFTWARE = "software"
    PUBLISHER = "publisher"
    PACKAGE = "package"
    GROUP = "group"
    ACCOUNT = "account"  # fields `account.KEY`


@dataclass(frozen=True, slots=True)
class Place:
    """The text from `start` to the place is `typed`, without quotes. `words` are what may stand there by the grammar:
    fields, operators, keywords, states. Beside them values of `source`, of the `field` where it is one."""

    start: int
    typed: str
    words: tuple[str, ...]
    source: ValueSource = ValueSource.NONE
    field: FilterField | None = None


def place_at(text: str, at: int) -> Place:
    """What may stand at the character `at` of a text. Raises `BadInput` for a place outside of it."""
    if len(text) > MAX_TEXT or not 0 <= at <= len(text):
        raise BadInput("at", f"0 to {min(len(text), MAX_TEXT)}", at)
    start = _start(text[:at])
    typed = text[start:at].lstrip('"')
    tokens, accepted = _before(text[:start])
    if not tokens and accepted is None:
        return Place(start, typed, ())
    words, source, field = _expected(tokens, accepted or frozenset())
    wanted = typed.lower()
    if ACCOUNT in words and wanted.startswith(ACCOUNT):
        source = ValueSource.ACCOUNT
    return Place(start, typed, tuple(word for word in words if word.lower().startswith(wanted)), source, field)


def _start(before: str) -> int:
    """Where the word, string or operator begins that is not finished."""
    in_quotes, at = False, 0
    for position, char in enumerate(before):
        if char == '"' and not (in_quotes and _is_escaped(before, position)):
            in_quotes, at = not in_quotes, position
    if in_quotes:
        head = before[:at].lower()
        return at - len(ACCOUNT) if head.endswith(ACCOUNT) else at
    found = _OPERATOR.search(before) or _WORD.search(before)
    assert found is not None
    return found.start()


def _is_escaped(text: str, position: int) -> bool:
    return (position - len(text[:position].rstrip("\\"))) % 2 == 1


def _before(text: str) -> tuple[Sequence[Token], frozenset[str] | None]:
    """The tokens of a text, and the terminals that may follow; None: the text is wrong already."""
    try:
        parser: Any = interactive(text)
        return list(parser.iter_parse()), frozenset(parser.accepts())
    except (UnexpectedInput, Placed):
        return (), None


def _expected(
    tokens: Sequence[Token], accepted: frozenset[str]
) -> tuple[Iterable[str], ValueSource, FilterField | None]:
    if "QUANTITY" in accepted:
        return _values(tokens)
    words: list[str] = []
    if "OPERATOR" in accepted and tokens:
        words += _operators(tokens)
    if "_OR" in accepted:
        words += ["AND", "OR"]
    if "FUNCTION" in accepted:
        words += [*FIELDS, ACCOUNT, *(f"{name}(" for name in FUNCTIONS), "NOT"]
    elif "WORD" in accepted and "_OPEN" not in accepted:
        words += SOFTWARE_FIELDS
    words += [
        word for terminal, word in (("_EMPTY", "empty"), ("_NOT", "not"), ("_CLOSE", ")")) if terminal in accepted
    ]
    return dict.fromkeys(words), ValueSource.NONE, None


def _operators(tokens: Sequence[Token]) -> Sequence[str]:
    if tokens[-1].type == "_CLOSE":
        return ("=", "!=", "in")
    name = str(tokens[-1]).replace('"', "")
    if _is_in_software(tokens):
        kinds = [field.kind for known, field in SOFTWARE_FIELDS.items() if known == name.lower()]
        return [text for kind in kinds for text in operators_of(kind) if text != "in"]
    try:
        return [*operators_of(find_field(name).kind), "is empty", "is not empty"]
    except BadInput:
        return ()


def _values(tokens: Sequence[Token]) -> tuple[Iterable[str], ValueSource, FilterField | None]:
    """Of the field or function before the last operator, `in` or parenthesis."""
    place = len(tokens) - 1
    while place > 0 and tokens[place].type not in ("OPERATOR", "_IN", "FUNCTION"):
        place -= 1
    if place < 0:
        return (), ValueSource.NONE, None
    if tokens[place].type == "FUNCTION":
        if tokens[-1].type == "COMMA":
            return SOFTWARE_FIELDS, ValueSource.NONE, None
        return (), ValueSource(tokens[place].lower()), None
    before = tokens[place - 1]
    if before.type == "_CLOSE":
        return [str(state) for state in Outcome], ValueSource.NONE, None
    if _is_in_software(tokens[:place]):
        return (
            (),
            {"name": ValueSource.SOFTWARE, "publisher": ValueSource.PUBLISHER}.get(before.lower(), ValueSource.NONE),
            None,
        )
    try:
        field = find_field(str(before).replace('"', ""))
    except BadInput:
        return (), ValueSource.NONE, None
    if field.kind is Kind.TIME:
        return ("1d", "7d", "30d"), ValueSource.NONE, field
    return (), ValueSource.FIELD if field.suggests else ValueSource.NONE, field


def _is_in_software(tokens: Sequence[Token]) -> bool:
    opened = [token for token in tokens if token.type in ("FUNCTION", "_OPEN", "_CLOSE")]
    return len(opened) >= 2 and opened[-1].type == "_OPEN" and opened[-2].lower() == "software"
