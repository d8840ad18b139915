"""Sets of packages, packages that come again, watched sources, notices."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY, only_where

revision = "0018"
down_revision = "0017"


def _text(name: str, length: int, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, server_default=default)


def _number(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=default)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _of_package(table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    key = sa.ForeignKeyConstraint(["package_id"], ["packages.id"], name=f"fk_{table}_package_id")
    return sa.Column("package_id", sa.String(20), nullable=False), key


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "package_sets",
        sa.Column("id", sa.Integer, nullable=False),
        _text("name", 255),
        _text("name_key", 255),
        _text("description", 4096),
        sa.Column("chain", sa.Boolean, nullable=False),
        _text("created_by", 300),
        _time("created_at_us"),
        sa.PrimaryKeyConstraint("id", name="pk_package_sets"),
        sa.UniqueConstraint("name_key", name="uq_package_sets_name_key"),
        **IDS_NEVER_REUSED,
    )
    op.create_table(
        "package_set_items",
        _number("set_id"),
        sa.Column("number", sa.Integer, nullable=False),
        *_of_package("package_set_items"),
        sa.PrimaryKeyConstraint("set_id", "number", name="pk_package_set_items"),
        sa.ForeignKeyConstraint(["set_id"], ["package_sets.id"], name="fk_package_set_items_set_id"),
        **ORDERED_BY_KEY,
    )
    op.create_index("ix_package_set_items_package_id", "package_set_items", ["package_id"])
    _recurrences()
    _watched_sources()
    _notices()


def _recurrences() -> None:
    op.create_table(
        "recurrences",
        sa.Column("id", sa.Integer, nullable=False),
        *_of_package("recurrences"),
        _number("every_days"),
        _text("who_kind", 16),
        sa.Column("who_name", sa.Text, nullable=False),
        _time("first_at_us"),
        _time("next_at_us"),
        sa.Column("done_to", sa.BigInteger),
        _number("run_again", "0"),
        _number("run_new", "0"),
        _time("last_at_us", nullable=True),
        _number("last_computers", "0"),
        _text("why", 4096, ""),
        _text("created_by", 300),
        _time("created_at_us"),
        sa.PrimaryKeyConstraint("id", name="pk_recurrences"),
        **IDS_NEVER_REUSED,
    )
    for name in ("next_at_us", "package_id"):
        op.create_index(f"ix_recurrences_{name}", "recurrences", [name])


def _watched_sources() -> None:
    op.create_table(
        "watched_sources",
        sa.Column("id", sa.Integer, nullable=False),
        _text("name", 255),
        _text("name_key", 255),
        *_of_package("watched_sources"),
        _text("kind", 16),
        _text("location", 4096),
        _number("every_s"),
        sa.Column("with_assignments", sa.Boolean, nullable=False),
        _text("digest", 64, ""),
        sa.Column("hint", sa.Text, nullable=False, server_default=""),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("job_id", sa.Integer),
        _text("job_digest", 64, ""),
        _time("next_at_us"),
        *(_time(name, nullable=True) for name in ("checked_at_us", "changed_at_us", "failing_since_us")),
        _text("why", 4096, ""),
        _text("created_by", 300),
        _time("created_at_us"),
        sa.PrimaryKeyConstraint("id", name="pk_watched_sources"),
        sa.UniqueConstraint("name_key", name="uq_watched_sources_name_key"),
        **IDS_NEVER_REUSED,
    )
    for name in ("next_at_us", "package_id"):
        op.create_index(f"ix_watched_sources_{name}", "watched_sources", [name])


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer, nullable=False),
        _text("kind", 32),
        _text("subject", 255),
        _text("name", 255),
        sa.Column("facts", sa.JSON, nullable=False),
        _time("since_us"),
        _time("found_at_us"),
        *(_time(name, nullable=True) for name in ("told_at_us", "gone_at_us", "ended_at_us")),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        **IDS_NEVER_REUSED,
    )
    options = only_where("ended_at_us IS NULL")
    op.create_index("ix_notices_open", "notices", ["kind", "subject"], unique=True, **options)
    op.create_table(
        "notice_deliveries",
        sa.Column("id", sa.Integer, nullable=False),
        _number("notice_id"),
        _text("channel", 16),
        _text("phase", 16),
        _number("tries", "0"),
        *(_time(name, nullable=True) for name in ("next_at_us", "sent_at_us")),
        _text("why", 4096, ""),
        sa.PrimaryKeyConstraint("id", name="pk_notice_deliveries"),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_notice_deliveries_notice_id"),
        **IDS_NEVER_REUSED,
    )
    for name in ("notice_id", "next_at_us"):
        op.create_index(f"ix_notice_deliveries_{name}", "notice_deliveries", [name])
