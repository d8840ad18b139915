"""States, attempts, terms and origins of assignments; how many computers are where with each package."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import ORDERED_BY_KEY, only_where
from distd.domain.results import classify

revision = "0014"
down_revision = "0013"

TIMES = "not_before_us not_after_us first_fragment_at_us last_fragment_at_us cancelled_at_us archived_at_us later_at_us"


def upgrade() -> None:
    """Add the columns, and say of each assignment in which state it is."""
    for name in TIMES.split():
        op.add_column("assignments", sa.Column(name, sa.BigInteger))
    op.add_column("assignments", sa.Column("after_package_id", sa.String(20)))
    op.add_column("assignments", sa.Column("attempt", sa.Integer, nullable=False, server_default="1"))
    op.add_column("assignments", sa.Column("later_code", sa.String(255)))
    op.add_column("assignments", sa.Column("unproven", sa.Boolean, nullable=False, server_default="0"))
    for name, limit, default in (
        ("state", 16, "WAITING"),
        ("origin_kind", 16, ""),
        ("origin_name", 255, ""),
        ("assigned_by", 300, ""),
    ):
        op.add_column("assignments", sa.Column(name, sa.String(limit), nullable=False, server_default=default))
    op.add_column("progress", sa.Column("mirror", sa.String(255), nullable=False, server_default=""))
    ends = "not_after_us IS NOT NULL AND notified_at_us IS NULL AND result IS NULL"
    op.create_index("ix_assignments_not_after", "assignments", ["not_after_us"], **only_where(ends))
    is_cancelled = "cancelled_at_us IS NOT NULL AND result IS NULL"
    op.create_index("ix_assignments_cancelled", "assignments", ["computer_id"], **only_where(is_cancelled))
    op.create_table(
        "counters",
        sa.Column("package_id", sa.String(20), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("code", sa.String(255), primary_key=True),
        sa.Column("unproven", sa.Boolean, primary_key=True),
        sa.Column("computers", sa.Integer, nullable=False),
        **ORDERED_BY_KEY,
    )
    _fill()


def _fill() -> None:
    connection = op.get_bind()
    names = "id computer_id package_id result state unproven notified_at_us first_fragment_at_us"
    names += " unproven_at_us claimed_at_us"
    rows = sa.table("assignments", *(sa.column(name) for name in names.split()))
    fetched = sa.table("progress", *(sa.column(name) for name in ("computer_id", "package_id", "first_at_us")))
    newer = rows.alias("newer")
    same = (newer.c.package_id == rows.c.package_id, newer.c.computer_id == rows.c.computer_id)
    is_replaced = sa.exists().where(*same, newer.c.id > rows.c.id)
    mine = (fetched.c.computer_id == rows.c.computer_id, fetched.c.package_id == rows.c.package_id)
    first = sa.select(fetched.c.first_at_us).where(*mine).scalar_subquery()
    is_open, is_notified = rows.c.result.is_(None), rows.c.notified_at_us.is_not(None)
    connection.execute(rows.update().where(~is_replaced).values(first_fragment_at_us=first))
    has_fetched = rows.c.first_fragment_at_us.is_not(None)
    connection.execute(rows.update().where(is_open, is_notified).values(state="NOTIFIED"))
    connection.execute(rows.update().where(is_open, is_notified, has_fetched).values(state="DOWNLOADING"))
    for code in list(connection.scalars(sa.select(rows.c.result).where(~is_open).distinct())):
        connection.execute(rows.update().where(rows.c.result == code).values(state=str(classify(code))))
    connection.execute(rows.update().where(is_replaced).values(state="REPLACED"))
    is_claimed = is_open & ~is_notified & rows.c.claimed_at_us.is_not(None)
    is_unproven = is_claimed | (rows.c.unproven_at_us.is_not(None) & ~has_fetched)
    connection.execute(rows.update().where(is_unproven).values(unproven=sa.true()))
    place = (rows.c.package_id, rows.c.state, sa.func.coalesce(rows.c.result, sa.literal_column("''")), rows.c.unproven)
    counted = sa.select(*place, sa.func.count()).where(rows.c.state != "REPLACED").group_by(*place)
    into = ["package_id", "state", "code", "unproven", "computers"]
    counters = sa.table("counters", *(sa.column(name) for name in into))
    connection.execute(counters.insert().from_select(into, counted))
