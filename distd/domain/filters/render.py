"""A tree as text in one form: what `parse` makes of it is the same tree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from distd.domain.filters.criteria import FilterOp
from distd.domain.filters.fields import ACCOUNT, FIELDS, KEYWORDS, Kind, find_field
from distd.domain.filters.tree import And, Compare, Empty, InGroup, Not, Or, PackageInState, Software, Word

if TYPE_CHECKING:
    from distd.domain.filters.tree import Node, OfSoftware

_PLAIN: Final = re.compile(r"[\w*?.:/+-]+")
_OPPOSITE: Final = {FilterOp.EQUAL: "!=", FilterOp.LIKE: "!~"}
_QUOTED: Final = (Kind.TEXT, Kind.VERSION)


def render(tree: Node) -> str:
    """The canonical text."""
    match tree:
        case Word(text):
            lowered = text.lower()
            is_plain = _PLAIN.fullmatch(text) and not lowered.startswith(ACCOUNT)
            return text if is_plain and lowered not in KEYWORDS and lowered not in FIELDS else quote(text)
        case Compare(field, op, _):
            return f"{render_field(field)} {op} {_values(tree)}"
        case Empty(field):
            return f"{render_field(field)} is empty"
        case Software(criteria):
            return f"software({', '.join(_of_software(place, each) for place, each in enumerate(criteria))})"
        case PackageInState():
            return _package(tree)
        case InGroup(name):
            return f"group({quote(name)})"
        case Not(Compare(field, op, _) as part) if op in _OPPOSITE:
            return f"{render_field(field)} {_OPPOSITE[op]} {_values(part)}"
        case Not(Empty(field)):
            return f"{render_field(field)} is not empty"
        case Not(part):
            return f"NOT {_inner(part)}"
        case And(parts):
            return " AND ".join(map(_inner, parts))
        case Or(parts):
            return " OR ".join(map(_inner, parts))


def render_field(name: str) -> str:
    """The name of a field, with a key in quotes where it needs them."""
    key = name[len(ACCOUNT) :]
    if not name.startswith(ACCOUNT) or _PLAIN.fullmatch(key):
        return name
    return f"{ACCOUNT}{quote(key)}"


def quote(text: str) -> str:
    r"""In quotes, with `\` before those within and before another `\`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _inner(node: Node) -> str:
    return f"({render(node)})" if isinstance(node, And | Or) else render(node)


def _values(node: Compare) -> str:
    is_quoted = node.op is FilterOp.LIKE or find_field(node.field).kind in _QUOTED
    texts = [quote(text) if is_quoted or not _PLAIN.fullmatch(text) else text for text in node.values]
    return texts[0] if node.op is not FilterOp.IN or (len(texts) == 1 and not is_quoted) else f"({', '.join(texts)})"


def _of_software(place: int, each: OfSoftware) -> str:
    if place == 0 and each.field == "name" and each.op is FilterOp.LIKE and not each.negated:
        return quote(each.value)
    op = _OPPOSITE[each.op] if each.negated else each.op
    return f"{each.field} {op} {quote(each.value)}"


def _package(node: PackageInState) -> str:
    text = f"package({node.package_id or quote(node.name)})"
    if not node.states:
        return text
    return f"{text} = {node.states[0]}" if len(node.states) == 1 else f"{text} in ({', '.join(node.states)})"
