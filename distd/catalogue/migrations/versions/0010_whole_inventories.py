"""Inventories, whole: what searches read of them, in columns and in tables of their own."""

import zlib
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from alembic import op

from distd.catalogue.dialect import (
    IDS_NEVER_REUSED,
    ORDERED_BY_KEY,
    insert_missing,
)
from distd.catalogue.dialect.many_rows import insert_pairs
from distd.domain.computer_facts import (
    InstalledSoftware,
    accounts_of,
    agent_columns,
    columns_of,
    drives_of,
    interfaces_of,
    software_of,
)
from distd.domain.folding import fold
from distd.domain.inventory import unpack
from distd.domain.records import InventoryRequest
from distd.domain.section_digests import digest_of_values
from distd.domain.versions import version_key

revision = "0010"
down_revision = "0007"

TEXTS = "os_comments arch agent agent_version userdomain description manufacturer model cpu"
KEYS = (
    "device_id_key name_key tag_key ip_key os_name_key os_version_key agent_key agent_version_key workgroup_key "
    "userdomain_key userid_key description_key manufacturer_key model_key serial_key cpu_key"
)
CHUNK = 200  # computers
COLUMNS_BEFORE = ("name", "os_name", "os_version", "ip", "workgroup", "userid")
KEYS_OF = ("device_id", "tag", "serial")
SECTIONS = "hardware bios networks cpus memories drives storages software"
SIZES = "memory_bytes disk_free_bytes disk_total_bytes system_free_bytes"


def upgrade() -> None:
    """Add the columns and tables, and fill them from what is kept."""
    for name in TEXTS.split():
        op.add_column("computers", _text(name))
    for name in KEYS.split():
        op.add_column("computers", _key(name))
    op.add_column("computers", sa.Column("cores", sa.Integer))
    for name in SIZES.split():
        op.add_column("computers", sa.Column(name, sa.BigInteger))
    for name in ("name_key", "serial_key"):
        op.create_index(f"ix_computers_{name}", "computers", [name])
    _create_tables()
    _take_over(op.get_bind())


def _text(name: str, limit: int = 255) -> sa.Column[Any]:
    return sa.Column(name, sa.String(limit), nullable=False, server_default="")


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.String(255), nullable=False, server_default="")


def _computer_id() -> sa.Column[Any]:
    return sa.Column("computer_id", sa.Integer, sa.ForeignKey("computers.id"), primary_key=True)


def _create_tables() -> None:
    op.create_table("inventory_digests", _computer_id(), sa.Column("digests", sa.LargeBinary, nullable=False))
    op.create_table(
        "computer_accounts",
        _computer_id(),
        sa.Column("key_key", sa.String(255), primary_key=True),
        sa.Column("key", sa.String(255), nullable=False),
        _text("value", 1024),
        _key("value_key"),
        sa.Column("by_operator", sa.Boolean, nullable=False, server_default="0"),
        **ORDERED_BY_KEY,
    )
    op.create_index("ix_computer_accounts_value", "computer_accounts", ["key_key", "value_key", "computer_id"])
    op.create_table(
        "interfaces",
        _computer_id(),
        sa.Column("position", sa.Integer, primary_key=True),
        *(_text("description"), _text("ip"), _key("ip_key"), _text("mask"), _text("subnet"), _key("subnet_key")),
        *(_text("gateway"), _key("mac"), _text("status", 32)),
        **ORDERED_BY_KEY,
    )
    for name in ("ip_key", "subnet_key", "mac"):
        op.create_index(f"ix_interfaces_{name}", "interfaces", [name, "computer_id"])
    op.create_table(
        "drives",
        _computer_id(),
        sa.Column("position", sa.Integer, primary_key=True),
        *(_text("letter"), _text("volume"), _text("kind"), _text("filesystem", 32)),
        sa.Column("fixed", sa.Boolean, nullable=False),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("free_bytes", sa.BigInteger),
        **ORDERED_BY_KEY,
    )
    op.create_table(
        "software",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        *(_key("name_key"), _text("version"), _key("version_key"), _text("publisher"), _key("publisher_key")),
        sa.UniqueConstraint("digest", name="uq_software_digest"),
        **IDS_NEVER_REUSED,
    )
    op.create_index("ix_software_name_key", "software", ["name_key"])
    op.create_table(
        "installed",
        _computer_id(),
        sa.Column("software_id", sa.Integer, sa.ForeignKey("software.id"), primary_key=True),
        **ORDERED_BY_KEY,
    )
    op.create_index("ix_installed_software_id_computer_id", "installed", ["software_id", "computer_id"])


