"""A tree as JSON: what programs make and read, with the same bounds as the text.

{"word": "lyon"}   {"field": "memory", "op": ">=", "value": "8GiB"}   {"field": "user", "op": "is empty"}
{"field": "ip", "op": "in", "values": ["10.1.0.0/16"]}   {"software": [{"field": "name", "op": "~", "value": "7-Zip*"}]}
{"package": "Putty", "states": ["FAILED"]}   {"package_id": "1795419744"}   {"group": "Class A"}
{"not": …}   {"and": [… , …]}   {"or": [… , …]}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from distd.domain.errors import BadInput
from distd.domain.filters import tree
from distd.domain.filters.criteria import OPPOSITES, FilterOp
from distd.domain.filters.tree import And, Compare, Empty, InGroup, Not, Or, PackageInState, Software, Word

if TYPE_CHECKING:
    from distd.domain.filters.tree import Node

IS_EMPTY: Final = "is empty"
_OPPOSITE: Final = {op: text for text, op in OPPOSITES.items()}


def to_json(node: Node) -> dict[str, Any]:
    """The tree in plain values."""
    match node:
        case Word(text):
            return {"word": text}
        case Compare(field, FilterOp.IN, values):
            return {"field": field, "op": "in", "values": list(values)}
        case Compare(field, op, values):
            return {"field": field, "op": str(op), "value": values[0]}
        case Empty(field):
            return {"field": field, "op": IS_EMPTY}
        case Software(criteria):
            return {"software": [_of_software(each) for each in criteria]}
        case PackageInState(package_id, name, states):
            which = {"package_id": package_id} if package_id else {"package": name}
            return which | ({"states": list(states)} if states else {})
        case InGroup(name):
            return {"group": name}
        case Not(part):
            return {"not": to_json(part)}
        case And(parts):
            return {"and": [to_json(part) for part in parts]}
        case Or(parts):
            return {"or": [to_json(part) for part in parts]}


def from_json(value: Any) -> Node:
    """The tree of plain values, as a JSON document has them. Raises `BadInput`, whose field is the place in it."""
    return tree.checked(_read(value, "tree", 0))


def _of_software(each: tree.OfSoftware) -> dict[str, Any]:
    return {"field": each.field, "op": _OPPOSITE[each.op] if each.negated else str(each.op), "value": each.value}


def _read(value: Any, place: str, depth: int) -> Node:
    if depth > 2 * tree.MAX_DEPTH:
        raise BadInput("tree", f"at most {tree.MAX_DEPTH} levels", "more")
    try:
        match value:
            case {"and": list(parts), **rest} if parts and not rest:
                return tree.conjunction(_read_all(parts, f"{place}.and", depth))
            case {"or": list(parts), **rest} if parts and not rest:
                return tree.disjunction(_read_all(parts, f"{place}.or", depth))
            case {"not": part, **rest} if not rest:
                return tree.negation(_read(part, f"{place}.not", depth + 1))
            case {"software": list(criteria), **rest} if not rest:
                return tree.software(_read_software(each) for each in criteria[: tree.MAX_DEPTH + 1])
            case _:
                return _read_leaf(value)
    except BadInput as error:
        if error.field.startswith("tree"):
            raise
        raise BadInput(place, error.expected, error.got, error.hint) from None


def _read_all(parts: list[Any], place: str, depth: int) -> list[Node]:
    if len(parts) > tree.MAX_NODES:
        raise BadInput(place, f"at most {tree.MAX_NODES} parts", len(parts))
    return [_read(part, f"{place}.{number}", depth + 1) for number, part in enumerate(parts)]


def _read_leaf(value: Any) -> Node:
    match value:
        case {"word": str(text), **rest} if not rest:
            return tree.word(text)
        case {"field": str(field), "op": "is empty", **rest} if not rest:
            return tree.empty(field)
        case {"field": str(field), "op": str(op), "value": str(text), **rest} if not rest and op != "in":
            return tree.compare(field, op, [text])
        case {"field": str(field), "op": "in", "values": list(values), **rest} if not rest and _are_texts(values):
            return tree.compare(field, "in", values)
        case {"package": str(name), **rest} if _are_states(rest):
            return tree.package("", name, value.get("states", ()))
        case {"package_id": str(key), **rest} if _are_states(rest):
            return tree.package(key, "", value.get("states", ()))
        case {"group": str(name), **rest} if not rest:
            return tree.group(name)
    raise BadInput("node", 'an object such as {"field": "os", "op": "~", "value": "windows*"}', value)


def _read_software(value: Any) -> tree.OfSoftware:
    match value:
        case {"field": str(field), "op": str(op), "value": str(text), **rest} if not rest:
            return tree.of_software(field, op, text)
    raise BadInput("software", 'an object such as {"field": "version", "op": "<", "value": "24"}', value)


def _are_states(rest: dict[Any, Any]) -> bool:
    return rest.keys() <= {"states"} and _are_texts(rest.get("states", []))


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and len(values) <= tree.MAX_VALUES and all(isinstance(each, str) for each in values)
