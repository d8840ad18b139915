"""Whether a filter holds for one computer, in memory. A filter is compiled once; `judge_many` judges many computers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from distd.domain.filters.criteria import MICROS, age_us, criterion_of, is_age
from distd.domain.filters.fields import WORD_FIELDS, Kind, account_field, find_field
from distd.domain.filters.patterns import read_pattern
from distd.domain.filters.reads import reads_of
from distd.domain.filters.tree import (
    SOFTWARE_FIELDS,
    And,
    Compare,
    Empty,
    InGroup,
    Not,
    Or,
    PackageInState,
    Software,
    Word,
    leaves,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from distd.domain.filters.facts import FilterFacts, InstalledFacts, Value
    from distd.domain.filters.reads import Reads
    from distd.domain.filters.tree import Node, OfSoftware

    Judge: TypeAlias = Callable[[FilterFacts, float], bool]


_OF_TEXT_AND_KEY: Final = (Kind.VERSION, Kind.ADDRESS)


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A filter that can be asked often. `matches(facts, now_s)`: whether it holds then."""

    tree: Node
    reads: Reads
    matches: Judge

    def next_change_s(self, facts: FilterFacts, now_s: float) -> float | None:
        """From when on the filter may hold otherwise by the clock alone; None: it never does."""
        now_us = round(now_s * MICROS)
        moments = [
            value + age_us(leaf.values[0])
            for leaf in leaves(self.tree)
            if isinstance(leaf, Compare) and is_aged(leaf)
            for value in facts.values.get(leaf.field, ())
            if isinstance(value, int)
        ]
        # At the moment itself `<=` and `>` change, a microsecond after it `<` and `>=`.
        later = [at_us for moment in moments for at_us in (moment, moment + 1) if at_us > now_us]
        return min(later) / MICROS if later else None


def judge_installed(criteria: Iterable[OfSoftware]) -> Callable[[InstalledFacts], bool]:
    """Whether all of these hold for one software."""
    match tuple(map(_of_software, criteria)):
        case []:
            return lambda _: True
        case [holds]:
            return holds
        case judges:
            return lambda each: all(holds(each) for holds in judges)


def judge_values(node: Compare) -> Callable[[Sequence[Value]], bool]:
    """Whether a comparison that is not of an age holds for one of the values of its field."""
    field = find_field(node.field)
    criterion = criterion_of(field.kind, node.op, node.values, 0.0)
    holds: Callable[[Any], bool] = criterion.test.holds
    if field.kind in _OF_TEXT_AND_KEY:
        which = 0 if criterion.of_text else 1
        return lambda values: any(holds(value[which]) for value in values)  # type: ignore[index]
    return lambda values: any(map(holds, values))


def compile_filter(tree: Node) -> CompiledFilter:
    """The filter of this tree."""
    return CompiledFilter(tree, reads_of(tree), _compile(tree))


def is_aged(node: Compare) -> bool:
    """Whether what is compared moves with the clock."""
    return find_field(node.field).kind is Kind.TIME and is_age(node.values[0])


def _compile(node: Node) -> Judge:
    match node:
        case And(parts):
            return _all([_compile(part) for part in parts])
        case Or(parts):
            return _any([_compile(part) for part in parts])
        case Not(part):
            opposite = _compile(part)
            return lambda facts, now_s: not opposite(facts, now_s)
        case Compare():
            return _age(node) if is_aged(node) else _compare(node)
        case Empty(field):
            name = account_field(field)
            return lambda facts, _: not facts.values.get(name)
        case Word(text):
            return _word(text)
        case Software(criteria):
            is_such = judge_installed(criteria)
            return lambda facts, _: any(map(is_such, facts.software))
        case PackageInState():
            return _package(node)
        case InGroup(name):
            matches = read_pattern(name, whole=True).matches
            return lambda facts, _: any(map(matches, facts.groups))


def _all(judges: Sequence[Judge]) -> Judge:
    if len(judges) == 2:  # as most have, and a generator takes longer
        first, second = judges
        return lambda facts, now_s: first(facts, now_s) and second(facts, now_s)
    return lambda facts, now_s: all(judge(facts, now_s) for judge in judges)


def _any(judges: Sequence[Judge]) -> Judge:
    if len(judges) == 2:
        first, second = judges
        return lambda facts, now_s: first(facts, now_s) or second(facts, now_s)
    return lambda facts, now_s: any(judge(facts, now_s) for judge in judges)


def _compare(node: Compare) -> Judge:
    name, holds = account_field(node.field), judge_values(node)
    return lambda facts, _: holds(facts.values.get(name, ()))


def _age(node: Compare) -> Judge:
    name, kind = account_field(node.field), find_field(node.field).kind
    return lambda facts, now_s: any(
        criterion_of(kind, node.op, node.values, now_s).test.holds(value)  # type: ignore[arg-type]
        for value in facts.values.get(name, ())
    )


def _word(text: str) -> Judge:
    matches = read_pattern(text).matches

    def holds(facts: FilterFacts, _now_s: float) -> bool:
        found = (value for name in WORD_FIELDS for value in facts.values.get(name, ()))
        return any(matches(value[0] if isinstance(value, tuple) else value) for value in found)  # type: ignore[arg-type]

    return holds


def _of_software(each: OfSoftware) -> Callable[[InstalledFacts], bool]:
    criterion = criterion_of(SOFTWARE_FIELDS[each.field].kind, each.op, [each.value], 0.0)
    holds, negated = criterion.test.holds, each.negated
    match each.field:
        case "name":
            return lambda installed: (installed.name != "" and holds(installed.name)) is not negated
        case "publisher":
            return lambda installed: (installed.publisher != "" and holds(installed.publisher)) is not negated
    which = 0 if criterion.of_text else 1
    return lambda installed: (installed.version[1] != "" and holds(installed.version[which])) is not negated


def _package(node: PackageInState) -> Judge:
    matches = read_pattern(node.name, whole=True).matches if node.name else node.package_id.__eq__
    states = frozenset(node.states)

    def holds(facts: FilterFacts, _now_s: float) -> bool:
        return any(
            matches(each.name if node.name else each.package_id) and (not states or each.state in states)
            for each in facts.packages
        )

    return holds
