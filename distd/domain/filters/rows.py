"""A filter as rows in groups, as a form shows it: what `rows_of` makes of a tree, `read_rows` makes the same tree of.

A row compares one field by one operator. What rows have no operators for is one row with its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from distd.domain.errors import BadInput
from distd.domain.filters import tree
from distd.domain.filters.criteria import FilterOp
from distd.domain.filters.fields import Kind, find_field
from distd.domain.filters.parse import BadFilter, parse
from distd.domain.filters.patterns import escape
from distd.domain.filters.render import render
from distd.domain.filters.tree import And, Compare, Empty, InGroup, Not, Or, PackageInState, Software, Word
from distd.domain.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from distd.domain.filters.tree import Leaf, Node

MAX_ROWS: Final = 60  # of a form; longer filters are texts alone
MAX_LEVELS: Final = 6
# What a row compares beside fields.
WORD: Final = "word"
SOFTWARE: Final = "software"
PACKAGE: Final = "package"
GROUP: Final = "group"
TEXT: Final = "text"

IS_EMPTY: Final = "is empty"
NOT_EMPTY: Final = "is not empty"
WITHOUT_VALUE: Final = (IS_EMPTY, NOT_EMPTY)
# Patterns of texts that have an operator of their own; the value is the text without its stars.
_CONTAINS: Final = "contains"
_LIKES: Final = {_CONTAINS: ("*", "*"), "begins": ("", "*")}
_PLAIN: Final = r"[^*?\\]+"
_NEGATIVES: Final = {"!=": "=", "!~": "~", "not in": "in", "contains not": _CONTAINS, NOT_EMPTY: IS_EMPTY}
_OPPOSITES: Final = {positive: negative for negative, positive in _NEGATIVES.items()}
_ENDS: Final = (IS_EMPTY, NOT_EMPTY)
_LISTS: Final = ("in", "not in")
_PATTERNS: Final = ("~", "!~")
_ORDERED: Final = (">=", ">", "<=", "<")
_HAS: Final = "has"
_HAS_NOT: Final = "has not"
_ASSIGNED: Final = "assigned"
# By the kind of a field what a form offers, the first for a new row.
OPERATORS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.TEXT: (_CONTAINS, "contains not", "begins", "=", "!=", *_PATTERNS, *_LISTS, *_ENDS),
    Kind.VERSION: ("=", "!=", *_ORDERED, "begins", *_PATTERNS, *_LISTS, *_ENDS),
    Kind.ADDRESS: ("=", "!=", "begins", *_PATTERNS, *_LISTS, *_ENDS),
    Kind.MAC: ("=", "!=", "begins", *_PATTERNS, *_LISTS, *_ENDS),
    Kind.NUMBER: ("=", "!=", *_ORDERED, *_LISTS, *_ENDS),
    Kind.SIZE: (*_ORDERED, "=", "!=", *_ENDS),
    Kind.TIME: (*_ORDERED, "=", "!=", *_ENDS),
}
SPECIAL: Final[Mapping[str, tuple[str, ...]]] = {
    WORD: ("~", "!~"),
    SOFTWARE: (_HAS, _HAS_NOT),
    PACKAGE: (_ASSIGNED, "not assigned", *(f"= {state}" for state in Outcome), *(f"!= {state}" for state in Outcome)),
    GROUP: ("=", "!="),
    TEXT: ("holds",),
}
VERSION_OPERATORS: Final = ("=", "!=", *_ORDERED)
_LISTED: Final = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(?:,|$)')  # in time by the length, whatever comes

Path: TypeAlias = tuple[int, ...]


class Join(StrEnum):
    """What of a group's parts has to hold."""

    ALL = "all"
    ANY = "any"
    NONE = "none"
    NOT_ALL = "not_all"


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """`field`: a field, or what else a row compares; "": not chosen yet. `version_op`, `version`: of software."""

    field: str = ""
    op: str = ""
    value: str = ""
    version_op: str = ""
    version: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether it can be read."""
        return bool(self.field) and (self.op in WITHOUT_VALUE or bool(self.value.strip()))


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows and groups, of which `join` has to hold."""

    join: Join = Join.ALL
    parts: tuple[CriterionRow | RowGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadRows:
    """`tree` of the complete rows that can be read; None: there are none. `faults` by the paths of rows."""

    tree: Node | None
    faults: Mapping[Path, BadInput]


BLANK: Final = CriterionRow()


def operators_of_row(field: str) -> tuple[str, ...]:
    """What a field can be compared by in a row; of "" and unknown ones what texts can."""
    try:
        return SPECIAL.get(field) or OPERATORS[find_field(field).kind]
    except BadInput:
        return OPERATORS[Kind.TEXT]


def rows_of(node: Node | None) -> RowGroup | None:
    """The rows of a tree, in a group of all of them. None: too many, or too deep, for a form."""
    if node is None:
        return RowGroup()
    made = _part_of(node)
    group = made if isinstance(made, RowGroup) else RowGroup(parts=(made,))
    return group if _is_small(group) else None


def read_rows(group: RowGroup) -> ReadRows:
    """The tree of rows. What is not complete is left out. Raises `BadInput` for a tree that is too large."""
    if not _is_small(group):
        raise BadInput("rows", f"at most {MAX_ROWS} rows in {MAX_LEVELS} levels", "more")
    faults: dict[Path, BadInput] = {}
    found = _read_group(group, (), faults)
    return ReadRows(None if found is None else tree.checked(found), faults)


def changed(group: RowGroup, path: Path, act: str) -> RowGroup:
    """The rows after an act: "add" a row, or a "group", at the end of the group at `path`, or "remove" what is there.
    What is not there changes nothing."""
    if not path:
        if act == "add":
            return replace(group, parts=(*group.parts, BLANK))
        if act == "group":
            other = Join.ANY if group.join is Join.ALL else Join.ALL
            return replace(group, parts=(*group.parts, RowGroup(other, (BLANK,))))
        return RowGroup() if act == "remove" else group
    place, rest = path[0], path[1:]
    if not 0 <= place < len(group.parts):
        return group
    part = group.parts[place]
    kept: tuple[CriterionRow | RowGroup, ...] = ()
    if isinstance(part, RowGroup) and (rest or act != "remove"):
        after = changed(part, rest, act)
        kept = (after,) if after.parts else ()
    elif act != "remove" or rest:
        kept = (part,)
    return replace(group, parts=(*group.parts[:place], *kept, *group.parts[place + 1 :]))


def row_count(group: RowGroup) -> int:
    """How many rows there are at all levels."""
    return sum(row_count(part) if isinstance(part, RowGroup) else 1 for part in group.parts)


def has_incomplete(group: RowGroup) -> bool:
    """Whether a row is begun and not complete."""
    return any(
        has_incomplete(part) if isinstance(part, RowGroup) else bool(part.field) and not part.is_complete
        for part in group.parts
    )


def _is_small(group: RowGroup) -> bool:
    return row_count(group) <= MAX_ROWS and _levels(group) <= MAX_LEVELS


def _levels(group: RowGroup) -> int:
    return 1 + max((_levels(part) for part in group.parts if isinstance(part, RowGroup)), default=0)


def _part_of(node: Node) -> CriterionRow | RowGroup:
    match node:
        case And(parts):
            return RowGroup(Join.ALL, tuple(map(_part_of, parts)))
        case Or(parts):
            return RowGroup(Join.ANY, tuple(map(_part_of, parts)))
        case Not(And(parts)):
            return RowGroup(Join.NOT_ALL, tuple(map(_part_of, parts)))
        case Not(Or(parts)):
            return RowGroup(Join.NONE, tuple(map(_part_of, parts)))
        case Not(Not()):
            return CriterionRow(TEXT, "holds", render(node))
        case Not(part):
            assert not isinstance(part, Not | And | Or)
            row = _row_of(part)
            opposite = _opposite(row)
            return CriterionRow(TEXT, "holds", render(node)) if opposite is None else replace(row, op=opposite)
        case _:
            return _row_of(node)


def _opposite(row: CriterionRow) -> str | None:
    """The operator of a row for the opposite; None: there is none in this row's menu."""
    if row.field == PACKAGE:
        return f"!{row.op}" if row.op.startswith("=") else "not assigned"
    if row.field == SOFTWARE:
        return _HAS_NOT
    found = _OPPOSITES.get(row.op)
    return found if found in operators_of_row(row.field) else None


def _row_of(leaf: Leaf) -> CriterionRow:
    match leaf:
        case Word(text):
            return CriterionRow(WORD, "~", text)
        case Compare(field, op, values):
            return _of_comparison(field, op, values)
        case Empty(field):
            return CriterionRow(field, IS_EMPTY)
        case Software((tree.OfSoftware("name", FilterOp.LIKE, name, False),)):
            return CriterionRow(SOFTWARE, _HAS, name)
        case Software((tree.OfSoftware("name", FilterOp.LIKE, name, False), tree.OfSoftware("version") as version)):
            compared = "!=" if version.negated else str(version.op)
            if compared in VERSION_OPERATORS and not (version.negated and version.op is not FilterOp.EQUAL):
                return CriterionRow(SOFTWARE, _HAS, name, compared, version.value)
        case PackageInState(package_id, name, states) if len(states) <= 1 and not name.isdecimal():
            return CriterionRow(PACKAGE, f"= {states[0]}" if states else _ASSIGNED, package_id or name)
        case InGroup(name):
            return CriterionRow(GROUP, "=", name)
    return CriterionRow(TEXT, "holds", render(leaf))


def _of_comparison(field: str, op: FilterOp, values: tuple[str, ...]) -> CriterionRow:
    if op is FilterOp.IN:
        return CriterionRow(field, "in", ", ".join(map(_listed, values)))
    (value,) = values
    offered = operators_of_row(field)
    for name, (before, after) in _LIKES.items() if op is FilterOp.LIKE else ():
        found = re.fullmatch(f"{re.escape(before)}({_PLAIN}){re.escape(after)}", value)
        if name in offered and found and found[1].strip():
            return CriterionRow(field, name, found[1])
    return CriterionRow(field, str(op), value)


def _listed(value: str) -> str:
    if "," in value or '"' in value or value != value.strip():
        return '"' + value.replace('"', '""') + '"'
    return value


def _read_list(text: str) -> list[str]:
    found = [quoted.replace('""', '"') if quoted else plain.strip() for quoted, plain in _LISTED.findall(text)]
    return [each for each in found if each]


def _read_group(group: RowGroup, path: Path, faults: dict[Path, BadInput]) -> Node | None:
    parts: list[Node] = []
    for place, part in enumerate(group.parts):
        found = _read_part(part, (*path, place), faults)
        if found is not None:
            parts.append(found)
    return None if not parts else _joined(group.join, parts)


def _read_part(part: CriterionRow | RowGroup, path: Path, faults: dict[Path, BadInput]) -> Node | None:
    if isinstance(part, RowGroup):
        return _read_group(part, path, faults)
    if not part.is_complete:
        return None
    try:
        return _read_row(part)
    except BadFilter as error:
        faults[path] = BadInput("value", error.expected, error.got, error.hint)
    except BadInput as error:
        faults[path] = error
    return None


def _joined(join: Join, parts: Iterable[Node]) -> Node:
    match join:
        case Join.ALL:
            return tree.conjunction(parts)
        case Join.ANY:
            return tree.disjunction(parts)
        case Join.NONE:
            return tree.negation(tree.disjunction(parts))
        case Join.NOT_ALL:
            return tree.negation(tree.conjunction(parts))


def _read_row(row: CriterionRow) -> Node:
    if row.op not in operators_of_row(row.field):
        raise BadInput("operator", f"one of {', '.join(operators_of_row(row.field))}", row.op or "nothing")
    match row.field:
        case "text":
            return parse(row.value)
        case "package":
            return _read_package(row)
        case "software":
            found: Node = tree.software(_software_criteria(row))
            return found if row.op == _HAS else tree.negation(found)
    positive = _NEGATIVES.get(row.op, row.op)
    made = _read_positive(row, positive)
    return made if positive == row.op else tree.negation(made)


def _read_positive(row: CriterionRow, op: str) -> Node:
    if row.field == WORD:
        return tree.word(row.value)
    if row.field == GROUP:
        return tree.group(row.value)
    if op == IS_EMPTY:
        return tree.empty(row.field)
    if op == "in":
        return tree.compare(row.field, op, _read_list(row.value))
    if op in _LIKES:
        before, after = _LIKES[op]
        return tree.compare(row.field, "~", [f"{before}{escape(row.value)}{after}"])
    return tree.compare(row.field, op, [row.value])


def _software_criteria(row: CriterionRow) -> Iterable[tree.OfSoftware]:
    yield tree.of_software("name", "~", row.value)
    if row.version_op and row.version.strip():
        yield tree.of_software("version", row.version_op, row.version)


def _read_package(row: CriterionRow) -> Node:
    value = row.value.strip() if row.value.strip().isdecimal() else row.value
    which = (value, "") if value.isdecimal() else ("", value)
    sign, _, state = row.op.partition(" ")
    is_negative = sign in ("!=", "not")
    states = [state] if sign in ("=", "!=") else []
    found = tree.package(*which, states)
    return tree.negation(found) if is_negative else found
