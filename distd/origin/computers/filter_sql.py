"""Filters as SQL over the table of computers; `domain.filters.judge` says the same in memory, and a test holds the two
equal.

Each part is true or false and never NULL: what is compared is not NULL where it is known, and is tested only then. So
NOT is what it is in memory, and of what a computer has several of it says that it has none such.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, and_, bindparam, exists, false, func, not_, or_, select

from distd.catalogue.dialect.unindexed import unindexed
from distd.catalogue.groups_schema import group_members, groups
from distd.catalogue.schema import (
    assignments,
    computer_accounts,
    computers,
    installed,
    interfaces,
    packages,
    software,
)
from distd.domain.addresses import CHARACTERS as ADDRESS_CHARACTERS
from distd.domain.filters.criteria import Criterion, Like, OneOf, criterion_of
from distd.domain.filters.fields import WORD_FIELDS, Kind, account_key, find_field
from distd.domain.filters.patterns import ESCAPE, read_pattern
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
)
from distd.domain.folding import fold
from distd.origin.packages.counters import is_latest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Table
    from sqlalchemy.sql.base import ReadOnlyColumnCollection

    from distd.domain.filters.criteria import Range, Test
    from distd.domain.filters.fields import FilterField
    from distd.domain.filters.tree import Node, OfSoftware

    Columns = ReadOnlyColumnCollection[str, Any]

NUMBERS: Final = (Kind.NUMBER, Kind.SIZE, Kind.TIME)
MAX_NAMED: Final = 1000  # ids of software that a statement names; more are asked for within it
# Where some computers are wanted of many: rows of what they have from which on each computer is asked for its own.
MAX_SET: Final = 3000


class SearchWay(StrEnum):
    """How computers are found that have something of which there are many rows. It changes nothing but the time."""

    SETS = "sets"  # all that have it at once: for those who read all computers
    SLICES = "slices"  # the same, among those with ids after `:above_id`, up to `:up_to_id`: for those who read parts
    EACH = "each"  # each is asked, unless few have it: for those who stop after some


def condition(conn: Connection, tree: Node, now_s: float, way: SearchWay = SearchWay.SETS) -> ColumnElement[bool]:
    """Whether the filter holds for a row of `computers` at this time.

    Packages and software are looked up by `conn` first: they are few beside what computers have of them.
    """
    return _Interpreter(conn, now_s, way).of(tree)


def in_slice(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether an id of a computer is in the slice of a statement (`SearchWay.SLICES`)."""
    return and_(column > bindparam("above_id", type_=BigInteger), column <= bindparam("up_to_id", type_=BigInteger))


class _Interpreter:
    def __init__(self, conn: Connection, now_s: float, way: SearchWay) -> None:
        self._conn = conn
        self._now_s = now_s
        self._way = way

    def of(self, node: Node) -> ColumnElement[bool]:
        match node:
            case And(parts):
                return and_(*map(self.of, parts))
            case Or(parts):
                return or_(*map(self.of, parts))
            case Not(part):
                return not_(self.of(part))
            case Compare(field, op, values):
                found = find_field(field)
                return self._of_field(found, criterion_of(found.kind, op, values, self._now_s))
            case Empty(field):
                return not_(self._of_field(find_field(field), None))
            case Word(text):
                like = Criterion(Like(read_pattern(text)), of_text=True)
                return or_(*(self._of_field(find_field(name), like) for name in WORD_FIELDS))
            case Software(criteria):
                return self._software(criteria)
            case PackageInState():
                return self._package(node)
            case InGroup(name):
                return _in_group(name)

    def _software(self, criteria: Sequence[OfSoftware]) -> ColumnElement[bool]:
        wanted = and_(*(_of_software(each, self._now_s) for each in criteria))
        found = list(self._conn.scalars(select(software.c.id).where(wanted).limit(MAX_NAMED + 1)))
        if not found:
            return false()
        ids = found if len(found) <= MAX_NAMED else select(software.c.id).where(wanted)
        which = installed.c.software_id.in_(ids)
        # To look for each of the ids takes longer than to read all that a computer has.
        return self._among(installed, which, unindexed(installed.c.software_id).in_(ids))

    def _of_field(self, field: FilterField, criterion: Criterion | None) -> ColumnElement[bool]:
        """Whether one value of the field meets the criterion; None: whether there is a value."""
        key = account_key(field.name)
        if key is not None:
            accounts = computer_accounts.c
            return _has(computer_accounts, accounts.key_key == key, _of_column(accounts, field, criterion))
        if not field.many:
            return _of_column(computers.c, field, criterion)
        if field.kind is Kind.ADDRESS and criterion is not None and _is_like_no_address(criterion):
            return false()  # most words are: nothing is read for them
        which = _of_column(interfaces.c, field, criterion)
        if criterion is None or isinstance(criterion.test, Like):
            return _has(interfaces, which)  # no index helps
        return self._among(interfaces, which, which)

    def _among(self, table: Table, which: ColumnElement[bool], of_one: ColumnElement[bool]) -> ColumnElement[bool]:
        """Whether a computer has a row of `table` for which `which` is true, which an index finds. `of_one`: the same,
        for one computer."""
        found = select(table.c.computer_id).where(which)
        match self._way:
            case SearchWay.SLICES:
                found = found.where(in_slice(table.c.computer_id))
            case SearchWay.EACH:
                some = found.limit(MAX_SET + 1).subquery()
                if (self._conn.scalar(select(func.count()).select_from(some)) or 0) > MAX_SET:
                    return _has(table, of_one)
        return computers.c.id.in_(found.correlate(None))

    def _package(self, node: PackageInState) -> ColumnElement[bool]:
        ids = [node.package_id]
        if node.name:
            pattern = read_pattern(node.name, whole=True)
            rows = self._conn.execute(select(packages.c.id, packages.c.name))
            ids = [row.id for row in rows if pattern.matches(fold(row.name))]
        if not ids:
            return false()
        which = and_(assignments.c.package_id.in_(ids), is_latest())
        if node.states:
            which = and_(which, assignments.c.state.in_(node.states))
        return self._among(assignments, which, which)


