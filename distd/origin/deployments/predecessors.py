"""Packages that others wait for: an assignment with `after` waits until that package is deployed on its computer."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import select

from distd.catalogue import dialect
from distd.catalogue.schema import assignments
from distd.domain.errors import Conflict
from distd.domain.results import Outcome, classify

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection


def succeeded(conn: Connection, pairs: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those of the pairs (computer, package) where the package was deployed, as its agent says."""
    found: set[tuple[int, str]] = set()
    query = select(assignments.c.computer_id, assignments.c.package_id, assignments.c.result)
    for some in dialect.chunks(sorted(pairs), dialect.MAX_PAIRS):
        of_these = dialect.are_pairs(assignments.c.computer_id, assignments.c.package_id, some)
        for row in conn.execute(query.where(of_these, assignments.c.result.is_not(None))):
            if classify(row.result) is Outcome.SUCCESS:
                found.add((row.computer_id, row.package_id))
    return found


def refuse_cycle(conn: Connection, package_id: str, after: str, device_ids: Mapping[int, str]) -> None:
    """Raise `Conflict` where `package_id` after `after` would wait for itself, on one of the computers (id: DEVICEID),
    over whatever other packages."""
    waits: dict[int, dict[str, str]] = defaultdict(dict)
    query = select(assignments.c.computer_id, assignments.c.package_id, assignments.c.after_package_id)
    is_waiting = (assignments.c.result.is_(None), assignments.c.after_package_id.is_not(None))
    for ids in dialect.chunks(list(device_ids)):
        for row in conn.execute(query.where(*is_waiting, assignments.c.computer_id.in_(ids))):
            waits[row.computer_id][row.package_id] = row.after_package_id
    if after == package_id:
        raise Conflict("after", f"{package_id} cannot wait for itself")
    for computer_id, edges in waits.items():
        chain = [package_id, after]
        while (following := edges.get(chain[-1])) is not None and following not in chain[1:]:
            chain.append(following)
            if following == package_id:
                path = " after ".join(chain)
                raise Conflict("after", f"on {device_ids[computer_id]} it would wait for itself: {path}")
