"""The catalogue's tables of groups and saved filters; see `catalogue.schema`, whose `metadata` has them too as soon as
this module is imported (`catalogue.engine` does so)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY, only_where
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, metadata

# Groups of computers, as far as searches read them. `name_key`: folded.
groups = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME_LIMIT), nullable=False),
    Column("name_key", String(NAME_LIMIT), nullable=False, unique=True),
    **IDS_NEVER_REUSED,
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", ForeignKey("groups.id"), primary_key=True),
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Index("ix_group_members_computer_id_group_id", "computer_id", "group_id"),
    **ORDERED_BY_KEY,
)

# Filters by name. `text`: canonical (`domain.filters`). `owner`: who saved it, as `domain.actor` writes it. A shared
# one is for everybody. Names are unique among the shared ones, and among the private ones of an owner.
saved_filters = Table(
    "saved_filters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME_LIMIT), nullable=False),
    Column("name_key", String(NAME_LIMIT), nullable=False),
    Column("owner", String(NAME_LIMIT), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("description", String(TEXT_LIMIT), nullable=False, server_default=""),
    Column("saved_at_us", BigInteger, nullable=False),
    Index("ix_saved_filters_shared", "name_key", unique=True, **only_where("shared")),
    Index("ix_saved_filters_private", "owner", "name_key", unique=True, **only_where("NOT shared")),
    **IDS_NEVER_REUSED,
)
