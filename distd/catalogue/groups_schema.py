"""The catalogue's tables of groups and saved filters; see `catalogue.schema`, whose `metadata` has them too as soon as
this module is imported (`catalogue.engine` does so)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY, only_where
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, metadata

# Groups of computers. `name_key`: folded. `filter_text`: canonical (`domain.filters`) of a dynamic group; NULL: it is
# static. `members`: how many rows of `group_members` there are. `changed_at_us` only grows from one change of any group
# to the next, so that it tells whether the filters are still as they were read.
groups = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME_LIMIT), nullable=False),
    Column("name_key", String(NAME_LIMIT), nullable=False, unique=True),
    Column("description", String(TEXT_LIMIT), nullable=False, server_default=""),
    Column("filter_text", Text),
    Column("members", Integer, nullable=False, server_default="0"),
    Column("created_by", String(300), nullable=False, server_default=""),
    Column("created_at_us", BigInteger, nullable=False, server_default="0"),
    Column("changed_at_us", BigInteger, nullable=False, server_default="0"),
    Index("ix_groups_changed_at_us", "changed_at_us"),
    **IDS_NEVER_REUSED,
)

# Who is in a group now, whether by its filter or by hand.
group_members = Table(
    "group_members",
    metadata,
    Column("group_id", ForeignKey("groups.id"), primary_key=True),
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Index("ix_group_members_computer_id_group_id", "computer_id", "group_id"),
    **ORDERED_BY_KEY,
)

# Memberships of dynamic groups that an operator has decided, whatever the filter says.
group_picks = Table(
    "group_picks",
    metadata,
    Column("group_id", ForeignKey("groups.id"), primary_key=True),
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("included", Boolean, nullable=False),
    Index("ix_group_picks_computer_id", "computer_id"),
    **ORDERED_BY_KEY,
)

# Packages that members of a group are assigned, now and later, by these terms. `given_at_us`: members up to then have
# it assigned; they get it later where the package was not active.
group_packages = Table(
    "group_packages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", ForeignKey("groups.id"), nullable=False),
    Column("package_id", ForeignKey("packages.id"), nullable=False),
    Column("force", Boolean, nullable=False),
    Column("any_os", Boolean, nullable=False),
    Column("schedule", String(NAME_LIMIT), nullable=False),
    Column("postcmd", String(TEXT_LIMIT), nullable=False),
    Column("not_before_us", BigInteger),
    Column("not_after_us", BigInteger),
    Column("after_package_id", String(20)),
    Column("assigned_by", String(300), nullable=False),
    Column("assigned_at_us", BigInteger, nullable=False),
    Column("given_at_us", BigInteger, nullable=False),
    UniqueConstraint("group_id", "package_id"),
    Index("ix_group_packages_package_id", "package_id"),
    **IDS_NEVER_REUSED,
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
