"""The syntax tree of a filter: frozen, bounded, and in one form for each meaning that can be written in two ways.

Trees are made by the functions here alone: they check values and write them canonically, so that a tree that exists can
be interpreted. `!=`, `!~` and `is not empty` are `Not` around their opposites: so with a field of several values they
mean "none of them".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from distd.domain.errors import BadInput
from distd.domain.filters.criteria import MAX_VALUE, OPPOSITES, FilterOp, read_value
from distd.domain.filters.fields import FilterField, Kind, ReadSection, find_field, nearest
from distd.domain.filters.patterns import read_pattern
from distd.domain.folding import fold
from distd.domain.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_NODES: Final = 256
MAX_DEPTH: Final = 24
MAX_VALUES: Final = 1000  # of one `in`

# What `software("…", version >= "115")` compares beside the name.
SOFTWARE_FIELDS: Final[Mapping[str, FilterField]] = {
    "name": FilterField("name", Kind.TEXT, ReadSection.SOFTWARE, "name", "name of the software", suggests=True),
    "version": FilterField("version", Kind.VERSION, ReadSection.SOFTWARE, "version", "its version"),
    "publisher": FilterField("publisher", Kind.TEXT, ReadSection.SOFTWARE, "publisher", "its publisher", suggests=True),
}


@dataclass(frozen=True, slots=True)
class Word:
    """In one of `fields.WORD_FIELDS` there is a text like this pattern."""

    text: str


@dataclass(frozen=True, slots=True)
class Compare:
    """A value of the field compares so with the value; with `in`, with one of the values."""

    field: str
    op: FilterOp
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Empty:
    """The field has no value."""

    field: str


@dataclass(frozen=True, slots=True)
class OfSoftware:
    """What is compared of one installed software. `negated`: the comparison does not hold."""

    field: str
    op: FilterOp
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Software:
    """One software is installed of which all of these hold."""

    criteria: tuple[OfSoftware, ...]


@dataclass(frozen=True, slots=True)
class PackageInState:
    """A package is assigned, by its id or by the pattern of its whole name; the latest assignment of it is in one of
    the states, none: in any."""

    package_id: str
    name: str
    states: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InGroup:
    """The computer is a member of a group whose whole name is like this pattern."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold; none of them is an `And`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the parts holds; none of them is an `Or`."""

    parts: tuple[Node, ...]


Leaf: TypeAlias = Word | Compare | Empty | Software | PackageInState | InGroup
Node: TypeAlias = Leaf | Not | And | Or


def word(text: str) -> Word:
    """A word. Raises `BadInput`, as all of these do."""
    return Word(_pattern("word", text))


def compare(field: str, op: str, values: Iterable[str]) -> Node:
    """A comparison, `op` in its text, also "!=" or "!~"."""
    found = find_field(field)
    opposite = OPPOSITES.get(op)
    texts = list(values)
    if op in ("=", "!=") and texts == [""]:
        return Empty(found.name) if opposite is None else Not(Empty(found.name))
    operator = opposite or _operator(op)
    if operator is not FilterOp.IN and len(texts) != 1:
        raise BadInput("value", "one value", f"{len(texts)} values")
    if not 1 <= len(texts) <= MAX_VALUES:
        raise BadInput("value", f"1 to {MAX_VALUES} values", f"{len(texts)} values")
    made = Compare(found.name, operator, tuple(dict.fromkeys(read_value(found.kind, operator, each) for each in texts)))
    return made if opposite is None else Not(made)


def empty(field: str) -> Empty:
    """Whether a field has no value."""
    return Empty(find_field(field).name)


def of_software(field: str, op: str, value: str) -> OfSoftware:
    """What is compared of one installed software."""
    found = SOFTWARE_FIELDS.get(field.lower())
    if found is None:
        expected = f"one of {', '.join(SOFTWARE_FIELDS)}"
        raise BadInput("filter", expected, field, nearest(field, SOFTWARE_FIELDS))
    opposite = OPPOSITES.get(op)
    operator = opposite or _operator(op)
    if operator is FilterOp.IN:
        raise BadInput("operator", "an operator with one value", op)
    return OfSoftware(found.name, operator, read_value(found.kind, operator, value), opposite is not None)


def software(criteria: Iterable[OfSoftware]) -> Software:
    """Installed software."""
    made = tuple(criteria)
    if not made or len(made) > MAX_DEPTH:
        raise BadInput("software", f'1 to {MAX_DEPTH} criteria, such as software("7-Zip*", version < "24")', len(made))
    return Software(made)


def package(package_id: str, name: str, states: Iterable[str] = ()) -> PackageInState:
    """The state of an assignment; of `package_id` and `name` one is empty."""
    if package_id and not (package_id.isascii() and package_id.isdecimal() and len(package_id) <= 20):
        raise BadInput("package", "the id of a package, or its name in quotes", package_id)
    if bool(package_id) == bool(name):
        raise BadInput("package", "the id of a package, or its name in quotes", "both" if name else "neither")
    found = []
    for state in states:
        if state.strip().upper() not in set(Outcome):
            raise BadInput("value", f"one of {', '.join(Outcome)}", state, nearest(state, map(str.lower, Outcome)))
        found.append(str(Outcome(state.strip().upper())))
    return PackageInState(
        package_id, _pattern("package", name, whole=True) if name else "", tuple(dict.fromkeys(found))
    )


def group(name: str) -> InGroup:
    """Members of groups."""
    return InGroup(_pattern("group", name, whole=True))


def negation(part: Node) -> Node:
    """What holds where `part` does not."""
    return part.part if isinstance(part, Not) else Not(part)


def conjunction(parts: Iterable[Node]) -> Node:
    """What holds where all parts do."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,))]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def disjunction(parts: Iterable[Node]) -> Node:
    """What holds where one of the parts does."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,))]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def checked(tree: Node) -> Node:
    """The tree. Raises `BadInput` for one that is too large."""
    nodes, level = 0, [tree]
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise BadInput("filter", f"at most {MAX_NODES} comparisons, AND, OR and NOT together", "more")
        level = [child for node in level for child in children(node)]
        if not level:
            return tree
    raise BadInput("filter", f"at most {MAX_DEPTH} levels of parentheses", "more")


def children(node: Node) -> tuple[Node, ...]:
    """What a node is made of; nothing for a leaf."""
    match node:
        case And(parts) | Or(parts):
            return parts
        case Not(part):
            return (part,)
    return ()


def leaves(tree: Node) -> Iterator[Leaf]:
    """All that is compared, from left to right."""
    waiting: list[Node] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Not | And | Or):
            waiting.extend(reversed(children(node)))
        else:
            yield node


def _operator(text: str) -> FilterOp:
    if text not in set(FilterOp):
        raise BadInput("operator", f"one of {' '.join((*FilterOp, *OPPOSITES))}", text)
    return FilterOp(text)


def _pattern(field: str, text: str, *, whole: bool = False) -> str:
    if not fold(text) or len(text) > MAX_VALUE or not text.isprintable():
        raise BadInput(field, f"a text of 1 to {MAX_VALUE} printable characters", text)
    read_pattern(text, whole=whole)
    return text
