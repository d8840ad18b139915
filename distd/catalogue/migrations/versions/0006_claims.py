"""What agents only claim is told from what this server has delivered."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import only_where

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add what tells claims from facts. What an earlier version took for a success stays one."""
    _proofs()
    _computers()
    op.create_table(
        "agent_logins",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("added_at_us", sa.BigInteger, nullable=False),
    )


def _proofs() -> None:
    for name in ("unproven_at_us", "claimed_at_us"):
        op.add_column("assignments", sa.Column(name, sa.BigInteger))
    is_new = only_where("unproven_at_us IS NOT NULL AND claimed_at_us IS NULL")
    op.create_index("ix_assignments_unproven", "assignments", ["unproven_at_us"], **is_new)
    op.add_column("history", sa.Column("trusted", sa.Boolean, nullable=False, server_default="0"))
    history = sa.table("history", sa.column("trusted", sa.Boolean))
    op.execute(history.update().values(trusted=True))


def _computers() -> None:
    for name in ("serial", "macs"):
        op.add_column("computers", sa.Column(name, sa.String(255)))
    op.add_column("computers", sa.Column("changed", sa.String(64), nullable=False, server_default=""))
    op.add_column("computers", sa.Column("networks", sa.String(4096), nullable=False, server_default=""))
    op.add_column("computers", sa.Column("waiting", sa.Boolean, nullable=False, server_default="0"))
    op.add_column("computers", sa.Column("key_hash", sa.String(64)))
    op.add_column("computers", sa.Column("token_generation", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_computers_revoked", "computers", ["token_generation"], **only_where("token_generation > 0"))
