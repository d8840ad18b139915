"""The roll-out in which a computer waits for a package, for its diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from distd.catalogue.rollouts_schema import rollout_members, rollout_waves, rollouts
from distd.domain.diagnosis.facts import DiagnosedRollout
from distd.domain.rollout_state import ENDED

if TYPE_CHECKING:
    from sqlalchemy import Connection


def find_rollout(conn: Connection, computer_id: int, package_id: str) -> DiagnosedRollout | None:
    """The newest one of the package that has not ended and not assigned it to this computer; None: there is none."""
    members = rollout_members.c
    opened = select(func.count()).where(
        rollout_waves.c.rollout_id == rollouts.c.id, rollout_waves.c.opened_at_us.is_not(None)
    )
    columns = rollouts.c.name, rollouts.c.phase, members.wave, members.passed_over, opened.scalar_subquery()
    query = (
        select(*columns[:4], columns[4].label("opened"))
        .join(rollout_members, members.rollout_id == rollouts.c.id)
        .where(members.computer_id == computer_id, or_(members.assigned_at_us.is_(None), members.passed_over))
        .where(rollouts.c.package_id == package_id, rollouts.c.phase.not_in(ENDED))
    )
    row = conn.execute(query.order_by(rollouts.c.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return DiagnosedRollout(
        name=row.name, phase=row.phase, wave=row.wave + 1, opened=row.opened, passed_over=row.passed_over
    )
