"""The catalogue's tables of mirrors; as `catalogue.groups_schema`, they are of `catalogue.schema`'s `metadata`."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Table, Text

from distd.catalogue.columns import NAME_LIMIT, TEXT_LIMIT, name_column, time_column
from distd.catalogue.dialect import BIG, IDS_NEVER_REUSED, ORDERED_BY_KEY
from distd.catalogue.schema import metadata

# Redistribution servers. `http` and `https` are the "host:port" that agents get; `networks` are CIDRs with spaces
# between them. Of the join token, and of the key by which a mirror authenticates, only the BLAKE3 is kept. `heard_seq`
# is the newest event that it has processed, `status` its last status report.
mirrors = Table(
    "mirrors",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("name", String(NAME_LIMIT), nullable=False, unique=True),
    name_column("http"),
    name_column("https"),
    name_column("address", nullable=True),
    Column("networks", String(TEXT_LIMIT), nullable=False, server_default=""),
    name_column("location", nullable=True),
    name_column("workgroup", nullable=True),
    name_column("userid", nullable=True),
    name_column("tag", nullable=True),
    Column("local", Boolean, nullable=False),
    name_column("token_hash", nullable=True, limit=64),
    time_column("token_until_us"),
    name_column("key_hash", nullable=True, limit=64),
    time_column("added_at_us"),
    time_column("joined_at_us", nullable=True),
    time_column("revoked_at_us", nullable=True),
    time_column("seen_at_us", nullable=True),
    Column("connected", Boolean, nullable=False, server_default="0"),
    Column("heard_seq", BIG, nullable=False, server_default="0"),
    Column("status", JSON, nullable=False),
    # Serial numbers (hexadecimal) and ends (Unix time) of its certificates; what it asks a CA that is offline for, in
    # PEM, and what it got.
    Column("certificates", JSON, nullable=True),
    Column("certificate_request", Text, nullable=True),
    Column("certificate", Text, nullable=True),
    **IDS_NEVER_REUSED,
)

# The packages that a mirror has verified and serves, and their versions.
mirror_packages = Table(
    "mirror_packages",
    metadata,
    Column("mirror_id", ForeignKey("mirrors.id"), primary_key=True),
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    time_column("ready_at_us"),
    **ORDERED_BY_KEY,
)

# `domain.mirror_rules.Rule`s, in the order of their positions from 1.
mirror_rules = Table(
    "mirror_rules",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("rule", String(64), nullable=False),
)
