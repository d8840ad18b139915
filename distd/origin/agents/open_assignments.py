"""What is open of computers, and what is needed to answer for it, out of the catalogue: for many computers at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from distd.catalogue.dialect import many_rows
from distd.catalogue.schema import activations, assignments, history, packages
from distd.origin.agents import batch
from distd.origin.agents.listing import OpenAssignment
from distd.origin.deployments import predecessors, proofs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection

    from distd.origin.agents.batch import ComputerState


def read_computers(conn: Connection, device_ids: Collection[str]) -> dict[str, ComputerState]:
    """The computers that are known, with what is open of them, by DEVICEID."""
    states = batch.load(conn, device_ids, {})
    load_assignments(conn, states.values())
    return states


def load_assignments(conn: Connection, states: Collection[ComputerState]) -> None:
    """What is open of these computers, and what is needed to answer for it."""
    by_id = {state.id: state for state in states}
    open_pairs = set()
    for row in conn.execute(_OPEN, {"ids": list(by_id)}):
        by_id[row.computer_id].open.append(_open(row))
        open_pairs.add((row.computer_id, row.package_id))
    if open_pairs:
        _load_history(conn, by_id, open_pairs)
        _load_delivered(conn, by_id)
        _load_succeeded(conn, by_id)


_OPEN = (
    select(
        assignments.c.id,
        assignments.c.computer_id,
        assignments.c.package_id,
        assignments.c.force,
        assignments.c.schedule,
        assignments.c.postcmd,
        assignments.c.notified_at_us,
        assignments.c.withdrawn_at_us,
        assignments.c.claimed_at_us,
        assignments.c.unproven,
        assignments.c.cancelled_at_us,
        assignments.c.first_fragment_at_us,
        assignments.c.not_before_us,
        assignments.c.not_after_us,
        assignments.c.after_package_id,
        packages.c.priority,
        packages.c.fragments,
        packages.c.plan,
        activations.c.activated_at_us,
        activations.c.deactivated_at_us,
        activations.c.info_server,
        activations.c.fragment_server,
        activations.c.via,
    )
    .join(packages, packages.c.id == assignments.c.package_id)
    .outerjoin(activations, activations.c.package_id == assignments.c.package_id)
    .where(assignments.c.result.is_(None), many_rows.is_one_of(assignments.c.computer_id, "ids"))
    .order_by(assignments.c.id)
)


def _open(row: Any) -> OpenAssignment:
    return OpenAssignment(
        row.id,
        row.package_id,
        row.priority,
        force=row.force,
        schedule=row.schedule,
        postcmd=row.postcmd,
        notified=row.notified_at_us is not None,
        withdrawn=row.withdrawn_at_us is not None,
        active=row.activated_at_us is not None and row.deactivated_at_us is None,
        info_server=row.info_server,
        fragment_server=row.fragment_server,
        fragments=row.fragments,
        imported=not row.plan,  # all packages that are built here have a plan
        claimed=row.claimed_at_us is not None,
        unproven=row.unproven,
        cancelled=row.cancelled_at_us is not None,
        fetched=row.first_fragment_at_us is not None,
        not_before_s=(row.not_before_us or 0) / 1_000_000,
        not_after_s=math.inf if row.not_after_us is None else row.not_after_us / 1_000_000,
        after=row.after_package_id or "",
    )


def _load_succeeded(conn: Connection, by_id: Mapping[int, ComputerState]) -> None:
    """Of the packages that others wait for."""
    pairs = {
        (computer_id, each.after)
        for computer_id, state in by_id.items()
        for each in state.open
        if each.after and not each.notified
    }
    for computer_id, package_id in predecessors.succeeded(conn, pairs) if pairs else ():
        by_id[computer_id].succeeded.add(package_id)


def _load_history(conn: Connection, by_id: Mapping[int, ComputerState], pairs: Collection[tuple[int, str]]) -> None:
    ids = {computer_id for computer_id, _ in pairs}
    package_ids = {package_id for _, package_id in pairs}
    query = select(history).where(history.c.computer_id.in_(ids), history.c.package_id.in_(package_ids))
    for computer_id, package_id, trusted in conn.execute(query):
        by_id[computer_id].history.add(package_id)
        if trusted:
            by_id[computer_id].trusted.add(package_id)


def _load_delivered(conn: Connection, by_id: Mapping[int, ComputerState]) -> None:
    """Of the packages that are in the history and are to be listed for the first time."""
    pairs = {
        (computer_id, each.package_id)
        for computer_id, state in by_id.items()
        for each in state.open
        if each.package_id in state.history and not (each.notified or each.force)
    }
    for computer_id, package_id in proofs.delivered(conn, pairs) if pairs else ():
        by_id[computer_id].delivered.add(package_id)
