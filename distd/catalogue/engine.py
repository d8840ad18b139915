"""The catalogue: a database that the server and the commands write to at the same time.

One writer at a time; readers never wait, and each reads one state. How a database does that, and which databases there
are, stands in `catalogue.dialect`.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exc, inspect, text

from distd.catalogue.dialect import as_database, is_transient
from distd.catalogue.dialect.database import MAX_LOG_BYTES
from distd.catalogue.event_log import APPENDED
from distd.catalogue.outage import Outage
from distd.domain.errors import BadInput, Corrupt, Unavailable, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy import Connection, Engine

    from distd.catalogue.dialect.database import Database, EventListener

SCHEMA: Final = "0024"  # the newest revision under migrations/versions
# A commit whose answer was lost is looked up for so long, so often.
LOOK_UP_S: Final = 3.0
LOOK_UP_PAUSE_S: Final = 0.1
COPYING: Final = "copying"  # in place of a revision, with one after it: a copy into the database is not finished

# As alembic makes it.
_VERSION_TABLE: Final = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY "
    "(version_num))"
)
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Catalogue:
    """An open catalogue. Its methods may be called from any thread. `outage` tells whether it can be reached."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine
        self._is_settled = True  # or its schema is still to be looked at
        self._settling, self._settles = threading.RLock(), False
        # A database's own queue polls, or keeps a connection; threads of one process queue here first.
        self._writing = threading.Lock()
        self.outage = Outage()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that reads one state of the database.

        Raises `Unavailable` for a lock or a failing disk, `Unreachable` (at once, when it is known) for a database that
        is away, `Corrupt` for one that is damaged, as `write` does.
        """
        self._settle()
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection that alone may write: committed at the end, rolled back when the block raises.

        Raises `Unavailable` when another process holds the lock for `BUSY_TIMEOUT_S`, or the disk is full or fails.
        """
        self._settle()
        with self._writing, self._transaction(writes=True) as connection:
            yield connection

    def listen(self) -> EventListener | None:
        """What hears of new events, wherever they are written; None: there is no such thing. See `Database.listen`."""
        return self._database.listen()

    def last_write(self) -> object | None:
        """What is another thing after each write; None: it cannot be told. See `Database.last_write`."""
        return self._database.last_write()

    def reusable_bytes(self) -> int | None:
        """What the database can take without growing its file in the data directory; None: it is not there."""
        with self.read() as connection:
            return self._database.reusable_bytes(connection)

    def limit_log(self, max_bytes: int = MAX_LOG_BYTES) -> None:
        """Bring the changes of a write-ahead log in the data directory into the database, and cut it, where it is
        larger. Raises `Unavailable`."""
        self._database.limit_log(self._engine, max_bytes)

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        self.outage.require(writes=writes)
        is_done = False
        try:
            connection, transaction = self._begun(writes=writes)
            with connection:
                connection.info.pop(APPENDED, None)  # of one that was rolled back
                try:
                    yield connection
                    if writes and connection.info.pop(APPENDED, False):
                        self._database.announce_events(connection)
                    is_done = True
                    connection.commit()
                except BaseException:
                    connection.rollback()
                    raise
        except exc.DBAPIError as error:
            if not (is_done and error.connection_invalidated and self._is_committed(transaction)):
                self._raise(error)
        except exc.TimeoutError as error:
            raise Unavailable("catalogue", "all its connections are in use") from error
        self.outage.succeeded(wrote=writes)

    def settle(self) -> None:
        """Migrate it to this version's schema if it is an older one. Raises as `open_catalogue`."""
        if _needs_migration(self, self._database):
            _migrate(self, self._database)

    def settle_later(self) -> None:
        """Whoever uses it first does what `settle` does."""
        self._is_settled = False

    def _settle(self) -> None:
        if self._is_settled:
            return
        with self._settling:
            if self._is_settled or self._settles:  # the second: `settle` itself uses the catalogue
                return
            self._settles = True
            try:
                self.settle()
                self._is_settled = True
            finally:
                self._settles = False

    def _begun(self, *, writes: bool) -> tuple[Connection, str]:
        """A transaction has begun on the connection. One that was lost since it was last used is replaced."""
        for may_be_stale in (True, False):
            connection = self._engine.connect()
            try:
                connection.begin()
                return connection, self._database.begin(connection, writes=writes)
            except BaseException as error:
                connection.close()
                is_stale = may_be_stale and isinstance(error, exc.DBAPIError) and error.connection_invalidated
                if not is_stale:
                    raise
        raise AssertionError  # the second time it has returned or raised

    def _is_committed(self, transaction: str) -> bool:
        """Of a writing transaction whose connection was lost while it was being committed. It waits for a database that
        restarts, as far as the others who want to write can wait."""
        if not transaction:
            return False
        end_s = time.monotonic() + LOOK_UP_S
        while True:
            try:
                with self._engine.connect() as connection:
                    committed = self._database.is_committed(connection, transaction)
            except exc.DBAPIError:
                committed = None
            if committed is not None or time.monotonic() > end_s:
                return bool(committed)
            time.sleep(LOOK_UP_PAUSE_S)

    def _raise(self, error: exc.DBAPIError) -> None:
        if self._database.is_unreachable(error):
            self.outage.failed(one_line(error), reads=False)
            raise Unreachable("catalogue", one_line(error)) from error
        if self._database.is_unwritable(error):
            self.outage.failed(one_line(error), reads=True)
            raise Unreachable("catalogue", one_line(error)) from error
        if is_transient(error):
            raise Unavailable("catalogue", one_line(error)) from error
        if self._database.is_damaged(error):
            got = f"{one_line(error)}; restore it from a backup"
            raise Corrupt("catalogue", "a whole database", got) from error
        raise error


