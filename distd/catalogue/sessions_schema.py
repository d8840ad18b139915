"""The catalogue's table of sessions; as `catalogue.groups_schema`, it is one of `catalogue.schema`'s `metadata`."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from distd.catalogue.columns import NAME_LIMIT, name_column, time_column
from distd.catalogue.schema import metadata

# Sessions of the console: `id` is the BLAKE3 of what the browser has.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("operator", String(NAME_LIMIT), nullable=False),
    time_column("opened_at_us"),
    time_column("seen_at_us"),
    name_column("address"),
    name_column("browser"),
    Index("ix_sessions_operator", "operator"),
)
