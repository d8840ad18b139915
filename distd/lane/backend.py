"""The protocol between the lane and the program that it serves for: what the lane asks, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.lane.file_cache import OpenFile
    from distd.lane.streams import PlainStream, TlsStream


@dataclass(frozen=True, slots=True)
class Post:
    """The body of a POST of an agent, and from whom it came. `authorization`: that field, or empty."""

    body: bytes
    address: str
    user_agent: str
    authorization: str = ""


class PostAnswer(Protocol):
    """Takes the answer to a POST: its status, its body, and further header fields, each with its line end."""

    def __call__(self, status: int, content: bytes, fields: bytes = b"") -> None:
        """Called once."""


@dataclass(frozen=True, slots=True)
class FileRequest:
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
class Located:
    """Where a file is. `file`: it is this one. `location`: it is at this URL (302). Neither: it is in the lane's own
    folder after all (`LOCAL`), or there is none, and `status` (404 or 503) and `why` say so."""

    file: OpenFile | None = None
    location: str = ""
    status: int = 0
    why: str = ""


LOCAL = Located()


class RefusedHandOver(NamedTuple):
    """Why a request is not served. `fields`: further header fields of the answer, each with its line end."""

    status: int
    why: str
    fields: bytes = b""


class Backend(Protocol):
    """What the lane asks of the program that it serves for. All are called on the trio thread and return at once."""

    def computer_of(self, token: str) -> int | None:
        """The id of the computer that has this token; None for an unknown token."""

    def post(self, post: Post, answer: PostAnswer) -> None:
        """Take an agent's POST; `answer` is called, once. `Unavailable`: too many wait."""

    def may_be_redirected(self, package_id: str) -> bool:
        """Whether `find` is to be asked for a package's fragments even though the lane has them."""

    def find(self, wanted: FileRequest, answer: Callable[[Located], None]) -> Located | None:
        """Where a file is that is not in the lane's folder, or may be redirected. None: `answer(located)` is called
        later, once."""

    def fetched(self, computer_id: int, package_id: str, number: int, size_bytes: int, address: str) -> None:
        """A fragment has been sent to its end. `computer_id` is 0 when the path had no token; `address` the peer's."""

    def refusal(self, path: bytes, address: str) -> RefusedHandOver | None:
        """Why a request for `path`, which is none of the lane's, is refused; None: `hand_over` is called. A flood costs
        little where the lane answers it."""

    def hand_over(self, stream: PlainStream | TlsStream, path: bytes) -> None:
        """Take over a connection whose request, for `path`, is none of the lane's, and close it some time."""
