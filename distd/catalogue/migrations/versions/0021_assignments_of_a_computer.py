"""An index by which the assignments of one computer are found, also those that have a result."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_assignments_computer_id_package_id", "assignments", ["computer_id", "package_id"])
