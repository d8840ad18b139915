"""The first catalogue."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY, only_where

revision = "0001"
down_revision = None


def _packages() -> None:
    op.create_table("package_ids", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table(
        "packages",
        sa.Column("id", sa.String(20), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("os", sa.String(16), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("target", sa.String(4096), nullable=False),
        sa.Column("fragments", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("md5", sa.String(32), nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("deleted_at_us", sa.BigInteger),
    )
    op.create_table(
        "activations",
        sa.Column("package_id", sa.String(20), sa.ForeignKey("packages.id"), primary_key=True),
        sa.Column("info_server", sa.String(255)),
        sa.Column("fragment_server", sa.String(255)),
        sa.Column("activated_at_us", sa.BigInteger, nullable=False),
        sa.Column("deactivated_at_us", sa.BigInteger),
    )


def _computers() -> None:
    texts = ("name", "user_agent", "address", "os_name", "os_version", "ip", "workgroup", "userid", "tag")
    op.create_table(
        "computers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("device_id", sa.String(255), nullable=False),
        *(sa.Column(name, sa.String(255)) for name in texts),
        sa.Column("first_seen_at_us", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at_us", sa.BigInteger, nullable=False),
        sa.Column("last_inventory_at_us", sa.BigInteger),
        sa.Column("inventory", sa.JSON),
        sa.UniqueConstraint("device_id"),
        **IDS_NEVER_REUSED,
    )
    op.create_table(
        "history",
        sa.Column("computer_id", sa.Integer, sa.ForeignKey("computers.id"), primary_key=True),
        sa.Column("package_id", sa.String(20), primary_key=True),
        **ORDERED_BY_KEY,
    )


def _assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("computer_id", sa.Integer, sa.ForeignKey("computers.id"), nullable=False),
        sa.Column("package_id", sa.String(20), sa.ForeignKey("packages.id"), nullable=False),
        sa.Column("force", sa.Boolean, nullable=False),
        sa.Column("schedule", sa.String(255), nullable=False),
        sa.Column("postcmd", sa.String(4096), nullable=False),
        sa.Column("assigned_at_us", sa.BigInteger, nullable=False),
        sa.Column("notified_at_us", sa.BigInteger),
        sa.Column("withdrawn_at_us", sa.BigInteger),
        sa.Column("result", sa.String(255)),
        sa.Column("result_at_us", sa.BigInteger),
        **IDS_NEVER_REUSED,
    )
    op.create_index("ix_assignments_package_id_computer_id", "assignments", ["package_id", "computer_id"])
    op.create_index(
        "ix_assignments_open",
        "assignments",
        ["computer_id", "package_id"],
        unique=True,
        **only_where("result IS NULL"),
    )
    op.create_table(
        "progress",
        sa.Column("computer_id", sa.Integer, sa.ForeignKey("computers.id"), primary_key=True),
        sa.Column("package_id", sa.String(20), sa.ForeignKey("packages.id"), primary_key=True),
        sa.Column("fragments", sa.Integer, nullable=False),
        sa.Column("ranges", sa.String, nullable=False),
        sa.Column("sent_bytes", sa.BigInteger, nullable=False),
        sa.Column("first_at_us", sa.BigInteger, nullable=False),
        sa.Column("last_at_us", sa.BigInteger, nullable=False),
        **ORDERED_BY_KEY,
    )


def _log() -> None:
    op.create_table(
        "operators",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("package_id", sa.String(20)),
        sa.Column("computer_id", sa.Integer),
        sa.Column("detail", sa.JSON, nullable=False),
        **IDS_NEVER_REUSED,
    )


def upgrade() -> None:
    """Make the first tables."""
    for step in (_packages, _computers, _assignments, _log):
        step()