def _take_over(conn: sa.Connection) -> None:
    """From the inventories that are kept. The next one of a computer is taken over whole: there are no digests."""
    tables = sa.MetaData()
    tables.reflect(conn, only=("computers", "inventories", "computer_accounts", "interfaces", "drives", "software"))
    tables.reflect(conn, only=("installed",))
    computers, inventories = tables.tables["computers"], tables.tables["inventories"]
    columns = [computers.c[name] for name in ("id", "user_agent", *KEYS_OF)]
    query = sa.select(*columns, inventories.c.content).outerjoin(inventories).order_by(computers.c.id).limit(CHUNK)
    after = 0
    ids: dict[InstalledSoftware, int] = {}
    while rows := conn.execute(query.where(computers.c.id > after)).all():
        after = rows[-1].id
        requests = {row.id: request for row in rows if (request := _request(row)) is not None}
        for row in rows:
            values = {f"{name}_key": fold(getattr(row, name) or "") for name in KEYS_OF}
            values |= agent_columns(row.user_agent or "")
            if row.id in requests:
                found = columns_of(requests[row.id])
                values |= {name: value for name, value in found.items() if name not in COLUMNS_BEFORE}
            conn.execute(sa.update(computers).where(computers.c.id == row.id).values(values))
        _fill(conn, tables, requests, ids)


def _request(row: Any) -> InventoryRequest | None:
    """None: there is no inventory, or what is kept of it cannot be read; the computer's next one is whole."""
    try:
        content: Any = unpack(row.content or b"")
    except (zlib.error, ValueError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("hardware"), dict):
        return None
    found: dict[str, Any] = {name: content[name] for name in SECTIONS.split() if name in content}
    return InventoryRequest(
        row.device_id,
        account=content.get("account", {}),
        history=None,
        **{"hardware": {}, "networks": (), **found},
    )


def _fill(
    conn: sa.Connection,
    tables: sa.MetaData,
    requests: dict[int, InventoryRequest],
    ids: dict[InstalledSoftware, int],
) -> None:
    """`ids`: those of the software that is there already."""
    rows: dict[str, list[dict[str, Any]]] = {"computer_accounts": [], "interfaces": [], "drives": []}
    for key, request in requests.items():
        rows["computer_accounts"] += [
            {
                "computer_id": key,
                "key_key": folded,
                "key": each.key,
                "value": each.value,
                "value_key": fold(each.value),
                "by_operator": False,
            }
            for folded, each in accounts_of(request).items()
        ]
        rows["interfaces"] += _positioned(key, map(asdict, interfaces_of(request)))
        rows["drives"] += _positioned(key, map(asdict, drives_of(request)))
    for name, found in rows.items():
        insert_missing(conn, tables.tables[name], found)
    listed = {key: software_of(request) for key, request in requests.items()}
    software = tables.tables["software"]
    new = list(dict.fromkeys(item for items in listed.values() for item in items if item not in ids))
    insert_missing(conn, software, [_software(item) for item in new])
    for start in range(0, len(new), 500):
        digests = {digest_of_values(item): item for item in new[start : start + 500]}
        query = sa.select(software.c.id, software.c.digest).where(software.c.digest.in_(list(digests)))
        ids.update((digests[row.digest], row.id) for row in conn.execute(query))
    pairs = [(key, ids[item]) for key, items in listed.items() for item in items]
    insert_pairs(conn, tables.tables["installed"], pairs)


def _positioned(computer_id: int, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"computer_id": computer_id, "position": position, **row} for position, row in enumerate(rows)]


def _software(item: InstalledSoftware) -> dict[str, Any]:
    return {
        "digest": digest_of_values(item),
        "name": item.name,
        "name_key": fold(item.name),
        "version": item.version,
        "version_key": version_key(item.version),
        "publisher": item.publisher,
        "publisher_key": fold(item.publisher),
    }
