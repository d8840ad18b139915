"""The search of computers: which a filter finds, in an order, a page at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, func, literal, or_, select

from distd.catalogue.schema import computer_accounts, computers
from distd.domain.actor import SYSTEM
from distd.domain.errors import BadInput
from distd.domain.filters.fields import FIELDS, Kind, account_key, find_field
from distd.domain.page import write_cursor
from distd.origin.computers.columns import read_values
from distd.origin.computers.computers import COLUMNS, WantedComputers, computer_of, conditions
from distd.origin.computers.filter_sql import SearchWay, condition, in_slice
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from distd.domain.actor import Actor
    from distd.domain.filters.fields import FilterField
    from distd.domain.filters.tree import Node
    from distd.domain.page import Place, Window
    from distd.origin.computers.computers import Computer

COUNT_S: Final = 1.0  # counting may take so long; then the rest is estimated
SLICES: Final = 8  # parts that are counted one after the other
SMALL: Final = 10_000  # so many computers at least are counted at once
NEVER_EMPTY: Final = ("device_id", "first_contact", "last_contact")
_NUMBERS: Final = (Kind.NUMBER, Kind.SIZE, Kind.TIME)


@dataclass(frozen=True, slots=True)
class Sort:
    """By which field; ties are by DEVICEID. Computers where it is empty are the last, also if `descending`."""

    field: FilterField = FIELDS["device_id"]
    descending: bool = False

    @property
    def name(self) -> str:
        """As `read_sort` reads it."""
        return f"-{self.field.name}" if self.descending else self.field.name

    @property
    def place(self) -> Sequence[type]:
        """The types of a computer's place: the sort, whether the field is empty, what it is, the DEVICEID."""
        return (str, int, int if self.field.kind in _NUMBERS else str, str)


BY_DEVICE_ID: Final = Sort()
ALL: Final = WantedComputers()


@dataclass(frozen=True, slots=True)
class Search:
    """Computers for which all of this holds. `tree` None: no filter. `now_s`: from when its ages count. `columns`: what
    is told of each computer; none: what a `Computer` has. `reader`: only those that it may see."""

    now_s: float
    tree: Node | None = None
    sort: Sort = BY_DEVICE_ID
    columns: tuple[FilterField, ...] = ()
    wanted: WantedComputers = ALL
    reader: Actor = SYSTEM


@dataclass(frozen=True, slots=True)
class Found:
    """A page, as `domain.page.Page`. `is_exact`: `total` was counted; else that would have taken too long, and it is an
    estimate."""

    items: list[Computer | dict[str, Any]]
    next: str | None
    total: int
    is_exact: bool


def read_sort(text: str) -> Sort:
    """A field, with "-" before it descending. Raises `BadInput`, also for one of which a computer has several values;
    of its addresses the main one counts."""
    try:
        found = find_field(text.removeprefix("-"))
    except BadInput as error:
        raise BadInput("sort", error.expected, text, error.hint) from None
    if found.many and found.name != "ip":
        raise BadInput("sort", "a field of which a computer has one value", text)
    return Sort(found, text.startswith("-"))


def search(conn: Connection, asked: Search, window: Window, clock: Callable[[], float] = time.monotonic) -> Found:
    """The page that `window` asks for. Raises `BadInput` for a cursor of another sort."""
    items, place = read_part(conn, asked, window)
    if window.place is None and place is None:
        return Found(items, None, len(items), True)
    total, is_exact = count(conn, asked, clock)
    return Found(items, None if place is None else write_cursor(place), total, is_exact)


def read_part(conn: Connection, asked: Search, window: Window) -> tuple[list[Computer | dict[str, Any]], Place | None]:
    """What `window` asks for, and the place of the last item; None: there are no more. Nothing is counted."""
    way = SearchWay.EACH if asked.sort.field.name == "device_id" else SearchWay.SETS
    where = _where(conn, asked, way)
    rows = conn.execute(_paged(asked.sort, where, window, with_all=not asked.columns)).all()
    shown = rows[: window.limit]
    if len(rows) == len(shown):
        return _items(conn, asked, shown), None
    last = shown[-1]
    return _items(conn, asked, shown), [asked.sort.name, last.is_empty, last.sorted_by, last.device_id]


