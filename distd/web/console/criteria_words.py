"""The words of the console for the rows of a search: joins, comparisons, and what is compared beside fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.filters.rows import GROUP, PACKAGE, SOFTWARE, TEXT, WORD, Join
from distd.web.console.computer_words import FIELD_NAMES
from distd.web.console.frame import current
from distd.web.console.words import RESULT_STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

ROW_NAMES: Final = {
    WORD: "Anywhere",
    SOFTWARE: "Software",
    PACKAGE: "Package",
    GROUP: "Group",
    TEXT: "Filter as text",
}
MENU_NAMES: Final = {
    "Usual": "Usual",
    "All fields": "All fields",
    "Account info": "Account info",
    "Filter as text": "Other",
}
JOINS: Final[Mapping[str, str]] = {
    Join.ALL: "all of these (AND)",
    Join.ANY: "at least one of these (OR)",
    Join.NONE: "none of these (NOT)",
    Join.NOT_ALL: "not all of these together",
}
OPERATORS: Final = {
    "contains": "contains",
    "contains not": "does not contain",
    "begins": "begins with",
    "=": "is equal to",
    "!=": "differs from",
    "~": "is like (* and ?)",
    "!~": "is not like (* and ?)",
    "in": "is one of",
    "not in": "is none of",
    ">=": "at least",
    ">": "more than",
    "<=": "at most",
    "<": "less than",
    "is empty": "is empty",
    "is not empty": "is not empty",
    "has": "is installed",
    "has not": "is not installed",
    "assigned": "is assigned",
    "not assigned": "is not assigned",
    "holds": "holds",
}
TIME_OPERATORS: Final = {">=": "since", ">": "after", "<=": "until", "<": "before"}
WORD_OPERATORS: Final = {"~": "contains", "!~": "does not contain"}
GROUP_OPERATORS: Final = {"=": "member of", "!=": "not member of"}
_OF_FIELDS: Final[Mapping[str, Mapping[str, str]]] = {WORD: WORD_OPERATORS, GROUP: GROUP_OPERATORS}


def _text(english: str) -> str:
    return current().language.text(english)


def row_name(field: str) -> str:
    """What a row compares, in the language of the request."""
    return _text(ROW_NAMES.get(field) or FIELD_NAMES.get(field) or field.removeprefix("account."))


def operator_name(op: str, field: str, *, is_time: bool) -> str:
    """A comparison, in the language of the request; of a package a state."""
    if field == PACKAGE and op.partition(" ")[0] in ("=", "!="):
        sign, _, state = op.partition(" ")
        english = "is in the state {state}" if sign == "=" else "is not in the state {state}"
        return current().language.text(english, state=_text(RESULT_STATES[state]))
    words = TIME_OPERATORS if is_time else _OF_FIELDS.get(field, OPERATORS)
    return _text(words.get(op) or OPERATORS[op])


CRITERIA_TABLES: Final = (
    ROW_NAMES,
    MENU_NAMES,
    JOINS,
    OPERATORS,
    TIME_OPERATORS,
    WORD_OPERATORS,
    GROUP_OPERATORS,
    {text: text for text in ("is in the state {state}", "is not in the state {state}")},
)
CRITERIA_WORDS: Final = {
    "row_name": row_name,
    "operator_name": operator_name,
    "join_name": lambda join: _text(JOINS[join]),
    "menu_name": lambda name: _text(MENU_NAMES[name]),
}
