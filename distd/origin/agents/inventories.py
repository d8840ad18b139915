"""Inventories on their way to the catalogue: what has not changed is not even parsed.

`open_inventory` inflates a body and takes digests of its XML. `look_up` compares them with what the catalogue has,
before the transaction, and parses what is different. Within the transaction `SentInventory.parse_against` makes sure
that this is still so: it parses more where the catalogue has changed in between.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from distd.catalogue.schema import computers, inventory_digests
from distd.domain.computer_facts import accounts_of, columns_of, drives_of, interfaces_of, software_of
from distd.domain.errors import BadInput
from distd.domain.inventory import content_of, pack
from distd.domain.records import InventoryRequest
from distd.domain.section_digests import NOTHING, SectionDigests, digest_of_bytes, digest_of_values
from distd.wire import ocs, ocs_document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

    from distd.domain.computer_facts import Account, Drive, InstalledSoftware, Interface
    from distd.wire.ocs_document import DividedInventory

_DIGESTS: Final = select(inventory_digests.c.computer_id, inventory_digests.c.digests).where(
    inventory_digests.c.computer_id.in_(bindparam("ids", expanding=True))
)
# Shorter bodies are read as a whole at once: they wait with PROLOGs, for which nothing is looked up.
MIN_DIVIDED_BYTES: Final = 513


@dataclass(frozen=True, slots=True)
class Facts:
    """What an inventory says. `software` is None where it was not parsed, because the catalogue has it. `content` is
    what the catalogue keeps beside the tables, `digests` are those of the sections here."""

    request: InventoryRequest
    columns: dict[str, Any]
    interfaces: tuple[Interface, ...]
    drives: tuple[Drive, ...]
    accounts: dict[str, Account]
    software: tuple[InstalledSoftware, ...] | None
    content: bytes
    digests: SectionDigests


@dataclass(slots=True)
class SentInventory:
    """An inventory that has come. `xml` is its document, `document` what is kept of it: a zlib stream, or None.

    `parts` and `sent.software` are there only where it can be divided (`wire.ocs_document`). `facts` is None as long as
    nothing is parsed; `base` are the digests that the catalogue had when it was parsed.
    """

    device_id: str
    xml: bytes
    document: bytes | None
    sent: SectionDigests
    parts: DividedInventory | None = None
    facts: Facts | None = None
    base: SectionDigests = NOTHING

    def parse_against(self, known: SectionDigests) -> Facts | None:
        """What is not as in `known`, the digests of what the catalogue has; None: it has just this document.

        Raises `BadInput` for what is no inventory of this computer.
        """
        if self.sent.document == known.document:
            return None
        has_software = bool(self.sent.software) and self.sent.software == known.software
        if self.facts is None or (self.facts.software is None and not has_software):
            self.facts = self._parse(has_software=has_software)
        return self.facts

    def _parse(self, *, has_software: bool) -> Facts:
        if self.parts is None:
            return facts_of(self._read(self.xml))
        if has_software:
            return facts_of(self._read(self.parts.rest), self.sent.software, has_software=True)
        listed = ocs_document.read_software(self.parts.software)
        if listed is None:
            return facts_of(self._read(self.xml))
        request = self._read(self.parts.rest)
        request = replace(request, software=listed.items, is_cut=request.is_cut or listed.is_cut)
        return facts_of(request, b"" if listed.is_cut else self.sent.software)

    def _read(self, xml: bytes) -> InventoryRequest:
        request = ocs.read_request(xml, max_inflated_bytes=len(xml))
        if not isinstance(request, InventoryRequest) or request.device_id != self.device_id:
            raise BadInput("REQUEST/DEVICEID", self.device_id, request.device_id)
        return request


def facts_of(request: InventoryRequest, software_digest: bytes = b"", *, has_software: bool = False) -> Facts:
    """What the tables get of an inventory. `software_digest`: of its XML; empty: it is taken over each time.
    `has_software`: the catalogue has it."""
    columns, interfaces = columns_of(request), interfaces_of(request)
    drives, accounts = drives_of(request), accounts_of(request)
    digests = SectionDigests(
        software=software_digest,
        columns=digest_of_values(columns),
        interfaces=digest_of_values(interfaces),
        drives=digest_of_values(drives),
        accounts=digest_of_values(accounts),
    )
    software = None if has_software else software_of(request)
    return Facts(request, columns, interfaces, drives, accounts, software, pack(content_of(request)), digests)


def open_inventory(
    body: bytes, *, max_inflated_bytes: int, max_ratio: int, max_document_bytes: int
) -> SentInventory | None:
    """The inventory in a body, with nothing parsed; None: it is none, or none that can be divided.

    Raises `BadInput`, `TooLarge` as `wire.ocs.inflate`.
    """
    xml = b"".join(ocs.inflate(body, max_inflated_bytes=max_inflated_bytes, max_ratio=max_ratio))
    parts = ocs_document.divide(xml, len(body))
    if parts is None:
        return None
    document = kept_document(body, max_document_bytes)
    sent = SectionDigests(document=_digest_of_document(xml, document), software=digest_of_bytes(parts.software))
    return SentInventory(parts.device_id, xml, document, sent, parts)


def whole_inventory(request: InventoryRequest, body: bytes, *, max_document_bytes: int) -> SentInventory:
    """An inventory that was read as a whole."""
    document = kept_document(body, max_document_bytes)
    sent = SectionDigests(document=_digest_of_document(body, document))
    return SentInventory(request.device_id, b"", document, sent, facts=facts_of(request))


def kept_document(body: bytes, max_document_bytes: int) -> bytes | None:
    """What is kept of a body, up to so many bytes: as it was sent, deflated."""
    document = zlib.compress(body) if body[:1] == b"<" else body
    return document if len(document) <= max_document_bytes else None


def look_up(conn: Connection, inventories: Collection[SentInventory]) -> list[BadInput | None]:
    """Parse of each what is not in the catalogue; gives what was wrong with it, in their order."""
    query = select(computers.c.device_id, inventory_digests.c.digests).join(inventory_digests)
    device_ids = {each.device_id for each in inventories}
    found = {row.device_id: row.digests for row in conn.execute(query.where(computers.c.device_id.in_(device_ids)))}
    outcomes: list[BadInput | None] = []
    for each in inventories:
        try:
            each.parse_against(SectionDigests.unpack(found.get(each.device_id)))
            outcomes.append(None)
        except BadInput as error:
            outcomes.append(error)
    return outcomes


def known_digests(conn: Connection, computer_ids: Iterable[int]) -> dict[int, SectionDigests]:
    """What the catalogue has of these computers' inventories; nothing of those that have sent none."""
    rows = conn.execute(_DIGESTS, {"ids": list(computer_ids)})
    return {computer_id: SectionDigests.unpack(digests) for computer_id, digests in rows}


def _digest_of_document(data: bytes, document: bytes | None) -> bytes:
    """With the setting of what is kept: when it changes, the next inventory is another."""
    return digest_of_bytes(b"" if document is None else b"kept", data)
