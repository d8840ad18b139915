"""The catalogue: a SQLite database that the server and the commands write to at the same time.

One writer at a time: every writing transaction starts with BEGIN IMMEDIATE, because a deferred one that reads and
then writes is refused at once ("database is locked") when another has written in between. Readers never wait (WAL).

`synchronous` is FULL. NORMAL would survive the death of the process, but may lose the last commits when the power
fails, and an agent whose result was answered with 200 never sends it again. The fsync of a commit is shared
by all that wait for it: see `catalogue.writer`.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, create_engine, event, exc, text

from distd.catalogue.dialect import is_damaged, is_other_file, is_transient
from distd.domain.errors import BadInput, Corrupt, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

SCHEMA: Final = "0012"  # the newest revision under migrations/versions
BUSY_TIMEOUT_S: Final = 30
# The write-ahead log: what is left of its file once its changes are all in the database, and from where on `limit_log`
# brings them there. (SQLite does so every 4 MB by itself, but begins anew only when no reader needs the log.)
KEPT_LOG_BYTES: Final = 16_777_216
MAX_LOG_BYTES: Final = 67_108_864

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Catalogue:
    """An open catalogue. Its methods may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # SQLite's own queue polls; threads of one process queue here first.
        self._writing = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that reads one state of the database.

        Raises `Unavailable` for a lock or a failing disk, `Corrupt` for a database that is damaged, as `write` does.
        """
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection that alone may write: committed at the end, rolled back when the block raises.

        Raises `Unavailable` when another process holds the lock for `BUSY_TIMEOUT_S`, or the disk is full or fails.
        """
        with self._writing, self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def reusable_bytes(self) -> int:
        """What the database has of pages that are free, so that it can take so much without growing."""
        with self.read() as connection:
            pages: int = connection.scalar(text("PRAGMA freelist_count")) or 0
            page_bytes: int = connection.scalar(text("PRAGMA page_size")) or 0
        return pages * page_bytes

    def limit_log(self, max_bytes: int = MAX_LOG_BYTES) -> None:
        """Bring the changes of the write-ahead log into the database, and cut its file, where it is larger.

        Nobody waits for it but, at its end and for a moment, a writer; what readers still need stays.
        """
        try:
            size_bytes = Path(f"{self._engine.url.database}-wal").stat().st_size
        except FileNotFoundError:
            return
        if size_bytes <= max_bytes:
            return
        with self._engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("PRAGMA busy_timeout = 0")
            try:
                for mode in ("PASSIVE", "TRUNCATE"):
                    driver.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
            except sqlite3.OperationalError as error:
                raise Unavailable("catalogue", str(error)) from error
            finally:
                driver.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        try:
            with self._engine.connect().execution_options(begin=begin) as connection, connection.begin():
                yield connection
        except exc.DatabaseError as error:
            if is_transient(error):
                raise Unavailable("catalogue", str(error.orig)) from error
            if is_damaged(error):
                got = f"{error.orig}; restore it from a backup"
                raise Corrupt("catalogue", "a whole database", got) from error
            raise


@contextmanager
def open_catalogue(path: Path) -> Iterator[Catalogue]:
    """The catalogue at `path`, migrated to this version's schema if it is an older one.

    Raises `BadInput` (and changes nothing) when there is none, or when a newer distd wrote it.
    """
    if not path.is_file():
        raise BadInput("data", "a data directory made by `distd init`", f"no {path}")
    with _engine(path) as engine:
        catalogue = Catalogue(engine)
        if _needs_migration(catalogue, path):
            _migrate(catalogue)
        yield catalogue


def create_catalogue(path: Path) -> None:
    """An empty catalogue in a new file. Raises `BadInput` when there is something already."""
    if path.exists():
        raise BadInput("data", "no catalogue there yet", str(path))
    with _engine(path) as engine:
        with engine.connect() as connection:
            # WAL is a property of the file. It cannot be set within a transaction, so not from a migration.
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("PRAGMA journal_mode = WAL")
        _migrate(Catalogue(engine))


@contextmanager
def _engine(path: Path) -> Iterator[Engine]:
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        max_overflow=-1,  # a reader waits for no other
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    try:
        yield engine
    finally:
        engine.dispose()


def _prepare(driver: sqlite3.Connection, _record: object) -> None:
    driver.execute("PRAGMA foreign_keys = ON")
    driver.execute("PRAGMA synchronous = FULL")
    driver.execute(f"PRAGMA journal_size_limit = {KEPT_LOG_BYTES}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _needs_migration(catalogue: Catalogue, path: Path) -> bool:
    try:
        with catalogue.read() as connection:
            tables = connection.scalar(text("SELECT count(*) FROM sqlite_master"))
            found = connection.scalar(text("SELECT version_num FROM alembic_version")) if tables else None
    except exc.DatabaseError as error:
        if is_other_file(error):
            hint = f"{path.name}: {error.orig}"
            raise BadInput("data", "a data directory made by `distd init`", str(path.parent), hint) from error
        raise
    if not tables:
        hint = f"{path.name} is empty; restore it from a backup"
        raise BadInput("data", "a data directory made by `distd init`", str(path.parent), hint)
    if found is None or str(found) > SCHEMA:
        hint = "it was written by a newer distd: upgrade distd"
        raise BadInput("data", f"a data directory of schema up to {SCHEMA}", f"schema {found}", hint)
    return str(found) < SCHEMA


def _migrate(catalogue: Catalogue) -> None:
    """All steps in one transaction: a crash leaves the old schema or the new one.

    A second process waits at BEGIN IMMEDIATE and then finds nothing left to do.
    """
    from alembic import command  # here, because it costs 0.1 s that hardly any start needs
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with catalogue.write() as connection:
        attributes: dict[str, Any] = config.attributes
        attributes["connection"] = connection
        try:
            command.upgrade(config, SCHEMA)
        except (CommandError, exc.OperationalError) as error:
            if isinstance(error, exc.OperationalError) and is_transient(error):
                raise
            got = str(getattr(error, "orig", error))
            raise Corrupt("catalogue", f"a database of an earlier distd, to be brought to {SCHEMA}", got) from error
