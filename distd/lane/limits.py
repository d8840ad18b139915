"""The limits of a lane: of a connection, of an address, of all together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distd.domain.bandwidth import Rule


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may take. `buffered_bytes`: all bodies together that are in memory at once.

    A limit of an address that is 0 is none, and bandwidth has none without rules.
    """

    head_bytes: int = 16_384
    body_bytes: int = 4_194_304
    large_body_bytes_per_s_per_address: int = 8_388_608
    buffered_bytes: int = 67_108_864
    head_timeout_s: float = 20
    idle_timeout_s: float = 75
    connections: int = 20_000
    connections_per_address: int = 0
    heads_per_s_per_address: int = 0
    bandwidth: tuple[Rule, ...] = ()
