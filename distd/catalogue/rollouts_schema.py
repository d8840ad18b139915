"""The catalogue's tables of roll-outs; as `catalogue.groups_schema`, they are of `catalogue.schema`'s `metadata`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from distd.catalogue.columns import NAME_LIMIT, name_column, time_column
from distd.catalogue.dialect import BIG, IDS_NEVER_REUSED, ORDERED_BY_KEY
from distd.catalogue.schema import TEXT_LIMIT, metadata

# `package_id` is the package that it deploys now: after that was superseded, its successor. `who_kind` and `who_name`
# say whom it is for (`domain.assignment_terms`). `plan`: JSON, as `domain.rollout_plan` writes it. `phase`: as
# `domain.rollout_state` has it. `any_os`, `force`: as of an assignment. `revision` grows
# with each decision and each change by an operator. `forecast`: JSON, as `origin.deployments.rollout_forecasts` writes
# it when it begins; NULL: not made yet.
rollouts = Table(
    "rollouts",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("name", String(NAME_LIMIT), nullable=False),
    Column("name_key", String(NAME_LIMIT), nullable=False, unique=True),
    Column("package_id", String(20), nullable=False),
    Column("who_kind", String(16), nullable=False),
    Column("who_name", String(TEXT_LIMIT), nullable=False),
    Column("plan", Text, nullable=False),
    Column("force", Boolean, nullable=False),
    Column("any_os", Boolean, nullable=False),
    Column("phase", String(20), nullable=False),
    Column("reason", String(TEXT_LIMIT), nullable=False),
    name_column("created_by", limit=300),
    name_column("approved_by", limit=300),
    time_column("created_at_us"),
    time_column("changed_at_us"),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("forecast", Text),
    Index("ix_rollouts_phase", "phase"),
    **IDS_NEVER_REUSED,
)

# `wave` counts from 0. What was accepted: as in `domain.rollout_state.WaveState`.
rollout_waves = Table(
    "rollout_waves",
    metadata,
    Column("rollout_id", ForeignKey("rollouts.id"), primary_key=True),
    Column("wave", Integer, primary_key=True),
    time_column("opened_at_us", nullable=True),
    Column("accepted_failed", Integer, nullable=False),
    Column("accepted_ended", Integer, nullable=False),
    Column("accepted_stalled", Integer, nullable=False),
    **ORDERED_BY_KEY,
)

# Its computers. `assigned_at_us`: NULL: it is to be assigned the package. `passed_over`: it cannot take it, so it
# counts no more. `retries`: how often it was notified again by the roll-out. `rolled_back_at_us`: it was given what the
# roll-out is rolled back to, or cannot take that.
rollout_members = Table(
    "rollout_members",
    metadata,
    Column("rollout_id", ForeignKey("rollouts.id"), primary_key=True),
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("wave", Integer, nullable=False),
    time_column("assigned_at_us", nullable=True),
    Column("passed_over", Boolean, nullable=False),
    Column("retries", Integer, nullable=False),
    time_column("rolled_back_at_us", nullable=True),
    Index("ix_rollout_members_computer_id", "computer_id"),
    **ORDERED_BY_KEY,
)
