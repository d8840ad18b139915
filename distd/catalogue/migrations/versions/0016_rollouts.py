"""Roll-outs, their waves and computers."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("name_key", sa.String(255), nullable=False),
        sa.Column("package_id", sa.String(20), nullable=False),
        sa.Column("who_kind", sa.String(16), nullable=False),
        sa.Column("who_name", sa.String(4096), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("force", sa.Boolean, nullable=False),
        sa.Column("any_os", sa.Boolean, nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(4096), nullable=False),
        sa.Column("created_by", sa.String(300), nullable=False),
        sa.Column("approved_by", sa.String(300), nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollouts"),
        sa.UniqueConstraint("name_key", name="uq_rollouts_name_key"),
        **IDS_NEVER_REUSED,
    )
    op.create_index("ix_rollouts_phase", "rollouts", ["phase"])
    op.create_table(
        "rollout_waves",
        sa.Column("rollout_id", sa.Integer, nullable=False),
        sa.Column("wave", sa.Integer, nullable=False),
        sa.Column("opened_at_us", sa.BigInteger, nullable=True),
        sa.Column("accepted_failed", sa.Integer, nullable=False),
        sa.Column("accepted_ended", sa.Integer, nullable=False),
        sa.Column("accepted_stalled", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "wave", name="pk_rollout_waves"),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name="fk_rollout_waves_rollout_id"),
        **ORDERED_BY_KEY,
    )
    op.create_table(
        "rollout_members",
        sa.Column("rollout_id", sa.Integer, nullable=False),
        sa.Column("computer_id", sa.Integer, nullable=False),
        sa.Column("wave", sa.Integer, nullable=False),
        sa.Column("assigned_at_us", sa.BigInteger, nullable=True),
        sa.Column("passed_over", sa.Boolean, nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "computer_id", name="pk_rollout_members"),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name="fk_rollout_members_rollout_id"),
        sa.ForeignKeyConstraint(["computer_id"], ["computers.id"], name="fk_rollout_members_computer_id"),
        **ORDERED_BY_KEY,
    )
    op.create_index("ix_rollout_members_computer_id", "rollout_members", ["computer_id"])
