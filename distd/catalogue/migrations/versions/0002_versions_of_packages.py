"""Versions of packages: edited, superseded, withdrawn."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what is known of versions."""
    with op.batch_alter_table("packages") as table:
        table.add_column(sa.Column("version", sa.Integer, nullable=False, server_default="1"))
        table.add_column(sa.Column("plan", sa.String(64), nullable=False, server_default=""))
        table.add_column(sa.Column("recipe", sa.String(255)))
        table.add_column(sa.Column("arguments", sa.String(4096)))
        table.add_column(sa.Column("superseded_by", sa.String(20)))
        table.add_column(sa.Column("withdrawn_at_us", sa.BigInteger))
