"""Which computers of a roll-out were rolled back: so it goes on where it was."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the column."""
    op.add_column("rollout_members", sa.Column("rolled_back_at_us", sa.BigInteger))
