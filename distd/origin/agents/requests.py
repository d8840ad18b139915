"""Agents' POSTs as they come, and what they say: bodies are read before there is a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from distd.catalogue.schema import NAME_LIMIT
from distd.domain.records import InventoryRequest
from distd.origin.agents import inventories
from distd.origin.agents.authentication import NO_PROOF
from distd.wire import ocs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.domain.records import Request
    from distd.domain.settings import Settings
    from distd.origin.agents.authentication import Proof
    from distd.origin.agents.inventories import SentInventory


@dataclass(frozen=True, slots=True)
class Post:
    """A POST as it came: `address` is the peer's, `now_s` seconds since 1970, `proof` who it says it is."""

    body: bytes
    address: str
    user_agent: str
    now_s: float
    proof: Proof = NO_PROOF


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """A POST that could be read: `request` is its body; of an INVENTORY that is not parsed yet it is
    without content. `inventory`: that of an INVENTORY."""

    request: Request
    address: str
    user_agent: str
    now_s: float
    proof: Proof = NO_PROOF
    inventory: SentInventory | None = None


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a body may be: see `wire.ocs.read_request`. An inventory's document is kept up to `document_bytes`."""

    inflated_bytes: int
    ratio: int
    document_bytes: int

    @classmethod
    def of_settings(cls, settings: Settings) -> ReadLimits:
        """The limits that are set."""
        limits = settings.limits
        return cls(limits.inflated_bytes, limits.inflation_ratio, settings.agents.keep_document_kib * 1024)


def read(post: Post, limits: ReadLimits) -> AgentRequest:
    """Read the body, but for an INVENTORY that `look_up` compares first.

    Raises `BadInput` when it is no request of an agent, `TooLarge` when it inflates too far.
    """
    inventory = _open_inventory(post.body, limits) if len(post.body) >= inventories.MIN_DIVIDED_BYTES else None
    request: Request
    if inventory is not None:
        request = InventoryRequest(inventory.device_id, {}, {}, (), None)
    else:
        request = ocs.read_request(post.body, max_inflated_bytes=limits.inflated_bytes, max_ratio=limits.ratio)
        if isinstance(request, InventoryRequest):
            inventory = inventories.whole_inventory(request, post.body, max_document_bytes=limits.document_bytes)
    return AgentRequest(
        request, post.address[:NAME_LIMIT], post.user_agent[:NAME_LIMIT], post.now_s, post.proof, inventory
    )


def _open_inventory(body: bytes, limits: ReadLimits) -> SentInventory | None:
    return inventories.open_inventory(
        body,
        max_inflated_bytes=limits.inflated_bytes,
        max_ratio=limits.ratio,
        max_document_bytes=limits.document_bytes,
    )


def look_up(conn: Connection, posts: Sequence[AgentRequest]) -> list[AgentRequest | Exception]:
    """Parse the inventories of which the catalogue has not the same yet. What is wrong with one stands in its place."""
    sent = [post.inventory for post in posts if post.inventory is not None]
    errors = iter(inventories.look_up(conn, sent) if sent else ())
    return [post if post.inventory is None else next(errors) or post for post in posts]
