"""The catalogue's tables of notices; as `catalogue.groups_schema`, they are of `catalogue.schema`'s `metadata`."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table

from distd.catalogue.dialect import IDS_NEVER_REUSED, only_where
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, metadata

# Conditions that somebody should know of, each from when it was found until it was over. `kind`, `facts`:
# `domain.conditions`; `subject`: of what it is, such as the name of a mirror. `told_at_us` NULL: it has not lasted long
# enough. `gone_at_us`: since when it is not found any more; it is over when that has lasted.
notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(NAME_LIMIT), nullable=False),
    Column("name", String(NAME_LIMIT), nullable=False),
    Column("facts", JSON, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("found_at_us", BigInteger, nullable=False),
    Column("told_at_us", BigInteger),
    Column("gone_at_us", BigInteger),
    Column("ended_at_us", BigInteger),
    Index("ix_notices_open", "kind", "subject", unique=True, **only_where("ended_at_us IS NULL")),
    **IDS_NEVER_REUSED,
)

# What is to be sent: `phase` BEGAN or ENDED of a notice by a `channel`, mail or webhook. `next_at_us` NULL: it has been
# sent (`sent_at_us`), or given up.
notice_deliveries = Table(
    "notice_deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("notice_id", ForeignKey("notices.id"), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at_us", BigInteger),
    Column("sent_at_us", BigInteger),
    Column("why", String(TEXT_LIMIT), nullable=False, server_default=""),
    Index("ix_notice_deliveries_notice_id", "notice_id"),
    Index("ix_notice_deliveries_next_at_us", "next_at_us"),
    **IDS_NEVER_REUSED,
)
