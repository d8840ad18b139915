"""The catalogue's tables of tokens of the API, of log-ins of agents, and of parameters; as `catalogue.groups_schema`,
they are of `catalogue.schema`'s `metadata`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, metadata

# Tokens of the API. Of the token only the BLAKE3 is kept. `owner`: the operator that it acts for, "": it was made by a
# command on this machine. `acts`: with spaces between them; "": all that its role may.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME_LIMIT), nullable=False, unique=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("owner", String(NAME_LIMIT), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("acts", String(TEXT_LIMIT), nullable=False),
    Column("filter", String(TEXT_LIMIT), nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    Column("used_at_us", BigInteger, nullable=True),
    Column("used_from", String(NAME_LIMIT), nullable=True),
    **IDS_NEVER_REUSED,
)

# `domain.parameters`: what holds for the site (subject 0), a group or a computer (their ids), each by its own row.
# A boolean is 0 or 1.
parameters = Table(
    "parameters",
    metadata,
    Column("level", String(16), primary_key=True),
    Column("subject_id", Integer, primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", Integer, nullable=False),
    **ORDERED_BY_KEY,
)

# Names and passwords by which agents log in.
agent_logins = Table(
    "agent_logins",
    metadata,
    Column("name", String(NAME_LIMIT), primary_key=True),
    Column("password_hash", String(NAME_LIMIT), nullable=False),
    Column("added_at_us", BigInteger, nullable=False),
)
