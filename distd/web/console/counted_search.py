"""The search of computers, whose number is remembered: to count them costs much more than a page of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from distd.domain.page import write_cursor
from distd.domain.permissions import Act
from distd.origin.computers import search
from distd.origin.computers.search import Found
from distd.origin.operators import events
from distd.web.console.frame import current
from distd.web.console.recent import RecentAnswers

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from distd.domain.page import Place, Window
    from distd.operations.operation import Asked
    from distd.origin.computers.search import Search, Sort
    from distd.web.console.use_cases import UseCases

COUNTED_KEPT_S: Final = 10.0


class CountedSearch:
    """For all who look for computers. What is found is always read; how many there are in all may be 10 s old, but
    never from before the last thing that people did."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases
        self._counts = RecentAnswers(COUNTED_KEPT_S)

    async def find(self, read: Callable[[Connection, Asked], tuple[Search, Window]]) -> tuple[Found, Sort]:
        """What `read` says to look for. Raises `BadInput`, `NotAllowed`."""

        def find(conn: Connection, asked: Asked) -> tuple[Search, Window, list[Any], Place | None, int]:
            query, window = read(conn, asked)
            return query, window, *search.read_part(conn, query, window), events.last_of_people(conn)

        query, window, items, last, done = await self._use_cases.read(Act.COMPUTERS_READ, find)
        if window.place is None and last is None:
            return Found(items, None, len(items), True), query.sort
        frame, reader = current(), self._use_cases.reader
        key = (query.tree, query.wanted, query.reader.kind, query.reader.name, frame.access, done)
        count = partial(reader.run, partial(search.count, asked=query))
        total, is_exact = await self._counts.get(key, frame.now_s, count)
        return Found(items, None if last is None else write_cursor(last), total, is_exact), query.sort
