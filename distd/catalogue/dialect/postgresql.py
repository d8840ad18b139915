"""PostgreSQL 15 and later: a database of its own, which several servers may share.

One writer at a time, as on SQLite: every writing transaction first takes an advisory lock, which ends with it. So a
transaction that reads and then writes sees all that was committed before, and the sequence numbers of events grow in
the order of the commits: whoever follows them by number misses none. Readers never wait; each reads one state.

Texts are compared and ordered by their code points (the collation "C"), whatever the database's own order is, and
have no limit of their length; whole numbers have 64 bits: as on SQLite.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import StrDumper
from sqlalchemy import create_engine, text
from sqlalchemy.dialects.postgresql.base import PGDDLCompiler

from distd.catalogue.dialect import database
from distd.catalogue.dialect.database import Database, EventListener
from distd.domain.addresses import is_loopback
from distd.domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine, exc

MIN_VERSION: Final = 15
LOCK: Final = 0x6469737464  # of writing transactions; advisory locks are of one database
CHANNEL: Final = "distd_events"  # of NOTIFY; channels are of one database
POOL: Final = 8  # connections of one process: the reading threads, the writer, builds, and some to spare
CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_S: Final = 300
# A process that stands still in the middle of a transaction loses it: the others wait for it if it writes, and cannot
# be cleaned up after if it reads.
IDLE_WRITER_S: Final = 60
IDLE_READER_S: Final = 3600
# A peer that is gone without a word is found out after some 25 s, by both sides.
KEEPALIVE: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
SENT_TIMEOUT_MS: Final = 30_000

# Classes of SQLSTATE, and single ones: see PostgreSQL's appendix A.
_UNREACHABLE: Final = ("08", "57P0", "53300", "25P03", "28")
_UNWRITABLE: Final = ("25006", "53100", "55P03")
_TRANSIENT: Final = (*_UNREACHABLE, *_UNWRITABLE, "53", "40001", "40P01", "57014", "58030")
_DAMAGED: Final = ("XX001", "XX002", "58P01", "42P01")
_NO_TABLE: Final = "42P01"


class PostgresqlDatabase(Database):
    """The database of `url`, postgresql://USER@HOST:PORT/NAME without a password.

    That is `password`, or where it is None what libpq finds: PGPASSWORD, `~/.pgpass`. `ca_file` holds the CAs that
    sign the server's certificate; None: those of the system.
    """

    def __init__(self, url: str, password: str | None = None, ca_file: Path | None = None) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error:  # it has the text in it, which may be a secret
            raise BadInput("catalogue.url", "postgresql://USER@HOST/NAME", "a text that is no such URL") from None
        self._parameters: dict[str, Any] = {**_defaults(given, ca_file), **given}
        self._parameters["options"] = f"{_options()} {given.get('options') or ''}".strip()
        self._password = password

    def __str__(self) -> str:
        of_url = self._parameters
        return f"{of_url.get('dbname') or of_url.get('user') or ''} at {of_url.get('host') or 'the local socket'}"

    def make_engine(self) -> Engine:
        """An engine with a bounded pool; a connection that was lost is made anew by whoever needs it."""
        engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            pool_size=POOL,
            max_overflow=0,
            pool_timeout=database.BUSY_TIMEOUT_S,
            use_native_hstore=False,
        )
        engine.dialect.ddl_compiler = _Tables
        return engine

    def _connect(self, **more: str) -> psycopg.Connection[Any]:
        secret: dict[str, Any] = {} if self._password is None else {"password": self._password}
        driver = psycopg.connect(**{**self._parameters, **secret, **more}, autocommit=True)
        try:
            _require(driver)
        except BaseException:
            driver.close()
            raise
        driver.adapters.register_dumper(str, _TextDumper)
        return driver

    def require_there(self) -> None:
        """Only by connecting one sees it."""

    def prepare_new(self, engine: Engine) -> None:
        """There is nothing to make; it has to be empty."""
        with engine.connect() as connection:
            if found := self.count_tables(connection):
                raise BadInput("database", "a database without tables", f"{self}, which has {found}")
            if not connection.scalar(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")):
                hint = "whose owner is the user: CREATE DATABASE … OWNER …"
                raise BadInput("database", "a database in which tables may be made", f"{self}, which denies it", hint)

    def begin(self, connection: Connection, *, writes: bool) -> str:
        """A writer first takes the lock. Each of its statements sees what is committed by then, so all of it."""
        if not writes:
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return ""
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL READ COMMITTED")
        row = connection.exec_driver_sql(_LOCK).one()
        return str(row.transaction)

    def announce_events(self, connection: Connection) -> None:
        """By NOTIFY, which takes effect with the commit, and takes a lock of the whole server until then."""
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")

    def listen(self) -> EventListener | None:
        """By LISTEN."""
        try:
            driver = self._connect(application_name="distd listener")
            driver.execute(f"LISTEN {CHANNEL}".encode())
        except psycopg.Error as error:
            raise Unavailable("catalogue", " ".join(str(error).split())) from error
        return _NotifyListener(driver)

    def last_write(self) -> object | None:
        """Not without asking; `listen` makes it unnecessary."""
        return None

    def is_committed(self, connection: Connection, transaction: str) -> bool | None:
        """By the number of the transaction."""
        status = connection.scalar(text("SELECT pg_xact_status(CAST(:id AS xid8))"), {"id": transaction})
        return None if status == "in progress" else bool(status == "committed")

    def count_tables(self, connection: Connection) -> int:
        """How many tables and views there are where ours are made."""
        query = text("SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()::text)")
        return connection.scalar(query) or 0

    def allow_long_statements(self, connection: Connection) -> None:
        """Until the transaction ends."""
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")

    def reusable_bytes(self, connection: Connection) -> int | None:
        """The database looks after its own disk."""
        return None

    def limit_log(self, engine: Engine, max_bytes: int) -> None:
        """The database looks after its own log."""

    def is_unreachable(self, error: exc.DBAPIError) -> bool:
        """No connection can be made, or it was ended."""
        return error.connection_invalidated or _has_state(error.orig, _UNREACHABLE) or _is_lost(error.orig)

    def is_unwritable(self, error: exc.DBAPIError) -> bool:
        """A standby, a disk that is full, a lock that is not let go."""
        return _has_state(error.orig, _UNWRITABLE)

    def is_damaged(self, error: exc.DBAPIError) -> bool:
        """Pages that are none, tables that are gone."""
        return _has_state(error.orig, _DAMAGED) and not self.is_other(error)

    def is_other(self, error: exc.DBAPIError) -> bool:
        """It has tables, but not the one that says which schema it is."""
        return _has_state(error.orig, (_NO_TABLE,)) and "alembic_version" in str(error.orig)


class _NotifyListener(EventListener):
    """On a connection of its own."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self._driver = driver

    def fileno(self) -> int:
        """Of the connection's socket."""
        return self._driver.fileno()

    def receive(self) -> bool:
        """As the base class has it."""
        found = False
        try:
            self._driver.pgconn.consume_input()
            while self._driver.pgconn.notifies() is not None:
                found = True
        except psycopg.Error as error:
            raise Unavailable("catalogue", " ".join(str(error).split())) from error
        return found

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()


