"""What names packages: sets, recurrences, watched sources, planned activations. Where a package is superseded they name
its successor; where it is deleted they lose it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, update

from distd.catalogue.recurring_schema import package_set_items, recurrences, watched_sources
from distd.catalogue.schema import planned_activations

if TYPE_CHECKING:
    from sqlalchemy import Connection

TABLES: Final = (package_set_items, recurrences, watched_sources, planned_activations)


def follow_package(conn: Connection, old_id: str, new_id: str) -> None:
    """A package is superseded."""
    for table in TABLES:
        conn.execute(update(table).where(table.c.package_id == old_id).values(package_id=new_id))


def forget_package(conn: Connection, package_id: str) -> None:
    """A package is deleted."""
    for table in TABLES:
        conn.execute(delete(table).where(table.c.package_id == package_id))
