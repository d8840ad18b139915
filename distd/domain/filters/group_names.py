"""Filters that name groups: whether one does, and the same one after a group got another name. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.domain.filters.patterns import escape, read_pattern
from distd.domain.filters.tree import And, InGroup, Not, Or, leaves
from distd.domain.folding import fold

if TYPE_CHECKING:
    from distd.domain.filters.tree import Node


def names_group(tree: Node, name: str) -> bool:
    """Whether a filter has `group("…")` with this name, and not only with a pattern that it is like."""
    return any(_is_of(leaf, name) for leaf in leaves(tree))


def rename_group(tree: Node, before: str, after: str) -> Node:
    """The filter that names the group `after` where this one names it `before`; patterns stay."""
    match tree:
        case And(parts):
            return And(tuple(rename_group(part, before, after) for part in parts))
        case Or(parts):
            return Or(tuple(rename_group(part, before, after) for part in parts))
        case Not(part):
            return Not(rename_group(part, before, after))
    return InGroup(escape(after)) if _is_of(tree, before) else tree


def _is_of(leaf: Node, name: str) -> bool:
    return isinstance(leaf, InGroup) and read_pattern(leaf.name, whole=True).pieces == ((fold(name),),)
