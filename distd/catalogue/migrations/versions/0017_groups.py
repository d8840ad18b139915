"""Filters of dynamic groups, memberships decided by hand, packages of groups."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the columns and the tables."""
    for name, kind, default in (
        ("description", sa.String(4096), ""),
        ("members", sa.Integer, "0"),
        ("created_by", sa.String(300), ""),
        ("created_at_us", sa.BigInteger, "0"),
        ("changed_at_us", sa.BigInteger, "0"),
    ):
        op.add_column("groups", sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("groups", sa.Column("filter_text", sa.Text))
    op.create_index("ix_groups_changed_at_us", "groups", ["changed_at_us"])
    op.create_table(
        "group_picks",
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("computer_id", sa.Integer, nullable=False),
        sa.Column("included", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "computer_id", name="pk_group_picks"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name="fk_group_picks_group_id"),
        sa.ForeignKeyConstraint(["computer_id"], ["computers.id"], name="fk_group_picks_computer_id"),
        **ORDERED_BY_KEY,
    )
    op.create_index("ix_group_picks_computer_id", "group_picks", ["computer_id"])
    op.create_table(
        "group_packages",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("package_id", sa.String(20), nullable=False),
        sa.Column("force", sa.Boolean, nullable=False),
        sa.Column("any_os", sa.Boolean, nullable=False),
        sa.Column("schedule", sa.String(255), nullable=False),
        sa.Column("postcmd", sa.String(4096), nullable=False),
        sa.Column("not_before_us", sa.BigInteger),
        sa.Column("not_after_us", sa.BigInteger),
        sa.Column("after_package_id", sa.String(20)),
        sa.Column("assigned_by", sa.String(300), nullable=False),
        sa.Column("assigned_at_us", sa.BigInteger, nullable=False),
        sa.Column("given_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_group_packages"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name="fk_group_packages_group_id"),
        sa.ForeignKeyConstraint(["package_id"], ["packages.id"], name="fk_group_packages_package_id"),
        sa.UniqueConstraint("group_id", "package_id", name="uq_group_packages_group_id_package_id"),
        **IDS_NEVER_REUSED,
    )
    op.create_index("ix_group_packages_package_id", "group_packages", ["package_id"])
    op.execute(
        "UPDATE groups SET members = (SELECT count(*) FROM group_members WHERE group_members.group_id = groups.id)"
    )
