"""What names packages: sets, recurrences, watched sources, planned activations. Where a package is superseded they name
its successor; where it is deleted they lose it. A roll-out that goes on does not: its package stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update

from distd.catalogue.recurring_schema import package_set_items, recurrences, watched_sources
from distd.catalogue.rollouts_schema import rollouts
from distd.catalogue.schema import planned_activations
from distd.domain.rollout_state import ENDED, Phase

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


def find_approved(conn: Connection, package_id: str) -> list[str]:
    """The names of the roll-outs that have not ended and were approved with a package as it is."""
    approved = rollouts.c.package_id == package_id, rollouts.c.approved_by != "", rollouts.c.phase.not_in(ENDED)
    return sorted(conn.scalars(select(rollouts.c.name).where(*approved)))


def find_rollouts(conn: Connection, package_id: str) -> list[str]:
    """The names of the roll-outs that were started, have not ended, and deploy a package or are rolled back to it."""
    columns = rollouts.c.name, rollouts.c.package_id, rollouts.c.plan
    rows = conn.execute(select(*columns).where(rollouts.c.phase.not_in((Phase.DRAFT, *ENDED))))
    return sorted(row.name for row in rows if package_id in (row.package_id, json.loads(row.plan).get("roll_back_to")))
