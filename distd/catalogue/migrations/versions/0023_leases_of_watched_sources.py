"""Till when somebody looks at a watched source: nobody else does until then, and nobody else says what was found."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Add the column."""
    op.add_column("watched_sources", sa.Column("leased_to_us", sa.BigInteger))
