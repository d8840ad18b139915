"""The catalogue's tables. Times are whole microseconds since 1970, UTC; the unit is in the column's name.

The migrations under `migrations/` make the database; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from distd.catalogue.columns import NAME_LIMIT as NAME_LIMIT
from distd.catalogue.columns import TEXT_LIMIT as TEXT_LIMIT
from distd.catalogue.columns import bytes_column as _bytes
from distd.catalogue.columns import key_column as _key
from distd.catalogue.columns import name_column as _name
from distd.catalogue.columns import text_column as _text
from distd.catalogue.columns import time_column as _time
from distd.catalogue.dialect import BIG, IDS_NEVER_REUSED, ORDERED_BY_KEY, only_where

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


# Conditions of partial indexes: the same text in a query.
HAS_REVOKED_TOKENS: Final = "token_generation > 0"
ENDS_BY_ITSELF: Final = "not_after_us IS NOT NULL AND notified_at_us IS NULL AND result IS NULL"
BY_PEOPLE: Final = "actor_kind IN ('operator', 'token', 'cli')"
IS_CANCELLED: Final = "cancelled_at_us IS NOT NULL AND result IS NULL"


def micros(at_s: float) -> int:
    """Whole microseconds, as the database keeps times, of seconds since 1970."""
    return round(at_s * 1_000_000)


def seconds(at_us: int | None) -> float | None:
    """The opposite of `micros`; None stays None."""
    return None if at_us is None else at_us / 1_000_000


# Of computers. The keys of os_version and agent_version are version keys.
_TEXTS: Final = "os_comments arch agent agent_version userdomain description manufacturer model cpu"
_KEYS: Final = (
    "device_id_key name_key tag_key ip_key os_name_key os_version_key agent_key agent_version_key workgroup_key "
    "userdomain_key userid_key description_key manufacturer_key model_key serial_key cpu_key"
)

# Every id that a package ever had. Two builds at the same time get two ids because each inserts its own here first.
package_ids = Table("package_ids", metadata, Column("id", BIG, primary_key=True))

# The row of a deleted package stays: agents have its id in their history, results show its name. `md5` is empty where
# agents check another digest. `plan` is a fragment plan as `domain.fragment_plan` writes it; `recipe` and `arguments`
# made the target, if a recipe did; `superseded_by` is the package that replaced it.
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
    Column("description", String(TEXT_LIMIT), nullable=False, server_default=""),
)

# The servers are both NULL (this server serves the package) or both "host[:port]/path". The row of a deactivated
# package stays, because agents that were notified still fetch from these servers. `via` is a `mirror_rules.Via`; empty:
# the setting.
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

# What an inventory says in columns is in `domain.computer_facts`, key by key; `workgroup` is the filters' domain,
# `userid` their user. Numbers are NULL, and texts empty, where nothing is known. `disk_free_bytes` and
# `disk_total_bytes`: of all fixed drives together; `system_free_bytes`: of the drive on which an agent downloads.
computers = Table(
    "computers",
    metadata,
    Column("id", BIG, primary_key=True),
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
    _name("serial", nullable=True),
    _name("macs", nullable=True),  # with spaces between them
    # What has changed of the computer's identity since an operator looked at it: `Fact`s with spaces between them.
    Column("changed", String(64), nullable=False, server_default=""),
    Column("networks", String(TEXT_LIMIT), nullable=False, server_default=""),  # it comes from these only; "": any
    Column("waiting", Boolean, nullable=False, server_default="0"),  # in the waiting room
    Column("key_hash", String(64), nullable=True),  # the BLAKE3 of the key of distd's own agent
    Column("token_generation", Integer, nullable=False, server_default="0"),  # how often its tokens were revoked
    *map(_text, _TEXTS.split()),
    *map(_key, _KEYS.split()),
    Column("cores", Integer, nullable=True),
    *map(_bytes, ("memory_bytes", "disk_free_bytes", "disk_total_bytes", "system_free_bytes")),
    Index("ix_computers_revoked", "token_generation", **only_where(HAS_REVOKED_TOKENS)),
    Index("ix_computers_name_key", "name_key"),
    Index("ix_computers_serial_key", "serial_key"),
    **IDS_NEVER_REUSED,  # tokens carry the id
)

# What is kept of a computer's last inventory: JSON, and the document as its agent sent it; both are zlib streams.
inventories = Table(
    "inventories",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("document", LargeBinary, nullable=True),
)

# What a computer's inventory was taken over from, so that only what has changed is taken over again: a digest for each
# section, as `domain.section_digests` packs them.
inventory_digests = Table(
    "inventory_digests",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("digests", LargeBinary, nullable=False),
)

# The account info of a computer. TAG is one of its keys, and `computers.tag` the same value. `by_operator`: an operator
# has set it, so what the agent says does not count.
computer_accounts = Table(
    "computer_accounts",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("key_key", String(NAME_LIMIT), primary_key=True),  # the key, folded
    _name("key"),
    _text("value", limit=1024),
    _key("value_key"),
    Column("by_operator", Boolean, nullable=False, server_default="0"),
    Index("ix_computer_accounts_value", "key_key", "value_key", "computer_id"),
    **ORDERED_BY_KEY,
)

# The network interfaces of a computer, a row for each address of them (IPv4 and IPv6), and one where there is none.
# Addresses and MACs are in the usual form in small letters, so they have no folded copy. `ip_key` and `subnet_key` are
# made by `domain.addresses.address_key`: a network is a range of them. `status`: as the agent says it, "Up" or "Down".
interfaces = Table(
    "interfaces",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("position", Integer, primary_key=True),  # from 0
    *map(_text, ("description", "ip", "mask", "subnet", "gateway")),
    *map(_key, ("ip_key", "subnet_key", "mac")),
    _text("status", limit=32),
    Index("ix_interfaces_ip_key", "ip_key", "computer_id"),
    Index("ix_interfaces_subnet_key", "subnet_key", "computer_id"),
    Index("ix_interfaces_mac", "mac", "computer_id"),
    **ORDERED_BY_KEY,
)

# The drives and file systems of a computer. `letter`: "C:", or where it is mounted; `kind`: as the agent says it.
# `fixed`: neither removable nor elsewhere nor made of memory, so its bytes count in `computers.disk_free_bytes`.
drives = Table(
    "drives",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("position", Integer, primary_key=True),  # from 0
    *map(_text, ("letter", "volume", "kind")),
    _text("filesystem", limit=32),
    Column("fixed", Boolean, nullable=False),
    *map(_bytes, ("size_bytes", "free_bytes")),
    **ORDERED_BY_KEY,
)

# Each name, version and publisher once, whatever computers have it. `digest`: of the three. A row that no computer has
# is deleted after a while.
software = Table(
    "software",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", LargeBinary(16), nullable=False, unique=True),
    _name("name"),
    *map(_text, ("version", "publisher")),
    *map(_key, ("name_key", "version_key", "publisher_key")),
    Index("ix_software_name_key", "name_key"),
    **IDS_NEVER_REUSED,  # a server remembers ids
)

installed = Table(
    "installed",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("software_id", ForeignKey("software.id"), primary_key=True),
    Index("ix_installed_software_id_computer_id", "software_id", "computer_id"),
    **ORDERED_BY_KEY,
)

# The package ids in the agent's own history; some may be of packages that this server never had. `trusted`: taken for
# true, although this server did not deliver the package.
history = Table(
    "history",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("package_id", String(20), primary_key=True),
    Column("trusted", Boolean, nullable=False, server_default="0"),
    **ORDERED_BY_KEY,
)

# A package for a computer: one attempt; a later attempt replaces it. `state`: a `domain.results.Outcome`, or REPLACED.
# `unproven`: only the agent claims to have the package. Who changes these two or `result` changes `counters` too
# (`origin.packages.counters`). `after_package_id`: the agent is notified only after a success of that package.
# `origin_kind`, `origin_name`: what it was assigned by (`domain.assignment_terms.OriginKind`), `assigned_by`: by whom,
# an actor in text; empty where a version before did it. `unproven_at_us`: since when a result waits for its proof, a
# fragment that was sent to the computer. `claimed_at_us`: since when there is an event that says that only the agent
# claims to have the package. `later_code`: another result, which the agent reported afterwards. `last_fragment_at_us`:
# of a replaced attempt; else `progress` has it.
assignments = Table(
    "assignments",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("computer_id", ForeignKey("computers.id"), nullable=False),
    Column("package_id", ForeignKey("packages.id"), nullable=False),
    Column("force", Boolean, nullable=False),
    _name("schedule"),
    _name("postcmd", limit=TEXT_LIMIT),
    _time("not_before_us", nullable=True),
    _time("not_after_us", nullable=True),
    _name("after_package_id", nullable=True, limit=20),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("origin_kind", String(16), nullable=False, server_default=""),
    Column("origin_name", String(NAME_LIMIT), nullable=False, server_default=""),
    Column("assigned_by", String(300), nullable=False, server_default=""),
    Column("state", String(16), nullable=False, server_default="WAITING"),
    Column("unproven", Boolean, nullable=False, server_default="0"),
    _time("assigned_at_us"),
    _time("notified_at_us", nullable=True),
    _time("first_fragment_at_us", nullable=True),
    _time("last_fragment_at_us", nullable=True),
    _time("withdrawn_at_us", nullable=True),
    _time("cancelled_at_us", nullable=True),
    _name("result", nullable=True),
    _time("result_at_us", nullable=True),
    _time("archived_at_us", nullable=True),
    _name("later_code", nullable=True),
    _time("later_at_us", nullable=True),
    _time("unproven_at_us", nullable=True),
    _time("claimed_at_us", nullable=True),
    Index("ix_assignments_package_id_computer_id", "package_id", "computer_id"),
    # A PROLOG finds what is open by the narrower index below, which SQLite takes only while this one has both columns.
    Index("ix_assignments_computer_id_package_id", "computer_id", "package_id"),
    Index(
        "ix_assignments_unproven",
        "unproven_at_us",
        **only_where("unproven_at_us IS NOT NULL AND claimed_at_us IS NULL"),
    ),
    # A computer has at most one open assignment of a package. A PROLOG searches by this index.
    Index(
        "ix_assignments_open",
        "computer_id",
        "package_id",
        unique=True,
        **only_where("result IS NULL"),
    ),
    Index("ix_assignments_not_after", "not_after_us", **only_where(ENDS_BY_ITSELF)),
    Index("ix_assignments_cancelled", "computer_id", **only_where(IS_CANCELLED)),
    **IDS_NEVER_REUSED,
)

# How many computers are where with each package: of the `assignments` that are not REPLACED, by `state`, `code` (the
# result; "": none) and `unproven`. Written in the transaction that changes those. Rows may have 0.
counters = Table(
    "counters",
    metadata,
    Column("package_id", String(20), primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("code", String(NAME_LIMIT), primary_key=True),
    Column("unproven", Boolean, primary_key=True),
    Column("computers", Integer, nullable=False),
    **ORDERED_BY_KEY,
)

# The fragments of a package that were sent to a computer since its last assignment. `ranges` is like "1-3,7", `mirror`
# sent the last of them; "": this server.
progress = Table(
    "progress",
    metadata,
    Column("computer_id", ForeignKey("computers.id"), primary_key=True),
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    Column("fragments", Integer, nullable=False),
    Column("ranges", String, nullable=False),
    Column("sent_bytes", BigInteger, nullable=False),
    Column("mirror", String(NAME_LIMIT), nullable=False, server_default=""),
    _time("first_at_us"),
    _time("last_at_us"),
    Column("repeated", Integer, nullable=False, server_default="0"),
    **ORDERED_BY_KEY,
)

# What was sent of a package to all computers together: a sum that only grows. `told_…`: what the last event about it
# said, and when.
package_progress = Table(
    "package_progress",
    metadata,
    Column("package_id", ForeignKey("packages.id"), primary_key=True),
    Column("fragments", BigInteger, nullable=False),
    Column("sent_bytes", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    _time("last_at_us"),
    Column("told_fragments", BigInteger, nullable=False),
    Column("told_bytes", BigInteger, nullable=False),
    _time("told_at_us"),
    Column("told_stalled", Integer),
    **ORDERED_BY_KEY,
)

# Activations that wait for a time, and until enough mirrors have the package. `sites` are locations or names of mirrors
# with "," between them; empty: all mirrors count.
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

# `role`: a `permissions.Role`. `filter`: which computers, "": all. `source`: who vouches for the operator, a
# `sign_in.Source`; only local ones have a password here. `seen_at_us`: when it last signed in, about.
operators = Table(
    "operators",
    metadata,
    Column("name", String(NAME_LIMIT), primary_key=True),
    _name("password_hash"),
    Column("role", String(16), nullable=False, server_default="viewer"),
    Column("filter", String(TEXT_LIMIT), nullable=False, server_default=""),
    Column("source", String(16), nullable=False, server_default="local"),
    _time("seen_at_us", nullable=True),
)

# The ids are no foreign keys: an event stays when its package is gone, and may name an id that never existed.
events = Table(
    "events",
    metadata,
    Column("seq", BIG, primary_key=True),
    _time("at_us"),
    _name("kind", limit=32),
    # Who acted (`domain.actor`); "" where distd 0.1 wrote the event.
    Column("actor_kind", String(16), nullable=False, server_default=""),
    Column("actor_name", String(NAME_LIMIT), nullable=False, server_default=""),
    Column("actor_address", String(NAME_LIMIT), nullable=False, server_default=""),
    Column("package_id", String(20), nullable=True),
    Column("computer_id", BIG, nullable=True),
    Column("detail", JSON, nullable=False),
    Index("ix_events_package", "package_id", "seq", **only_where("package_id IS NOT NULL")),
    Index("ix_events_computer", "computer_id", "seq", **only_where("computer_id IS NOT NULL")),
    Index("ix_events_people", "seq", **only_where(BY_PEOPLE)),
    **IDS_NEVER_REUSED,  # also after pruning
)
