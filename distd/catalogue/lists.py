"""Lists out of the catalogue: pages in an order of columns, and names by a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import func, select, tuple_

from distd.domain.page import Page, write_cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from distd.domain.page import Window

T = TypeVar("T")


def read_page(
    conn: Connection,
    query: Select[Any],
    order: Sequence[ColumnElement[Any]],
    window: Window,
    make: Callable[[Row[Any]], T],
    *,
    newest_first: bool = False,
    count: Callable[[], int] | None = None,
) -> Page[T]:
    """The page of `query` that `window` asks for.

    The columns of `order` say together where a row is; they are among those selected, and none of them is NULL.
    `count` gives how many rows there are in all, where that costs less than to count those of `query`.
    """
    rows = conn.execute(in_window(query, order, window, newest_first=newest_first)).all()
    shown = rows[: window.limit]
    last = [getattr(shown[-1], column.key or "") for column in order] if len(rows) > len(shown) else None
    total = len(rows)
    if window.place is not None or last is not None:
        total = count_rows(conn, query) if count is None else count()
    return Page([make(row) for row in shown], None if last is None else write_cursor(last), total)


def in_window(
    query: Select[Any], order: Sequence[ColumnElement[Any]], window: Window, *, newest_first: bool = False
) -> Select[Any]:
    """The rows of the page that `window` asks for, in their order, and one more where there is one."""
    paged = query.order_by(*(column.desc() if newest_first else column for column in order)).limit(window.limit + 1)
    if window.place is None:
        return paged
    place, here = tuple_(*order), tuple_(*window.place)
    return paged.where(place < here if newest_first else place > here)


def matches(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Whether a text is like a pattern: ? is one character and * are several; one without them may be anywhere in the
    text. Capitals do not matter; those with accents may, by the database."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    like = escaped.replace("*", "%").replace("?", "_")
    return column.ilike(like if like != escaped else f"%{like}%", escape="\\")


def count_rows(conn: Connection, query: Select[Any]) -> int:
    """How many rows a query has."""
    return conn.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
