"""Inventories have a table of their own, deflated: lists of computers do not read them."""

import zlib

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

CHUNK = 100
# One that is larger was sent to fill the disk: the agent is asked for another.
MAX_CHARACTERS = 1_048_576


def upgrade() -> None:
    """Add the table, take over what is there, and drop the column."""
    op.create_table(
        "inventories",
        sa.Column("computer_id", sa.Integer, sa.ForeignKey("computers.id"), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("document", sa.LargeBinary),
    )
    _take_over(op.get_bind())
    op.drop_column("computers", "inventory")


def _take_over(conn: sa.Connection) -> None:
    forget = sa.text(
        "UPDATE computers SET inventory = NULL, last_inventory_at_us = NULL "
        "WHERE length(CAST(inventory AS TEXT)) > :limit"
    )
    conn.execute(forget, {"limit": MAX_CHARACTERS})
    query = sa.text(
        "SELECT id, CAST(inventory AS TEXT) AS content FROM computers "
        "WHERE inventory IS NOT NULL AND id > :after ORDER BY id LIMIT :limit"
    )
    table = sa.table("inventories", sa.column("computer_id"), sa.column("content"))
    after = 0
    while rows := conn.execute(query, {"after": after, "limit": CHUNK}).all():
        packed = [{"computer_id": row.id, "content": zlib.compress(row.content.encode())} for row in rows]
        conn.execute(sa.insert(table), packed)
        after = rows[-1].id
