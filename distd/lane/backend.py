"""What the lane asks of those above it, and what they set for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.domain.bandwidth import Rule
    from distd.lane.file_cache import OpenFile
    from distd.lane.streams import PlainStream, TlsStream


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a package that is asked for: `key` is its path below `download`; `number` 0 is the info or manifest.

    `token` is the one of the path, `computer_id` whose it is; empty and 0 without one.
    """

    key: str
    package_id: str
    number: int
    token: str
    computer_id: int
    address: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Found:
    """`file`: it is this one. `location`: it is at this URL (302). Neither: it is here after all, or `status` says why
    not."""

    file: OpenFile | None = None
    location: str = ""
    status: int = 0
    why: str = ""


HERE = Found()


class Site(Protocol):
    """What the lane asks of those above it. All are called on the trio thread and return at once."""

    def computer_of(self, token: str) -> int | None:
        """The computer whose token this is; None when it is nobody's."""

    def post(self, post: Post, answer: Callable[[int, bytes], None]) -> None:
        """Take an agent's POST; `answer(status, body)` is called later, once. `Unavailable`: too many wait."""

    def answered_elsewhere(self, package_id: str) -> bool:
        """Whether `find` is to be asked for a package's fragments, though they are here."""

    def find(self, wanted: Wanted, answer: Callable[[Found], None]) -> Found | None:
        """Where a file is that is not here, or is answered elsewhere: `answer(found)` is called later, once, or it is
        told at once."""

    def fetched(self, computer_id: int, package_id: str, number: int, size_bytes: int, address: str) -> None:
        """A fragment has been sent to its end. `computer_id` is 0 when the path had no token; `address` the peer's."""

    def hand_over(self, stream: PlainStream | TlsStream, path: bytes) -> None:
        """Take a connection whose request, for `path`, is none of the lane's. It is the taker's from here on."""
