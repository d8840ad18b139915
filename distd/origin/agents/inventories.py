"""Inventories as the catalogue keeps them. Pure; packing belongs before the transaction."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distd.domain.inventory import content_of, pack

if TYPE_CHECKING:
    from distd.domain.records import InventoryRequest


@dataclass(frozen=True, slots=True)
class PackedInventory:
    """`content`: what is kept of it, see `domain.inventory`. `document`: the XML as it was sent, a zlib stream; None
    where it is too large."""

    content: bytes
    document: bytes | None


def pack_inventory(request: InventoryRequest, body: bytes, *, max_document_bytes: int) -> PackedInventory:
    """An inventory that came in `body`; its document is kept up to so many bytes, deflated."""
    document = zlib.compress(body) if body[:1] == b"<" else body
    return PackedInventory(pack(content_of(request)), document if len(document) <= max_document_bytes else None)
