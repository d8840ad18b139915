"""What the engine asks of each kind of database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, exc

BUSY_TIMEOUT_S: Final = 30  # how long a writing transaction waits for the one before
# The write-ahead log of an embedded database, from where on `limit_log` brings it into the database.
MAX_LOG_BYTES: Final = 67_108_864


class EventListener(ABC):
    """Hears of events of other connections, in whatever process."""

    @abstractmethod
    def fileno(self) -> int:
        """What becomes readable when there is something to `receive`."""

    @abstractmethod
    def receive(self) -> bool:
        """Take what has come, without waiting; whether events were announced. Raises `Unavailable` when it is lost."""

    @abstractmethod
    def close(self) -> None:
        """Hear no more."""


class Database(ABC):
    """A database of one kind, at one place; it need not be there yet. `str` names it, without a secret."""

    @abstractmethod
    def make_engine(self) -> Engine:
        """An engine with its pool. Nothing is connected yet."""

    @abstractmethod
    def require_there(self) -> None:
        """Raises `BadInput` where one sees without connecting that there is none."""

    @abstractmethod
    def prepare_new(self, engine: Engine) -> None:
        """Make what a new catalogue lies in. Raises `BadInput` when there is something already."""

    @abstractmethod
    def begin(self, connection: Connection, *, writes: bool) -> str:
        """Begin a transaction: of one state of the database or, where it `writes`, as the only one that does so.

        Gives what `is_committed` knows it by; "": nothing.
        """

    @abstractmethod
    def announce_events(self, connection: Connection) -> None:
        """Wake those who listen (`listen`) when this writing transaction is committed, in which events were appended.

        It may be lost: who listens also looks now and then.
        """

    @abstractmethod
    def listen(self) -> EventListener | None:
        """A connection of its own that hears of events; None: this kind of database has no such thing. Blocks.

        Raises `Unavailable`.
        """

    @abstractmethod
    def last_write(self) -> object | None:
        """What is another thing after each write of whatever process; None: it cannot be told at present, or never.

        It asks nothing of the database, and does not block.
        """

    @abstractmethod
    def is_committed(self, connection: Connection, transaction: str) -> bool | None:
        """Whether a transaction whose connection was lost at its end is committed nevertheless; None: it still runs."""

    @abstractmethod
    def count_tables(self, connection: Connection) -> int:
        """How many tables there are."""

    @abstractmethod
    def allow_long_statements(self, connection: Connection) -> None:
        """No limit of time for the statements of this transaction, which are those of a migration."""

    @abstractmethod
    def reusable_bytes(self, connection: Connection) -> int | None:
        """What the database can take without growing its file in the data directory; None: it is elsewhere."""

    @abstractmethod
    def limit_log(self, engine: Engine, max_bytes: int) -> None:
        """Cut the write-ahead log in the data directory where it is larger. Raises `Unavailable`."""

    @abstractmethod
    def is_unreachable(self, error: exc.DBAPIError) -> bool:
        """Whether `error` says that nothing can be asked of the database at present: it is stopped, or cut off."""

    @abstractmethod
    def is_unwritable(self, error: exc.DBAPIError) -> bool:
        """Whether `error` says that nobody can write at present, while reading goes on."""

    @abstractmethod
    def is_damaged(self, error: exc.DBAPIError) -> bool:
        """Whether `error` says that the database is not whole: pages that are none, tables that are gone."""

    @abstractmethod
    def is_other(self, error: exc.DBAPIError) -> bool:
        """Whether `error` says that this is no catalogue: no database, or one with other tables."""
