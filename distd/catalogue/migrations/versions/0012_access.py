"""Roles of operators, tokens of the API, parameters; events say from where somebody acted."""

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add them. Who is an operator already was never restricted: an administrator."""
    _operators()
    _api_tokens()
    _parameters()
    op.add_column("events", sa.Column("actor_address", sa.String(255), nullable=False, server_default=""))


def _operators() -> None:
    op.add_column("operators", sa.Column("role", sa.String(16), nullable=False, server_default="viewer"))
    op.add_column("operators", sa.Column("filter", sa.String(4096), nullable=False, server_default=""))
    op.add_column("operators", sa.Column("source", sa.String(16), nullable=False, server_default="local"))
    op.add_column("operators", sa.Column("seen_at_us", sa.BigInteger))
    operators = sa.table("operators", sa.column("role", sa.String))
    op.execute(operators.update().values(role="administrator"))


def _api_tokens() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("acts", sa.String(4096), nullable=False),
        sa.Column("filter", sa.String(4096), nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.Column("used_at_us", sa.BigInteger),
        sa.Column("used_from", sa.String(255)),
        **IDS_NEVER_REUSED,
    )
    op.create_index("ix_api_tokens_owner", "api_tokens", ["owner"])


def _parameters() -> None:
    op.create_table(
        "parameters",
        sa.Column("level", sa.String(16), primary_key=True),
        sa.Column("subject_id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Integer, nullable=False),
        **ORDERED_BY_KEY,
    )
