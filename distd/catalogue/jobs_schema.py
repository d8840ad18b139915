"""The catalogue's tables of jobs and of keys of requests; as `catalogue.groups_schema`, they are of
`catalogue.schema`'s `metadata`."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table

from distd.catalogue.dialect import IDS_NEVER_REUSED
from distd.catalogue.schema import NAME_LIMIT, metadata

# Work that takes long, and that one of the serving processes does. `request` is what was asked for, `error` a problem
# (RFC 9457), `result` depends on `kind`. `started_at_us` NULL: it waits for its turn. `seen_at_us`: when its process
# was heard of last.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_name", String(NAME_LIMIT), nullable=False),
    Column("request", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("package_id", String(20), nullable=True),
    Column("done_bytes", BigInteger, nullable=False, server_default="0"),
    Column("total_bytes", BigInteger, nullable=False, server_default="0"),
    Column("error", JSON, nullable=True),
    Column("result", JSON, nullable=True),
    Column("created_at_us", BigInteger, nullable=False),
    Column("started_at_us", BigInteger, nullable=True),
    Column("ended_at_us", BigInteger, nullable=True),
    Column("seen_at_us", BigInteger, nullable=True),
    Index("ix_jobs_state", "state"),
    **IDS_NEVER_REUSED,
)

# What was asked for with a key, so that it is not done twice. `digest` is the BLAKE3 of the request; `answer` NULL: it
# held a secret or was long, and is not kept.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("actor", String(300), primary_key=True),
    Column("key", String(NAME_LIMIT), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("answer", JSON, nullable=True),
    Column("at_us", BigInteger, nullable=False),
    Index("ix_idempotency_keys_at_us", "at_us"),
)