def _is_like_no_address(criterion: Criterion) -> bool:
    return isinstance(criterion.test, Like) and not criterion.test.pattern.has_only(ADDRESS_CHARACTERS)


def _has(table: Table, *wanted: ColumnElement[bool]) -> ColumnElement[bool]:
    # It is of the computers of the statement around it, and of nothing else that is there: also not of `table`.
    return exists().where(table.c.computer_id == computers.c.id, *wanted).correlate(computers)


def _of_column(columns: Columns, field: FilterField, criterion: Criterion | None) -> ColumnElement[bool]:
    key = columns[field.key_column]
    is_known: ColumnElement[bool] = (
        key.is_not(None) if field.kind in NUMBERS else (func.coalesce(key, "") if key.nullable else key) != ""
    )
    if criterion is None:
        return is_known
    tested = _text_of(columns, field) if criterion.of_text else key
    return and_(is_known, _holds(tested, criterion.test))


def _text_of(columns: Columns, field: FilterField) -> ColumnElement[Any]:
    """What patterns are compared with: texts as they are folded, versions as `criteria.ascii_lower` has them."""
    text: ColumnElement[Any] = columns[field.column if field.kind in (Kind.VERSION, Kind.ADDRESS) else field.key_column]
    return func.lower(func.coalesce(text, "")) if field.kind is Kind.VERSION else text


def _holds(column: ColumnElement[Any], test: Test) -> ColumnElement[bool]:
    match test:
        case Like(pattern):
            return column.like(pattern.like, escape=ESCAPE)
        case OneOf(keys):
            return column.in_(sorted(keys)) if keys else false()
    return or_(false(), *(_in_range(column, each) for each in test.ranges))


def _in_range(column: ColumnElement[Any], each: Range) -> ColumnElement[bool]:
    limits = []
    if each.low is not None:
        limits.append(column > each.low if each.open_low else column >= each.low)
    if each.high is not None:
        limits.append(column < each.high if each.open_high else column <= each.high)
    return and_(*limits)


def _of_software(each: OfSoftware, now_s: float) -> ColumnElement[bool]:
    field = SOFTWARE_FIELDS[each.field]
    found = _of_column(software.c, field, criterion_of(field.kind, each.op, [each.value], now_s))
    return not_(found) if each.negated else found


def _in_group(name: str) -> ColumnElement[bool]:
    like = read_pattern(name, whole=True).like
    return (
        exists()
        .where(
            group_members.c.computer_id == computers.c.id,
            groups.c.id == group_members.c.group_id,
            groups.c.name_key.like(like, escape=ESCAPE),
        )
        .correlate(computers)
    )