def count(conn: Connection, asked: Search, clock: Callable[[], float] = time.monotonic) -> tuple[int, bool]:
    """How many are found, and whether that is exact: what is not counted after `COUNT_S` is taken to be as the rest."""
    last_id = conn.scalar(select(func.max(computers.c.id))) or 0
    where = _where(conn, asked, SearchWay.SLICES)
    counting = select(func.count()).select_from(computers).where(in_slice(computers.c.id), *where)
    began_s, found, step = clock(), 0, max(SMALL, -(-last_id // SLICES))
    for above_id in range(0, last_id, step):
        if above_id and clock() - began_s > COUNT_S:
            return round(found * last_id / above_id), False
        found += conn.scalar(counting, {"above_id": above_id, "up_to_id": above_id + step}) or 0
    return found, True


def find_ids(conn: Connection, asked: Search) -> list[int]:
    """The ids of all computers that are found."""
    return list(
        conn.scalars(select(computers.c.id).where(*_where(conn, asked, SearchWay.SETS)).order_by(computers.c.id))
    )


def find_device_ids(conn: Connection, asked: Search) -> list[str]:
    """The DEVICEIDs of all computers that are found, in their order."""
    query = select(computers.c.device_id).where(*_where(conn, asked, SearchWay.SETS))
    return list(conn.scalars(query.order_by(computers.c.device_id)))


def _where(conn: Connection, asked: Search, way: SearchWay) -> list[ColumnElement[bool]]:
    found = [*conditions(asked.wanted), visible(conn, asked.reader)]
    if asked.tree is not None:
        found.append(condition(conn, asked.tree, asked.now_s, way))
    return found


def _items(conn: Connection, asked: Search, rows: Sequence[Row[Any]]) -> list[Computer | dict[str, Any]]:
    if asked.columns:
        return list(read_values(conn, [row.id for row in rows], asked.columns))
    return [computer_of(row) for row in rows]


def _paged(sort: Sort, where: Sequence[ColumnElement[bool]], window: Window, *, with_all: bool) -> Select[Any]:
    is_empty, key = _sort_columns(sort)
    columns = COLUMNS if with_all else [computers.c.id, computers.c.device_id]
    query = select(*columns, is_empty.label("is_empty"), key.label("sorted_by")).where(*where)
    device_id = computers.c.device_id
    order = [key.desc() if sort.descending else key]
    if sort.field.name not in NEVER_EMPTY:
        order.insert(0, is_empty)
    if sort.field.name != "device_id":
        order.append(device_id)
    if window.place is not None:
        name, was_empty, was, after = window.place
        if name != sort.name:
            raise BadInput("cursor", f"what `next` of a page sorted by {sort.name} said", f"one sorted by {name}")
        beyond = key < was if sort.descending else key > was
        here = beyond if sort.field.name == "device_id" else or_(beyond, and_(key == was, device_id > after))
        query = query.where(
            here if sort.field.name in NEVER_EMPTY else or_(is_empty > was_empty, and_(is_empty == was_empty, here))
        )
    return query.order_by(*order).limit(window.limit + 1)


def _sort_columns(sort: Sort) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Whether the field is empty (0, 1), and what is sorted by."""
    field = sort.field
    if field.name in NEVER_EMPTY:
        column: ColumnElement[Any] = computers.c[field.column]
        return literal(0), column
    account = account_key(field.name)
    if account is not None:
        accounts = computer_accounts.c
        value = select(accounts.value_key).where(accounts.computer_id == computers.c.id, accounts.key_key == account)
        column = func.coalesce(value.correlate(computers).scalar_subquery(), "")
    else:
        column = func.coalesce(computers.c[field.key_column], 0 if field.kind in _NUMBERS else "")
    raw = computers.c[field.key_column] if field.kind in _NUMBERS else None
    is_empty = raw.is_(None) if raw is not None else column == ""
    return case((is_empty, 1), else_=0), column
