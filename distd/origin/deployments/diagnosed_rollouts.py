"""The roll-out in which a computer waits for a package, for its diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from distd.catalogue.rollouts_schema import rollout_members, rollout_waves, rollouts
from distd.domain.diagnosis.facts import DiagnosedRollout
from distd.domain.rollout_state import ENDED

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select


def find_rollout(conn: Connection, computer_id: int, package_id: str) -> DiagnosedRollout | None:
    """The newest one of the package that has not ended and not assigned it to this computer; None: there is none."""
    opened = select(func.count()).where(
        rollout_waves.c.rollout_id == rollouts.c.id, rollout_waves.c.opened_at_us.is_not(None)
    )
    columns = rollouts.c.name, rollouts.c.phase, rollout_members.c.wave, rollout_members.c.passed_over
    query = _waiting(select(*columns, opened.scalar_subquery().label("opened")), computer_id)
    query = query.where(rollouts.c.package_id == package_id)
    row = conn.execute(query.order_by(rollouts.c.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return DiagnosedRollout(
        name=row.name, phase=row.phase, wave=row.wave + 1, opened=row.opened, passed_over=row.passed_over
    )


def find_packages(conn: Connection, computer_id: int, limit: int) -> list[str]:
    """The packages of such roll-outs, at most so many."""
    query = _waiting(select(rollouts.c.package_id).distinct(), computer_id)
    return list(conn.scalars(query.order_by(rollouts.c.package_id.desc()).limit(limit)))


def _waiting(query: Select[Any], computer_id: int) -> Select[Any]:
    members = rollout_members.c
    return (
        query.select_from(rollouts)
        .join(rollout_members, members.rollout_id == rollouts.c.id)
        .where(members.computer_id == computer_id, or_(members.assigned_at_us.is_(None), members.passed_over))
        .where(rollouts.c.phase.not_in(ENDED))
    )
