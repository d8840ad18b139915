"""The dynamic groups of a site as they are compiled, for those who judge computers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from distd.catalogue.groups_schema import groups
from distd.catalogue.schema import software
from distd.domain.filters.parse import parse
from distd.domain.groups import DynamicGroups

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.filters.tree import Node


_VERSION: Final = select(func.count(), func.max(groups.c.changed_at_us)).select_from(groups)


class GroupDirectory:
    """The dynamic groups as the catalogue has them; compiled again only when one has changed."""

    def __init__(self) -> None:
        self._groups = DynamicGroups({})
        self._version: tuple[int, int | None] = (0, None)

    def current(self, conn: Connection) -> DynamicGroups:
        """As they are in this transaction, which has added no software yet."""
        count, last = conn.execute(_VERSION).one()
        if (count, last) != self._version:
            self._groups = compiled(conn)
            self._version = (count, last)
        if len(self._groups.software):
            self._groups.software.committed = conn.scalar(select(func.max(software.c.id))) or 0
        return self._groups


def compiled(conn: Connection) -> DynamicGroups:
    """All dynamic groups."""
    rows = conn.execute(select(groups.c.id, groups.c.name, groups.c.filter_text)).all()
    dynamic = {row.name: (row.id, stored_filter(row.filter_text)) for row in rows if row.filter_text is not None}
    return DynamicGroups(dynamic, {row.name: row.id for row in rows if row.filter_text is None})


def read_trees(conn: Connection) -> dict[str, Node | None]:
    """The filters of all groups by their names; None: it is static."""
    rows = conn.execute(select(groups.c.name, groups.c.filter_text))
    return {row.name: None if row.filter_text is None else stored_filter(row.filter_text) for row in rows}


@lru_cache(maxsize=4096)
def stored_filter(text: str) -> Node:
    """The tree of a group's filter, as the catalogue has it."""
    return parse(text)
