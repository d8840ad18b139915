"""Redistribution servers: who they are, what they have, which rules choose them, what waits for them."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add mirrors and what goes with them."""
    with op.batch_alter_table("activations") as table:
        table.add_column(sa.Column("via", sa.String(16), nullable=False, server_default=""))
    with op.batch_alter_table("computers") as table:
        table.add_column(sa.Column("subnets", sa.String(255)))
    _mirrors()
    op.create_table(
        "mirror_packages",
        sa.Column("mirror_id", sa.Integer, sa.ForeignKey("mirrors.id"), primary_key=True),
        sa.Column("package_id", sa.String(20), sa.ForeignKey("packages.id"), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("ready_at_us", sa.BigInteger, nullable=False),
        **ORDERED_BY_KEY,
    )
    op.create_table(
        "mirror_rules",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("rule", sa.String(64), nullable=False),
    )
    op.create_table(
        "planned_activations",
        sa.Column("package_id", sa.String(20), sa.ForeignKey("packages.id"), primary_key=True),
        sa.Column("via", sa.String(16), nullable=False, server_default=""),
        sa.Column("ready_percent", sa.Integer, nullable=False),
        sa.Column("sites", sa.String(4096), nullable=False, server_default=""),
        sa.Column("not_before_us", sa.BigInteger, nullable=False),
        sa.Column("latest_us", sa.BigInteger),
        sa.Column("planned_at_us", sa.BigInteger, nullable=False),
    )


def _mirrors() -> None:
    op.create_table(
        "mirrors",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("http", sa.String(255), nullable=False),
        sa.Column("https", sa.String(255), nullable=False),
        sa.Column("address", sa.String(255)),
        sa.Column("networks", sa.String(4096), nullable=False, server_default=""),
        sa.Column("location", sa.String(255)),
        sa.Column("workgroup", sa.String(255)),
        sa.Column("userid", sa.String(255)),
        sa.Column("tag", sa.String(255)),
        sa.Column("local", sa.Boolean, nullable=False),
        sa.Column("token_hash", sa.String(64)),
        sa.Column("token_until_us", sa.BigInteger, nullable=False),
        sa.Column("key_hash", sa.String(64)),
        sa.Column("added_at_us", sa.BigInteger, nullable=False),
        sa.Column("joined_at_us", sa.BigInteger),
        sa.Column("revoked_at_us", sa.BigInteger),
        sa.Column("seen_at_us", sa.BigInteger),
        sa.Column("connected", sa.Boolean, nullable=False, server_default="0"),
        sa.Column("heard_seq", sa.Integer, nullable=False, server_default="0"),
        sa.Column("status", sa.JSON, nullable=False),
        **IDS_NEVER_REUSED,
    )
