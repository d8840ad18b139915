"""Events say who acted, and are found by package, by computer, and by the people who acted."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import only_where

revision = "0004"
down_revision = "0003"

PEOPLE = "actor_kind IN ('operator', 'token', 'cli')"


def upgrade() -> None:
    """Add who acted, and three indexes that hold only the rows that are looked for by them."""
    for name, limit in (("actor_kind", 16), ("actor_name", 255)):
        op.add_column("events", sa.Column(name, sa.String(limit), nullable=False, server_default=""))
    op.create_index("ix_events_package", "events", ["package_id", "seq"], **only_where("package_id IS NOT NULL"))
    op.create_index("ix_events_computer", "events", ["computer_id", "seq"], **only_where("computer_id IS NOT NULL"))
    op.create_index("ix_events_people", "events", ["seq"], **only_where(PEOPLE))
