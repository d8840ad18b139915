"""What was forecast of packages' deployments when they began."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import ORDERED_BY_KEY

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "package_forecasts",
        sa.Column("package_id", sa.String(20), nullable=False),
        sa.Column("begins_at_us", sa.BigInteger, nullable=False),
        sa.Column("computers", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("forecast", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("package_id", name="pk_package_forecasts"),
        sa.ForeignKeyConstraint(["package_id"], ["packages.id"], name="fk_package_forecasts_package_id"),
        **ORDERED_BY_KEY,
    )
