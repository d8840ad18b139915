"""What a batch of inventories changes in the catalogue: few statements for many computers, and none for a section that
has not changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import delete, insert, select, update

from distd.catalogue import dialect
from distd.catalogue.dialect import many_rows
from distd.catalogue.schema import (
    NAME_LIMIT,
    computer_accounts,
    computers,
    drives,
    interfaces,
    inventories,
    inventory_digests,
    micros,
)
from distd.domain.computer_facts import Account
from distd.domain.filters.fields import ReadSection
from distd.domain.folding import fold
from distd.origin.agents.software_register import SoftwareOf

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection

    from distd.domain.records import InventoryRequest
    from distd.domain.section_digests import SectionDigests
    from distd.origin.agents.inventories import Facts, SentInventory
    from distd.origin.agents.software_register import SoftwareRegister

TAG_KEY: Final = "tag"  # the key of TAG, folded
# What filters read of what has a digest. (A serial number comes with what an agent is known by: `identities`.)
_SECTIONS: Final[Mapping[str, frozenset[ReadSection]]] = {
    "columns": frozenset({ReadSection.HARDWARE, ReadSection.BIOS, ReadSection.CPUS, ReadSection.DRIVES}),
    "interfaces": frozenset({ReadSection.NETWORKS}),
    "accounts": frozenset({ReadSection.ACCOUNT}),
}


class Taken(NamedTuple):
    """An inventory that is taken over: `known` are the digests of what the catalogue has, `tag` is the computer's,
    `fixed` are the folded keys of the account values that an operator has set."""

    sent: SentInventory
    facts: Facts
    known: SectionDigests
    tag: str
    fixed: Collection[str]
    address: str
    now_s: float


@dataclass(slots=True)
class InventoryChanges:
    """By the computer's id. The last inventory of a computer counts."""

    unchanged_at_us: dict[int, int] = field(default_factory=dict)
    columns: dict[int, dict[str, Any]] = field(default_factory=dict)
    documents: dict[int, tuple[bytes, bytes | None]] = field(default_factory=dict)  # content, document
    interfaces: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    drives: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    accounts: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    software: dict[int, SoftwareOf] = field(default_factory=dict)
    digests: dict[int, SectionDigests] = field(default_factory=dict)
    sections: dict[int, set[ReadSection]] = field(default_factory=dict)  # what filters may find changed

    def keep(self, computer_id: int, now_s: float) -> None:
        """The computer's inventory has come, and is as it was."""
        self.unchanged_at_us[computer_id] = micros(now_s)
        self.sections.setdefault(computer_id, set()).add(ReadSection.INVENTORY)

    def take_over(self, computer_id: int, taken: Taken) -> SectionDigests:
        """Take over what has changed; gives the digests of what the catalogue has then."""
        facts, known, new = taken.facts, taken.known, taken.facts.digests
        self.columns[computer_id] = {
            **facts.columns,
            "tag": taken.tag or None,
            "tag_key": fold(taken.tag),
            "subnets": _subnets(facts.request),
            "last_inventory_at_us": micros(taken.now_s),
        }
        self.documents[computer_id] = facts.content, taken.sent.document
        if new.interfaces != known.interfaces:
            self.interfaces[computer_id] = list(map(asdict, facts.interfaces))
        if new.drives != known.drives:
            self.drives[computer_id] = list(map(asdict, facts.drives))
        if new.accounts != known.accounts:
            self.accounts[computer_id] = _accounts(facts, taken)
        if facts.software is not None:
            self.software[computer_id] = SoftwareOf(facts.software, taken.address, taken.now_s)
        self.digests[computer_id] = new._replace(document=taken.sent.sent.document)
        self.sections.setdefault(computer_id, set()).update(_changed_sections(facts, known))
        return self.digests[computer_id]

    def write(self, conn: Connection, register: SoftwareRegister, new_software_per_day: int) -> dict[int, int]:
        """Gives how many items of software of a computer were left out: see `SoftwareRegister.replace`."""
        many_rows.update_rows(
            conn, computers, {key: {"last_inventory_at_us": at} for key, at in self.unchanged_at_us.items()}
        )
        many_rows.update_rows(conn, computers, self.columns)
        rows = [
            {"computer_id": key, "content": content, "document": document}
            for key, (content, document) in self.documents.items()
        ]
        dialect.upsert(conn, inventories, rows)
        _replace(conn, interfaces, self.interfaces)
        _replace(conn, drives, self.drives)
        self._write_accounts(conn)
        left_out = register.replace(conn, self.software, new_software_per_day) if self.software else {}
        for key in left_out:
            self.digests[key] = self.digests[key]._replace(document=b"", software=b"")
        packed = [{"computer_id": key, "digests": digests.pack()} for key, digests in self.digests.items()]
        dialect.upsert(conn, inventory_digests, packed)
        return left_out

    def _write_accounts(self, conn: Connection) -> None:
        if not self.accounts:
            return
        theirs = computer_accounts.c.computer_id.in_(list(self.accounts)), ~computer_accounts.c.by_operator
        conn.execute(delete(computer_accounts).where(*theirs))
        rows = [{"computer_id": key, **row} for key, rows in self.accounts.items() for row in rows]
        many_rows.insert_rows(conn, computer_accounts, rows, missing_only=True)


