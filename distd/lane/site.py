"""What the lane asks of those above it, and what they set for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.core.bandwidth import Rule
    from distd.lane.stream import PlainStream, TlsStream


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may take. `buffered_bytes`: all bodies together that are in memory at once.

    The limits of an address are none when they are 0, and bandwidth has none without rules.
    """

    head_bytes: int = 16_384
    body_bytes: int = 4_194_304
    buffered_bytes: int = 134_217_728
    head_timeout_s: float = 20
    idle_timeout_s: float = 75
    connections: int = 20_000
    connections_per_address: int = 0
    heads_per_s_per_address: int = 0
    bandwidth: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """The body of a POST of an agent, and from whom it came."""

    body: bytes
    address: str
    user_agent: str


class Site(Protocol):
    """What the lane asks of those above it. All are called on the trio thread and return at once."""

    def computer_of(self, token: str) -> int | None:
        """The computer whose token this is; None when it is nobody's."""

    def post(self, post: Post, answer: Callable[[int, bytes], None]) -> None:
        """Take an agent's POST; `answer(status, body)` is called later, once. `Unavailable`: too many wait."""

    def fetched(self, computer_id: int, package_id: str, number: int, size_bytes: int) -> None:
        """A fragment has been sent to its end. `computer_id` is 0 when the path had no token."""

    def hand_over(self, stream: PlainStream | TlsStream) -> None:
        """Take a connection whose request is none of the lane's. It is the taker's from here on."""
