"""SQLite: a file of the data directory.

One writer at a time: every writing transaction starts with BEGIN IMMEDIATE, because a deferred one that reads and
then writes is refused at once ("database is locked") when another has written in between. Readers never wait (WAL).

`synchronous` is FULL. NORMAL would survive the death of the process, but may lose the last commits when the power
fails, and an agent whose result was answered with 200 never sends it again. The fsync of a commit is shared
by all that wait for it: see `catalogue.writer`.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL, create_engine, event, text

from distd.catalogue.dialect import database
from distd.catalogue.dialect.database import Database
from distd.domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, exc

    from distd.catalogue.dialect.database import EventListener

# The write-ahead log: what is left of its file once its changes are all in the database. (SQLite brings them there
# every 4 MB by itself, but begins anew only when no reader needs the log.)
KEPT_LOG_BYTES: Final = 16_777_216
SETTLED_S: Final = 0.05  # a tick of the kernel's clock is 10 ms at the most

# What may pass by itself, or when somebody frees the disk. Anything else that SQLite says is a bug of ours.
_TRANSIENT: Final = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
)
# The file is no database, or one without our tables.
_NOT_OURS: Final = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


class SqliteFile(Database):
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log_path = Path(f"{path}-wal")

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def __str__(self) -> str:
        return str(self._path)

    def make_engine(self) -> Engine:
        """An engine whose readers wait for no other."""
        engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(self._path)),
            max_overflow=-1,
            connect_args={
                "isolation_level": None,
                "timeout": database.BUSY_TIMEOUT_S,
                "check_same_thread": False,
            },
        )
        event.listen(engine, "connect", _prepare)
        return engine

    def require_there(self) -> None:
        """Raises `BadInput` when there is no file."""
        if not self._path.is_file():
            raise BadInput("data", "a data directory made by `distd init`", f"no {self._path}")

    def prepare_new(self, engine: Engine) -> None:
        """Make the file. WAL is a property of it that cannot be set within a transaction, so not by a migration."""
        if self._path.exists():
            raise BadInput("data", "no catalogue there yet", str(self._path))
        with engine.connect() as connection:
            _driver(connection).execute("PRAGMA journal_mode = WAL")

    def begin(self, connection: Connection, *, writes: bool) -> str:
        """By SQLite's own lock of the file."""
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        return ""

    def announce_events(self, connection: Connection) -> None:
        """Who follows them looks by itself."""

    def listen(self) -> EventListener | None:
        """There is no such thing."""
        return None

    def last_write(self) -> object | None:
        """The state of the write-ahead log's file. One of a moment ago tells nothing: what is written within the same
        tick of the kernel's clock has the same time."""
        try:
            state = self._log_path.stat()
        except FileNotFoundError:
            return None
        is_settled = abs(time.time() - state.st_mtime) > SETTLED_S
        return (state.st_ino, state.st_size, state.st_mtime_ns) if is_settled else None

    def is_committed(self, connection: Connection, transaction: str) -> bool | None:
        """There is no connection that could be lost."""
        return False

    def count_tables(self, connection: Connection) -> int:
        """How many entries the schema has."""
        return connection.scalar(text("SELECT count(*) FROM sqlite_master")) or 0

    def allow_long_statements(self, connection: Connection) -> None:
        """There is no limit."""

    def reusable_bytes(self, connection: Connection) -> int | None:
        """The pages that are free."""
        pages: int = connection.scalar(text("PRAGMA freelist_count")) or 0
        page_bytes: int = connection.scalar(text("PRAGMA page_size")) or 0
        return pages * page_bytes

    def limit_log(self, engine: Engine, max_bytes: int) -> None:
        """Nobody waits for it but, at its end and for a moment, a writer; what readers still need stays."""
        try:
            size_bytes = self._log_path.stat().st_size
        except FileNotFoundError:
            return
        if size_bytes <= max_bytes:
            return
        with engine.connect() as connection:
            driver = _driver(connection)
            driver.execute("PRAGMA busy_timeout = 0")
            try:
                for mode in ("PASSIVE", "TRUNCATE"):
                    driver.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
            except sqlite3.OperationalError as error:
                raise Unavailable("catalogue", str(error)) from error
            finally:
                driver.execute(f"PRAGMA busy_timeout = {database.BUSY_TIMEOUT_S * 1000}")

    def is_unreachable(self, error: exc.DBAPIError) -> bool:
        """A file is always asked again."""
        return False

    def is_unwritable(self, error: exc.DBAPIError) -> bool:
        """A file is always asked again."""
        return False

    def is_damaged(self, error: exc.DBAPIError) -> bool:
        """Pages that are none, tables that are gone."""
        name, message = getattr(error.orig, "sqlite_errorname", ""), str(error.orig)
        is_gone = message.startswith("no such table: ") and not message.endswith(" alembic_version")
        return name.startswith("SQLITE_CORRUPT") or is_gone

    def is_other(self, error: exc.DBAPIError) -> bool:
        """The file is no database, or one with other tables."""
        return isinstance(error.orig, sqlite3.Error) and error.orig.sqlite_errorcode in _NOT_OURS


def is_transient(error: BaseException | None) -> bool:
    """Whether the driver's `error` may pass: a lock, a full disk, a failing one."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorname.startswith(_TRANSIENT)


def _prepare(driver: sqlite3.Connection, _record: object) -> None:
    driver.execute("PRAGMA foreign_keys = ON")
    driver.execute("PRAGMA synchronous = FULL")
    driver.execute(f"PRAGMA journal_size_limit = {KEPT_LOG_BYTES}")


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def is_open_elsewhere(path: Path) -> bool:
    """Whether anybody, in this process or another one, has the file open as a database. One that is none is not."""
    driver = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=0)
    try:
        # Whoever has it open holds a lock that others share, but for one that wants to be alone.
        driver.execute("PRAGMA locking_mode = EXCLUSIVE")
        driver.execute("BEGIN IMMEDIATE")
        driver.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    except sqlite3.DatabaseError:
        return False
    finally:
        driver.close()
    return False
