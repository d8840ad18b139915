"""From the text of a filter to its tree. Errors say where, what was expected, and what is near to it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from distd.domain.errors import BadInput
from distd.domain.filters import tree
from distd.domain.filters.fields import ACCOUNT, FIELDS, KEYWORDS, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lark.parsers.lalr_interactive_parser import InteractiveParser

    from distd.domain.filters.tree import Node

T = TypeVar("T")

MAX_TEXT: Final = 4000  # characters
AROUND: Final = 24  # characters that an error shows on both sides of its place
FUNCTIONS: Final = ("software", "package", "group")

# What people call the tokens, in the order in which an error names them.
TOKEN_NAMES: Final = {
    "WORD": "a field or a word",
    "OPERATOR": "an operator (= != ~ !~ < <= > >= in is)",
    "QUANTITY": "a value",
    "_EMPTY": "empty",
    "_OR": "AND, OR",
    "_CLOSE": ")",
    "COMMA": "a comma",
    "$END": "the end",
}


class BadFilter(BadInput):
    """A text that is no filter. `at`: the first character that is wrong, from 0; `length`: how many; `text`: all;
    `advice`: the hint without the place."""

    def __init__(self, expected: str, got: str, hint: str, text: str, place: tuple[int, int]) -> None:
        self.at, end = place
        self.length = max(end - self.at, 1)
        self.text = text
        self.advice = hint
        super().__init__("filter", expected, got, "; ".join(filter(None, (hint, self._where()))))

    @property
    def caret(self) -> str:
        """Two lines: the text, and marks below what is wrong."""
        return f"{_line(self.text)}\n{' ' * self.at}{'^' * self.length}"

    def _where(self) -> str:
        line, end = _line(self.text), self.at + self.length
        before, here, after = line[: self.at][-AROUND:], line[self.at : end][: 2 * AROUND], line[end:][:AROUND]
        return f"character {self.at + 1}: {before}»{here}«{after}"


def _line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def parse(text: str) -> Node:
    """The tree. Raises `BadFilter`."""
    if len(text) > MAX_TEXT:
        raise BadFilter(f"at most {MAX_TEXT} characters", f"{len(text)} characters", "", "", (0, 1))
    if not text.strip():
        raise BadFilter("a filter, such as windows or memory >= 8GiB", "nothing", "", text, (0, 1))
    try:
        found: Node = _parser(text)
    except UnexpectedInput as error:
        raise _syntax_error(error, text) from None
    except Placed as error:
        cause = error.cause
        raise BadFilter(cause.expected, str(cause.got), cause.hint, text, error.place) from None
    try:
        return tree.checked(found)
    except BadInput as error:
        raise BadFilter(error.expected, str(error.got), error.hint, text, (0, len(text))) from None


class Placed(Exception):
    """A value that cannot be used, and where it is."""

    def __init__(self, cause: BadInput, place: tuple[int, int]) -> None:
        super().__init__(cause, place)
        self.cause = cause
        self.place = place


class _Builder(Transformer[Token, Any]):
    """Makes the tree while the text is parsed: a method for each rule of the grammar."""

    def word(self, parts: list[Token]) -> Node:
        (token,) = parts
        if token.type == "WORD" and token.lower() in (*KEYWORDS, *FIELDS):
            is_field = token.lower() in FIELDS
            expected = f"an operator after {token}" if is_field else "a field or a word"
            hint = f'the word itself is "{token}" in quotes'
            raise Placed(BadInput("filter", expected, "nothing" if is_field else str(token), hint), _span(token))
        if token.type == "WORD" and token.startswith("@"):
            hint = "it stands for a whole filter; a word that begins with @ is in quotes"
            raise Placed(BadInput("filter", "no name of a saved filter here", str(token), hint), _span(token))
        return _at(token, lambda: tree.word(_text(token)))

    def field(self, parts: list[Token]) -> Token:
        return parts[0]

    value = name = field

    def values(self, parts: list[Token]) -> list[Token]:
        return [each for each in parts if each.type != "COMMA"]

    def compared(self, parts: list[Token]) -> Node:
        field, op, value = parts
        return _compared(field, op, [value])

    def among(self, parts: list[Any]) -> Node:
        field, values = parts
        return _compared(field, Token("OPERATOR", "in", end_pos=field.end_pos), values)

    def empty(self, parts: list[Token]) -> Node:
        return _at(parts[0], lambda: tree.empty(_field(parts[0])))

    def not_empty(self, parts: list[Token]) -> Node:
        return tree.negation(self.empty(parts))

    def negated(self, parts: list[Node]) -> Node:
        return tree.negation(parts[0])

    def conjunction(self, parts: list[Node]) -> Node:
        return tree.conjunction(parts)

    def disjunction(self, parts: list[Node]) -> Node:
        return tree.disjunction(parts)

    def start(self, parts: list[Node]) -> Node:
        return parts[0]

    def positional(self, parts: list[Token]) -> list[Token]:
        return parts

    criterion = positional

    def arguments(self, parts: list[Any]) -> list[list[Token]]:
        return [each for each in parts if isinstance(each, list)]

    def called(self, parts: list[Any]) -> Node:
        name, arguments = parts
        return _call(name, arguments, None, [])

    def called_compared(self, parts: list[Any]) -> Node:
        name, arguments, op, value = parts
        return _call(name, arguments, op, [value])

    def called_among(self, parts: list[Any]) -> Node:
        name, arguments, values = parts
        return _call(name, arguments, Token("OPERATOR", "in"), values)


def _compared(field: Token, op: Token, values: list[Token]) -> Node:
    texts = [_text(value) for value in values]
    try:
        return tree.compare(_field(field), str(op), texts)
    except BadInput as error:
        raise Placed(error, _place_of(error, field, op, values)) from None


def _place_of(error: BadInput, field: Token, op: Token, values: list[Token]) -> tuple[int, int]:
    if error.field == "filter":
        return _span(field)
    if error.field == "operator" and op.start_pos is not None:
        return _span(op)
    wrong = [value for value in values if _text(value) == error.got]
    return _span((wrong or values)[0])


def _call(name: Token, arguments: list[list[Token]], op: Token | None, values: list[Token]) -> Node:
    function = name.lower()
    if function not in FUNCTIONS:
        hint = nearest(function, FUNCTIONS) or "words before parentheses need AND or OR, or a space"
        raise Placed(BadInput("filter", f"one of {', '.join(FUNCTIONS)} before (", str(name), hint), _span(name))
    if function == "software":
        if op is not None:
            hint = 'say it within the parentheses, such as software("7-Zip", version < "24")'
            raise Placed(BadInput("filter", "AND, OR or the end", str(op), hint), _span(name))
        return _at(name, lambda: tree.software([_of_software(place, each) for place, each in enumerate(arguments)]))
    if len(arguments) != 1 or len(arguments[0]) != 1:
        raise Placed(BadInput("filter", f'{function}("NAME")', f"{len(arguments)} values", ""), _span(name))
    ((value,),) = arguments
    if function == "group":
        if op is not None:
            raise Placed(BadInput("filter", "AND, OR or the end", str(op), ""), _span(name))
        return _at(value, lambda: tree.group(_text(value)))
    return _package(value, op, values)


def _package(value: Token, op: Token | None, values: list[Token]) -> Node:
    if op is not None and op not in ("=", "!=", "in"):
        raise Placed(BadInput("operator", "one of = != in for the state of a package", str(op)), _span(op))
    is_id = value.type != "STRING" and value.isdecimal()
    which = (str(value), "") if is_id else ("", _text(value))
    _at(value, lambda: tree.package(*which))
    states: list[str] = []
    for each in values:
        states += _at(each, lambda each=each: tree.package(*which, [_text(each)])).states  # type: ignore[misc]
    found = tree.package(*which, states)
    return tree.negation(found) if op == "!=" else found


def _of_software(place: int, argument: list[Token]) -> tree.OfSoftware:
    if len(argument) == 3:
        field, op, value = argument
        try:
            return tree.of_software(str(field), str(op), _text(value))
        except BadInput as error:
            raise Placed(error, _place_of(error, field, op, [value])) from None
    (value,) = argument
    if place:
        expected = f"one of {', '.join(tree.SOFTWARE_FIELDS)} and an operator"
        raise Placed(BadInput("filter", expected, _text(value)), _span(value))
    return _at(value, lambda: tree.of_software("name", "~", _text(value)))


def _at(token: Token, make: Callable[[], T]) -> T:
    try:
        return make()
    except BadInput as error:
        raise Placed(error, _span(token)) from None


def _span(token: Token) -> tuple[int, int]:
    start = token.start_pos or 0
    return start, token.end_pos or start + 1


def _text(token: Token) -> str:
    r"""Of a string what is meant: `\"` is `"`, and `\\` is `\`; before anything else `\` stays."""
    if token.type != "STRING":
        return str(token)
    return _unquote(str(token))


def _unquote(text: str) -> str:
    return text[1:-1].replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")


def _field(token: Token) -> str:
    key = str(token)[len(ACCOUNT) :]
    return f"{ACCOUNT}{_unquote(key)}" if token.type == "ACCOUNT" and key.startswith('"') else str(token)


def _syntax_error(error: UnexpectedInput, text: str) -> BadFilter:
    at = error.pos_in_stream if error.pos_in_stream is not None else len(text)
    if isinstance(error, UnexpectedCharacters):
        allowed, got, end = error.allowed or (), text[at], at + 1
        if got == '"':
            return BadFilter('a text that ends with "', text[at:], "", text, (at, len(text)))
    elif isinstance(error, UnexpectedToken) and error.token.type != "$END":
        allowed, got, end = error.accepts or error.expected, str(error.token), at + len(error.token)
    else:
        ended = error.accepts or error.expected if isinstance(error, UnexpectedToken) else _expected_at_end(error)
        return BadFilter(_name(ended), "the end", "", text, (len(text), len(text) + 1))
    return BadFilter(_name(allowed), got, "", text, (at, end))


def _expected_at_end(error: UnexpectedInput) -> Iterable[str]:
    return error.expected if isinstance(error, UnexpectedEOF) else ()


def _name(terminals: Iterable[str]) -> str:
    """The terminals that may come next, in words."""
    found = set(terminals)
    if "STRING" in found and "_OPEN" not in found:
        found = found - {"WORD"} | {"QUANTITY"}
    if {"_AND", "_OR"} & found:
        found -= {"WORD"}
    names = [name for terminal, name in TOKEN_NAMES.items() if terminal in found]
    return " or ".join(names) or "something else"


@cache
def _lark() -> Lark:
    grammar = files("distd.domain.filters").joinpath("grammar.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", transformer=_Builder(), maybe_placeholders=False, propagate_positions=False)


def _parser(text: str) -> Any:
    return _lark().parse(text)


def interactive(text: str) -> InteractiveParser:
    """A parser that stands before the text: for `complete`. What it reads may raise `UnexpectedInput` and `Placed`."""
    return _lark().parse_interactive(text)
