"""What was sent of each package in all, fragments that were sent again, revisions and forecasts of roll-outs."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import ORDERED_BY_KEY

revision = "0020"
down_revision = "0018"

SUMS = """
INSERT INTO package_progress
    (package_id, fragments, sent_bytes, repeated, last_at_us, told_fragments, told_bytes, told_at_us)
SELECT package_id, sum(fragments), sum(sent_bytes), 0, max(last_at_us), sum(fragments), sum(sent_bytes), max(last_at_us)
FROM progress GROUP BY package_id
"""


def upgrade() -> None:
    """Add the columns and the table; count what was sent."""
    op.add_column("rollouts", sa.Column("revision", sa.Integer, nullable=False, server_default="0"))
    op.add_column("rollouts", sa.Column("forecast", sa.Text))
    op.add_column("progress", sa.Column("repeated", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "package_progress",
        sa.Column("package_id", sa.String(20), nullable=False),
        sa.Column("fragments", sa.BigInteger, nullable=False),
        sa.Column("sent_bytes", sa.BigInteger, nullable=False),
        sa.Column("repeated", sa.BigInteger, nullable=False),
        sa.Column("last_at_us", sa.BigInteger, nullable=False),
        sa.Column("told_fragments", sa.BigInteger, nullable=False),
        sa.Column("told_bytes", sa.BigInteger, nullable=False),
        sa.Column("told_at_us", sa.BigInteger, nullable=False),
        sa.Column("told_stalled", sa.Integer),
        sa.PrimaryKeyConstraint("package_id", name="pk_package_progress"),
        sa.ForeignKeyConstraint(["package_id"], ["packages.id"], name="fk_package_progress_package_id"),
        **ORDERED_BY_KEY,
    )
    op.execute(SUMS)
