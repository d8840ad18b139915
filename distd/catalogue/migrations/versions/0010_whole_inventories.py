"""Inventories, whole: what searches read of them, in columns and in tables of their own."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY, compared_by_code_points

revision = "0010"
down_revision = "0007"

TEXTS = "os_comments arch agent agent_version userdomain description manufacturer model cpu"
KEYS = (
    "device_id_key name_key tag_key ip_key os_name_key os_version_key agent_key agent_version_key workgroup_key "
    "userdomain_key userid_key description_key manufacturer_key model_key serial_key cpu_key"
)
SIZES = "memory_bytes disk_free_bytes disk_total_bytes system_free_bytes"


def upgrade() -> None:
    """Add the columns and tables, and fill them from what is kept."""
    for name in TEXTS.split():
        op.add_column("computers", _text(name))
    for name in KEYS.split():
        op.add_column("computers", _key(name))
    op.add_column("computers", sa.Column("cores", sa.Integer))
    for name in SIZES.split():
        op.add_column("computers", sa.Column(name, sa.BigInteger))
    for name in ("name_key", "serial_key"):
        op.create_index(f"ix_computers_{name}", "computers", [name])
    _create_tables()


def _text(name: str, limit: int = 255) -> sa.Column:
    return sa.Column(name, sa.String(limit), nullable=False, server_default="")


def _key(name: str) -> sa.Column:
    return sa.Column(name, compared_by_code_points(255), nullable=False, server_default="")


def _computer_id() -> sa.Column:
    return sa.Column("computer_id", sa.Integer, sa.ForeignKey("computers.id"), primary_key=True)


def _create_tables() -> None:
    op.create_table("inventory_digests", _computer_id(), sa.Column("digests", sa.LargeBinary, nullable=False))
    op.create_table(
        "computer_accounts",
        _computer_id(),
        sa.Column("key_key", compared_by_code_points(255), primary_key=True),
        sa.Column("key", sa.String(255), nullable=False),
        _text("value", 1024),
        _key("value_key"),
        sa.Column("by_operator", sa.Boolean, nullable=False, server_default="0"),
        **ORDERED_BY_KEY,
    )
    op.create_index("ix_computer_accounts_value", "computer_accounts", ["key_key", "value_key", "computer_id"])
    op.create_table(
        "interfaces",
        _computer_id(),
        sa.Column("position", sa.Integer, primary_key=True),
        *(_text("description"), _text("ip"), _key("ip_key"), _text("mask"), _text("subnet"), _key("subnet_key")),
        *(_text("gateway"), _key("mac"), _text("status", 32)),
        **ORDERED_BY_KEY,
    )
    for name in ("ip_key", "subnet_key", "mac"):
        op.create_index(f"ix_interfaces_{name}", "interfaces", [name, "computer_id"])
    op.create_table(
        "drives",
        _computer_id(),
        sa.Column("position", sa.Integer, primary_key=True),
        *(_text("letter"), _text("volume"), _text("kind"), _text("filesystem", 32)),
        sa.Column("fixed", sa.Boolean, nullable=False),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("free_bytes", sa.BigInteger),
        **ORDERED_BY_KEY,
    )
    op.create_table(
        "software",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        *(_key("name_key"), _text("version"), _key("version_key"), _text("publisher"), _key("publisher_key")),
        sa.UniqueConstraint("digest", name="uq_software_digest"),
        **IDS_NEVER_REUSED,
    )
    op.create_index("ix_software_name_key", "software", ["name_key"])
    op.create_table(
        "installed",
        _computer_id(),
        sa.Column("software_id", sa.Integer, sa.ForeignKey("software.id"), primary_key=True),
        **ORDERED_BY_KEY,
    )
    op.create_index("ix_installed_software_id_computer_id", "installed", ["software_id", "computer_id"])
