"""The catalogue's tables. Times are whole microseconds since 1970, UTC; the unit is in the column's name.

The migrations under `migrations/` are what makes a database; a test holds the two equal.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

NAME_LIMIT: Final = 255  # characters of any name, address or server
TEXT_LIMIT: Final = 4096  # characters of a path, a command line


def micros(at_s: float) -> int:
    """Seconds since 1970 as the database keeps them."""
    return round(at_s * 1_000_000)


def seconds(at_us: int | None) -> float | None:
    """What `micros` made, back again."""
    return None if at_us is None else at_us / 1_000_000


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, BigInteger, nullable=nullable)


def _name(name: str, *, nullable: bool = False, limit: int = NAME_LIMIT) -> Column[Any]:
    return Column(name, String(limit), nullable=nullable)


# Every id that was ever given to a package. A row here is how two builds at once get two ids.
package_ids = Table("package_ids", metadata, Column("id", Integer, primary_key=True))

# A deleted package stays as a tombstone: agents have its id in their history, results speak of its name. `md5` is empty
# where agents check another digest. `plan` is a fragment plan as `domain.fragment_plan` writes it; `recipe` and
# `arguments` are how the target was made, where it was by a recipe; `superseded_by` is the package that took its place.
packages = Table(
    "packages",
    metadata,
    Column("id", String(20), primary_key=True),
    _name("name"),
    _name("os", limit=16),
    _name("action", limit=16),
    Column("priority", Integer, nullable=False),
    _name("target", limit=TEXT_LIMIT),
    Column("fragments", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    _name("md5", limit=32),
    _time("created_at_us"),
    _time("deleted_at_us", nullable=True),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("plan", String(64), nullable=False, server_default=""),
    _name("recipe", nullable=True),
    _name("arguments", nullable=True, limit=TEXT_LIMIT),
    _name("superseded_by", nullable=True, limit=20),
    _time("withdrawn_at_us", nullable=True),
)

# Servers are both NULL (this server serves the package) or both "host[:port]/path". A deactivated row stays, because
# agents that were notified go on fetching from where they were told. `via`: `mirror_rules.Via`, empty: the setting.
activations = Table(
    "activations",
    metadata,
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    _name("info_server", nullable=True),
    _name("fragment_server", nullable=True),
    Column("via", String(16), nullable=False, server_default=""),
    _time("activated_at_us"),
    _time("deactivated_at_us", nullable=True),
)

computers = Table(
    "computers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device_id", String(NAME_LIMIT), nullable=False, unique=True),
    _name("name", nullable=True),
    _name("user_agent", nullable=True),
    _name("address", nullable=True),
    _name("os_name", nullable=True),
    _name("os_version", nullable=True),
    _name("ip", nullable=True),
    _name("workgroup", nullable=True),
    _name("userid", nullable=True),
    _name("tag", nullable=True),
    _name("subnets", nullable=True),  # of its interfaces, with spaces between them
    _time("first_seen_at_us"),
    _time("last_seen_at_us"),
    _time("last_inventory_at_us", nullable=True),
    Column("inventory", JSON(none_as_null=True), nullable=True),
    sqlite_autoincrement=True,  # tokens carry the id, so none is given twice
)

# Package ids as the agent has them in its history: they need not be packages of ours.
history = Table(
    "history",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("package_id", String(20), primary_key=True),
    sqlite_with_rowid=False,
)

assignments = Table(
    "assignments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("computer_id", ForeignKey("computers.id"), nullable=False),
    Column("package_id", ForeignKey("packages.id"), nullable=False),
    Column("force", Boolean, nullable=False),
    _name("schedule"),
    _name("postcmd", limit=TEXT_LIMIT),
    _time("assigned_at_us"),
    _time("notified_at_us", nullable=True),
    _time("withdrawn_at_us", nullable=True),
    _name("result", nullable=True),
    _time("result_at_us", nullable=True),
    Index("ix_assignments_package_id_computer_id", "package_id", "computer_id"),
    # At most one open assignment of a package on a computer; also the path of a PROLOG.
    Index(
        "ix_assignments_open",
        "computer_id",
        "package_id",
        unique=True,
        sqlite_where=text("result IS NULL"),
    ),
    sqlite_autoincrement=True,
)

# What was served of a package to a computer since its last assignment. `ranges` is "1-3,7".
progress = Table(
    "progress",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    Column("fragments", Integer, nullable=False),
    Column("ranges", String, nullable=False),
    Column("sent_bytes", BigInteger, nullable=False),
    _time("first_at_us"),
    _time("last_at_us"),
    sqlite_with_rowid=False,
)

# Redistribution servers. `http` and `https` are the "host:port" that agents are told; `networks` are CIDRs with spaces
# between them. Of the join token, and of the key that a mirror proves itself by, only the BLAKE3 is kept. `heard_seq`
# is the newest event that it has done, `status` what it last told of itself.
mirrors = Table(
    "mirrors",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(NAME_LIMIT), nullable=False, unique=True),
    _name("http"),
    _name("https"),
    _name("address", nullable=True),
    Column("networks", String(TEXT_LIMIT), nullable=False, server_default=""),
    _name("location", nullable=True),
    _name("workgroup", nullable=True),
    _name("userid", nullable=True),
    _name("tag", nullable=True),
    Column("local", Boolean, nullable=False),
    _name("token_hash", nullable=True, limit=64),
    _time("token_until_us"),
    _name("key_hash", nullable=True, limit=64),
    _time("added_at_us"),
    _time("joined_at_us", nullable=True),
    _time("revoked_at_us", nullable=True),
    _time("seen_at_us", nullable=True),
    Column("connected", Boolean, nullable=False, server_default="0"),
    Column("heard_seq", Integer, nullable=False, server_default="0"),
    Column("status", JSON, nullable=False),
    sqlite_autoincrement=True,
)

# Packages that a mirror has verified and serves, at which version.
mirror_packages = Table(
    "mirror_packages",
    metadata,
    Column("mirror_id", ForeignKey("mirrors.id"), primary_key=True),
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    _time("ready_at_us"),
    sqlite_with_rowid=False,
)

# `domain.mirror_rules.Rule`s, in the order of their positions from 1.
mirror_rules = Table(
    "mirror_rules",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("rule", String(64), nullable=False),
)

# Activations that wait until enough mirrors have the package. `sites` are locations or mirrors' names, with "," between
# them; empty: all mirrors count.
planned_activations = Table(
    "planned_activations",
    metadata,
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    Column("via", String(16), nullable=False, server_default=""),
    Column("ready_percent", Integer, nullable=False),
    Column("sites", String(TEXT_LIMIT), nullable=False, server_default=""),
    _time("not_before_us"),
    _time("latest_us", nullable=True),
    _time("planned_at_us"),
)

operators = Table(
    "operators",
    metadata,
    Column("name", String(NAME_LIMIT), primary_key=True),
    _name("password_hash"),
)

# The ids are no foreign keys: an event outlives what it speaks of, and may speak of what never was.
events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True),
    _time("at_us"),
    _name("kind", limit=32),
    Column("package_id", String(20), nullable=True),
    Column("computer_id", Integer, nullable=True),
    Column("detail", JSON, nullable=False),
    sqlite_autoincrement=True,  # a number is never given twice, also after pruning
)
