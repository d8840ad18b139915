"""The catalogue's tables of sets of packages, of packages that come again, and of sources that are watched; as
`catalogue.groups_schema`, they are of `catalogue.schema`'s `metadata`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from distd.catalogue.dialect import IDS_NEVER_REUSED, ORDERED_BY_KEY
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, metadata

# Packages that are assigned together. `name_key`: folded. `chain`: each after the one before.
package_sets = Table(
    "package_sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME_LIMIT), nullable=False),
    Column("name_key", String(NAME_LIMIT), nullable=False, unique=True),
    Column("description", String(TEXT_LIMIT), nullable=False),
    Column("chain", Boolean, nullable=False),
    Column("created_by", String(300), nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    **IDS_NEVER_REUSED,
)

# `number` from 0: the order.
package_set_items = Table(
    "package_set_items",
    metadata,
    Column("set_id", ForeignKey("package_sets.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("package_id", ForeignKey("packages.id"), nullable=False),
    Index("ix_package_set_items_package_id", "package_id"),
    **ORDERED_BY_KEY,
)

# Packages that computers get again every so many days. `who_kind` "": those that have it assigned; else filter, group
# or tag (`domain.assignment_terms.OriginKind`), and `who_name` what it is. `first_at_us`: from which the days count.
# `done_to`: the largest id of a computer that the run at `next_at_us` has come to; NULL: it has not begun. `run_again`,
# `run_new`: how many computers it has assigned the package so far, again and for the first time.
recurrences = Table(
    "recurrences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("package_id", ForeignKey("packages.id"), nullable=False),
    Column("every_days", Integer, nullable=False),
    Column("who_kind", String(16), nullable=False),
    Column("who_name", Text, nullable=False),
    Column("first_at_us", BigInteger, nullable=False),
    Column("next_at_us", BigInteger, nullable=False),
    Column("done_to", BigInteger),
    Column("run_again", Integer, nullable=False, server_default="0"),
    Column("run_new", Integer, nullable=False, server_default="0"),
    Column("last_at_us", BigInteger),
    Column("last_computers", Integer, nullable=False, server_default="0"),
    Column("why", String(TEXT_LIMIT), nullable=False, server_default=""),
    Column("created_by", String(300), nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Index("ix_recurrences_next_at_us", "next_at_us"),
    Index("ix_recurrences_package_id", "package_id"),
    **IDS_NEVER_REUSED,
)

# Files, folders and URLs whose new versions supersede a package. `digest`: BLAKE3 of the version that the package was
# made of; "": not known yet. `hint`: JSON of what tells cheaply that nothing has changed. `job_id`: the job that makes
# a package of the version `job_digest`. `failing_since_us`: since when it could not be read, `why` says the reason.
watched_sources = Table(
    "watched_sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME_LIMIT), nullable=False),
    Column("name_key", String(NAME_LIMIT), nullable=False, unique=True),
    Column("package_id", ForeignKey("packages.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("location", String(TEXT_LIMIT), nullable=False),
    Column("every_s", Integer, nullable=False),
    Column("with_assignments", Boolean, nullable=False),
    Column("digest", String(64), nullable=False, server_default=""),
    Column("hint", Text, nullable=False, server_default=""),
    Column("size_bytes", BigInteger),
    Column("job_id", Integer),
    Column("job_digest", String(64), nullable=False, server_default=""),
    Column("next_at_us", BigInteger, nullable=False),
    Column("leased_to_us", BigInteger),
    Column("checked_at_us", BigInteger),
    Column("changed_at_us", BigInteger),
    Column("failing_since_us", BigInteger),
    Column("why", String(TEXT_LIMIT), nullable=False, server_default=""),
    Column("created_by", String(300), nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Index("ix_watched_sources_next_at_us", "next_at_us"),
    Index("ix_watched_sources_package_id", "package_id"),
    **IDS_NEVER_REUSED,
)