_LOCK: Final = f"""
    SELECT set_config('idle_in_transaction_session_timeout', '{IDLE_WRITER_S}s', true),
        pg_advisory_xact_lock({LOCK}), pg_current_xact_id()::text AS transaction
"""


def is_transient(error: BaseException | None) -> bool:
    """Whether the driver's `error` may pass: a lock, a full disk, a server that is stopped or that takes no changes."""
    return _has_state(error, _TRANSIENT) or _is_lost(error)


def _has_state(error: BaseException | None, states: tuple[str, ...]) -> bool:
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(states)


def _is_lost(error: BaseException | None) -> bool:
    """Whether libpq says by itself that there is no connection: then there is no SQLSTATE."""
    return isinstance(error, psycopg.OperationalError) and error.sqlstate is None


def _options() -> str:
    limits = {
        "lock_timeout": database.BUSY_TIMEOUT_S,
        "statement_timeout": STATEMENT_TIMEOUT_S,
        "idle_in_transaction_session_timeout": IDLE_READER_S,
    }
    of_server = {f"tcp_{name}": value for name, value in KEEPALIVE.items() if name != "keepalives_count"}
    of_session = {"tcp_keepalives_count": KEEPALIVE["keepalives_count"], "jit": "off"}
    values = {**{name: f"{limit_s}s" for name, limit_s in limits.items()}, **of_server, **of_session}
    return " ".join(f"-c {name}={value}" for name, value in values.items())


def _defaults(given: dict[str, Any], ca_file: Path | None) -> dict[str, Any]:
    """What is not in the URL. Over a network the server has to show who it is."""
    values: dict[str, Any] = {
        "application_name": "distd",
        "client_encoding": "utf-8",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": SENT_TIMEOUT_MS,
        **KEEPALIVE,
    }
    if ca_file is not None:
        values["sslrootcert"] = str(ca_file)
    hosts = [host for host in str(given.get("host") or given.get("hostaddr") or "").split(",") if host]
    if given.get("sslmode") or all(
        host.startswith(("/", "@")) or host == "localhost" or is_loopback(host) for host in hosts
    ):
        return values
    return {"sslrootcert": "system", **values, "sslmode": "verify-full"}


def _require(driver: psycopg.Connection[Any]) -> None:
    """Raises `BadInput` for a server that does not have what is used here."""
    version = driver.info.server_version
    if version < MIN_VERSION * 10_000:
        got = f"{version // 10_000}.{version % 10_000}"
        raise BadInput("catalogue.url", f"a server of PostgreSQL {MIN_VERSION} or later", got, "upgrade it")
    encoding = driver.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        hint = "make the database with ENCODING 'UTF8' TEMPLATE template0"
        raise BadInput("catalogue.url", "a database of the encoding UTF8", encoding, hint)


class _TextDumper(StrDumper):
    """PostgreSQL has no NUL in texts, and agents may send one: it is stored as the character of a broken one."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in obj else obj)


class _Tables(PGDDLCompiler):
    """Tables as SQLite has them: texts without a limit that are compared by their code points, whole numbers of 64
    bits, ids that are never given again."""

    def get_column_specification(self, column: Any, **kwargs: Any) -> str:
        specification: str = super().get_column_specification(column, **kwargs)  # type: ignore[no-untyped-call]
        name, _, rest = specification.partition(" ")
        for pattern, ours in _COLUMN_TYPES:
            rest = pattern.sub(ours, rest, count=1)
        return f"{name} {rest}"


_COLUMN_TYPES: Final = (
    (re.compile(r"^(VARCHAR(\(\d+\))?|TEXT)"), 'TEXT COLLATE "C"'),
    (re.compile(r"^INTEGER"), "BIGINT"),
    (re.compile(r"^SERIAL"), "BIGSERIAL"),
)
