"""Saved filters, and what filters read of groups."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY, only_where

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "groups",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("name_key", sa.String(255), nullable=False),
        sa.UniqueConstraint("name_key", name="uq_groups_name_key"),
        **IDS_NEVER_REUSED,
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.Integer, sa.ForeignKey("groups.id"), primary_key=True),
        sa.Column("computer_id", sa.Integer, sa.ForeignKey("computers.id"), primary_key=True),
        **ORDERED_BY_KEY,
    )
    op.create_index("ix_group_members_computer_id_group_id", "group_members", ["computer_id", "group_id"])
    op.create_table(
        "saved_filters",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("name_key", sa.String(255), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("description", sa.String(4096), nullable=False, server_default=""),
        sa.Column("saved_at_us", sa.BigInteger, nullable=False),
        **IDS_NEVER_REUSED,
    )
    shared, private = only_where("shared"), only_where("NOT shared")
    op.create_index("ix_saved_filters_shared", "saved_filters", ["name_key"], unique=True, **shared)
    op.create_index("ix_saved_filters_private", "saved_filters", ["owner", "name_key"], unique=True, **private)
