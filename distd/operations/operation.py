"""An operation: what an operator can ask for, by a command or by the API.

One record says all of it: method and path, what is given and answered, which use case does it, what one must be allowed
to do. The API makes a route of it (`web.api.operations`), and its description; a command calls it, here or on a server
(`cli.site`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.permissions import Act, OperatorRights
    from distd.origin.installation import Installation

Answer = TypeVar("Answer")

LANGUAGES: Final = ("en", "fr")  # of texts for people; the first where none of them is wanted


class Way(StrEnum):
    """How an operation runs, and what its function is called with."""

    READ = "read"  # run(conn, asked, *names[, given])
    WRITE = "write"  # the same, in a transaction that writes
    WORK = "work"  # run(asked, *names[, given]), in a thread: it reads files, or makes transactions of its own


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, what that actor may, and when; `site` with the settings in force. `seen`: what `guarded_by` answered,
    where it had the ETag of `If-Match`; `checked`: what `check` gave. `language`: in which texts are preferred, one of
    `LANGUAGES`."""

    actor: Actor
    access: OperatorRights
    now_s: float
    site: Installation
    seen: Any = None
    checked: Any = None
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Operation(Generic[Answer]):
    """`path` is below /api/v1; its parts in braces are the `names` that `run` gets, in their order. What is `given` is
    the record of `query`, or that of `body` (a msgspec struct).

    `check(asked, *names[, given])` runs in a thread before the transaction of a WRITE, and may give what that needs;
    `after(asked, answer)` runs in one after it, and completes the answer. `keyed`: the API takes an
    `Idempotency-Key`; `secret`: its answer is not kept for that. `tag_of` gives what of an answer counts for its ETag;
    `guarded_by` is the operation whose ETag `If-Match` must have. `elsewhere`: the API has a route of its own for it.
    A body with a true `dry_run` changes nothing.
    """

    name: str
    method: str
    path: str
    text: str
    answer: type[Answer]
    run: Callable[..., Answer]
    act: Act
    way: Way = Way.READ
    query: type[Any] | None = None
    body: type[Any] | None = None
    check: Callable[..., Any] | None = None
    after: Callable[[Asked, Answer], Answer] | None = None
    status: int = 200
    problems: tuple[int, ...] = ()
    keyed: bool = False
    secret: bool = False
    tag_of: Callable[[Any], Any] | None = None
    guarded_by: Operation[Any] | None = None
    elsewhere: bool = False
    max_body_bytes: int = 1_048_576

    def perform(self, conn: Connection | None, asked: Asked, names: tuple[str, ...], given: Any) -> Answer:
        """Do it; `conn` None: it is WORK. Raises `DryRun` instead of giving the answer where nothing is to be changed:
        what was done in the transaction is rolled back."""
        done = self.run(*(() if conn is None else (conn,)), asked, *names, *self.more(given))
        if getattr(given, "dry_run", False):
            raise DryRun(done)
        return done

    def more(self, given: Any) -> tuple[Any, ...]:
        """What was given, as an argument; none where nothing can be."""
        return () if self.query is None and self.body is None else (given,)


class DryRun(Exception):
    """What would have been answered."""

    def __init__(self, answer: Any) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Named:
    """It is done, with what has this name."""

    name: str