def one_line(error: exc.DBAPIError) -> str:
    """What the database's driver said."""
    return " ".join(str(error.orig).split())


@contextmanager
def open_catalogue(place: Path | Database, *, later: bool = False) -> Iterator[Catalogue]:
    """The catalogue at `place` (`dialect.as_database`), migrated to this version's schema if it is an older one.

    Raises `BadInput` (and changes nothing) when there is none, or when a newer distd wrote it; `Unreachable` when it
    does not answer, unless that may be `later`: then whoever uses it first gets the error.
    """
    database = as_database(place)
    database.require_there()
    with _engine(database) as engine:
        catalogue = Catalogue(database, engine)
        try:
            catalogue.settle()
        except Unreachable:
            if not later:
                raise
            catalogue.settle_later()
        yield catalogue


@contextmanager
def open_as_it_is(place: Path | Database) -> Iterator[Catalogue]:
    """What is at `place`, also a catalogue of another schema, a part of a copy, or a database without tables.

    Raises `BadInput` when there is nothing, or what is there is no database; `Unreachable`.
    """
    database = as_database(place)
    database.require_there()
    with _engine(database) as engine:
        catalogue = Catalogue(database, engine)
        _look(catalogue, database)
        yield catalogue


def found_schema(conn: Connection) -> str | None:
    """The newest revision that the database has; None where it has none."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    found: str | None = conn.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def set_schema(conn: Connection, name: str) -> None:
    """Say that the database has this revision, or another `name` by which no server takes it."""
    conn.execute(text("UPDATE alembic_version SET version_num = :name"), {"name": name})


def create_catalogue(place: Path | Database) -> None:
    """An empty catalogue at `place` (`dialect.as_database`). Raises `BadInput` when there is something already."""
    database = as_database(place)
    with _engine(database) as engine:
        catalogue = Catalogue(database, engine)
        try:
            database.prepare_new(engine)
        except exc.DBAPIError as error:
            raise Unavailable("catalogue", one_line(error)) from error
        _make_tables(catalogue)


@contextmanager
def _engine(database: Database) -> Iterator[Engine]:
    engine = database.make_engine()
    try:
        yield engine
    finally:
        engine.dispose()


def _look(catalogue: Catalogue, database: Database) -> tuple[int, str | None]:
    """How many tables there are, and the schema. Raises `BadInput` where it is no catalogue."""
    try:
        with catalogue.read() as connection:
            tables = database.count_tables(connection)
            return tables, connection.scalar(text("SELECT version_num FROM alembic_version")) if tables else None
    except exc.DBAPIError as error:
        if database.is_other(error):
            hint = f"{database}: {one_line(error)}"
            raise BadInput("data", "a data directory made by `distd init`", "another database", hint) from error
        raise


def _needs_migration(catalogue: Catalogue, database: Database) -> bool:
    tables, found = _look(catalogue, database)
    if not tables:
        hint = f"{database} is empty; restore it from a backup"
        raise BadInput("data", "a data directory made by `distd init`", "an empty database", hint)
    if str(found).startswith(COPYING):
        hint = "the same `distd db copy` goes on with it"
        raise BadInput("data", "a whole catalogue", "one into which a copy was not finished", hint)
    if found is None or str(found) > SCHEMA:
        hint = "it was written by a newer distd: upgrade distd"
        raise BadInput("data", f"a data directory of schema up to {SCHEMA}", f"schema {found}", hint)
    return str(found) < SCHEMA


def alembic_config() -> Config:
    """Where alembic finds the migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _make_tables(catalogue: Catalogue) -> None:
    """The tables of the code, which are those of the migrations (a test compares them): that takes a tenth of the time
    of all steps from the first schema on."""
    from distd.catalogue.tables import metadata  # here, because only `distd init` needs it

    with catalogue.write() as connection:
        if found_schema(connection) is not None:
            return  # a second process was before this one
        metadata.create_all(connection)
        connection.execute(text(_VERSION_TABLE))
        connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:name)"), {"name": SCHEMA})


def _migrate(catalogue: Catalogue, database: Database) -> None:
    """All steps in one transaction: a crash leaves the old schema or the new one.

    A second process waits for its turn to write and then finds nothing left to do.
    """
    from alembic import command  # here, because it costs 0.1 s that hardly any start needs
    from alembic.util import CommandError

    config = alembic_config()
    with catalogue.write() as connection:
        database.allow_long_statements(connection)
        attributes: dict[str, Any] = config.attributes
        attributes["connection"] = connection
        try:
            command.upgrade(config, SCHEMA)
        except (CommandError, exc.DBAPIError) as error:
            if isinstance(error, exc.DBAPIError) and is_transient(error):
                raise
            got = str(getattr(error, "orig", error))
            raise Corrupt("catalogue", f"a database of an earlier distd, to be brought to {SCHEMA}", got) from error
