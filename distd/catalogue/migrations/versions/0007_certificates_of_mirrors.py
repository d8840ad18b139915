"""Certificates of mirrors: which they have, and what they ask a CA that is offline for."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add what is known of mirrors' certificates."""
    op.add_column("mirrors", sa.Column("certificates", sa.JSON))
    op.add_column("mirrors", sa.Column("certificate_request", sa.Text))
    op.add_column("mirrors", sa.Column("certificate", sa.Text))