def fixed_accounts(conn: Connection, computer_ids: Collection[int]) -> dict[int, set[str]]:
    """The keys, folded, of the account values that operators have set, by computer."""
    table = computer_accounts.c
    query = select(table.computer_id, table.key_key).where(table.computer_id.in_(list(computer_ids)), table.by_operator)
    found: dict[int, set[str]] = {}
    for row in conn.execute(query):
        found.setdefault(row.computer_id, set()).add(row.key_key)
    return found


def forget_documents(conn: Connection, computer_ids: Collection[int]) -> None:
    """The next inventory of these computers is read, even if it is the same: what it says was changed otherwise."""
    for some in dialect.chunks(sorted(computer_ids)):
        forgotten = update(inventory_digests).where(inventory_digests.c.computer_id.in_(some)).values(digests=b"")
        conn.execute(forgotten)


def account_row(key: str, value: str) -> dict[str, Any]:
    """A row of `computer_accounts`, without the computer."""
    return {"key_key": fold(key), "key": key, "value": value, "value_key": fold(value)}


def _changed_sections(facts: Facts, known: SectionDigests) -> set[ReadSection]:
    found = {ReadSection.INVENTORY}
    if facts.software is not None:
        found.add(ReadSection.SOFTWARE)
    for name, sections in _SECTIONS.items():
        if getattr(facts.digests, name) != getattr(known, name):
            found |= sections
    return found


def _accounts(facts: Facts, taken: Taken) -> list[dict[str, Any]]:
    """A TAG stays where the agent says none: it is in its configuration only."""
    found = dict(facts.accounts)
    if taken.tag:
        found[TAG_KEY] = Account("TAG", taken.tag)
    return [account_row(each.key, each.value) for key, each in found.items() if key not in taken.fixed]


def _replace(conn: Connection, table: Any, lists: Mapping[int, list[dict[str, Any]]]) -> None:
    if not lists:
        return
    conn.execute(delete(table).where(table.c.computer_id.in_(list(lists))))
    rows = [
        {"computer_id": key, "position": position, **row}
        for key, rows in lists.items()
        for position, row in enumerate(rows)
    ]
    if rows:
        conn.execute(insert(table), rows)


def _subnets(request: InventoryRequest) -> str:
    """The subnets of the interfaces that are up, as many as fit into the column."""
    found = dict.fromkeys(interface.get("IPSUBNET", "").strip() for interface in request.networks)
    text = " ".join(subnet for subnet in found if subnet and " " not in subnet)
    return text if len(text) <= NAME_LIMIT else text[:NAME_LIMIT].rpartition(" ")[0]
