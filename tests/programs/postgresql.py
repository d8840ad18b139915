"""A throw-away PostgreSQL: a cluster of its own in a temporary folder, on a socket in it, ended by its process id."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy import Column, insert, select, text

from distd.catalogue.dialect.postgresql import PostgresqlDatabase
from distd.catalogue.engine import SCHEMA, create_catalogue, open_catalogue
from distd.catalogue.tables import metadata
from tests.programs.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

VERSION: Final = 15
BIN: Final = Path(f"/usr/lib/postgresql/{VERSION}/bin")
ROLE: Final = "distd"  # the owner of the databases, who may do nothing else
SECRETIVE_ROLE: Final = "secretive"  # the only one that needs a password
START_S: Final = 60
STOP_S: Final = 60
PR_SET_PDEATHSIG: Final = 1  # of linux/prctl.h
# A test's cluster need not outlive the machine.
NOT_DURABLE: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")


class Cluster:
    """A running PostgreSQL. Its superuser is `postgres`; whoever reaches its socket is who he says he is."""

    def __init__(self, folder: Path, options: Sequence[str], *, tcp: bool) -> None:
        self.folder = folder  # of the socket, and of the data
        self.port = int(free_port()) if tcp else 5432
        self._addresses = "127.0.0.1" if tcp else ""
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        self._admin: psycopg.Connection[Any] | None = None
        self._template = ""
        self._emptied = ""

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What it has written into its log."""
        return (self.folder / "log").read_text("utf-8")

    def make(self) -> None:
        """Its files. It orders texts as English does, so that tests see where distd relies on its order."""
        order = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"]
        command = [
            str(BIN / "initdb"),
            "-D",
            str(self.data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            *order,
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=self.folder, **_as_user())
        assert done.returncode == 0, done.stderr
        rules = self.data / "pg_hba.conf"
        needs_password = f"local all {SECRETIVE_ROLE} scram-sha-256"
        rules.write_text(f"{needs_password}\nlocal all all trust\nhost all all 127.0.0.1/32 trust\n")

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers."""
        if self._process is not None:
            return
        settings = [
            f"listen_addresses={self._addresses}",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            "max_connections=100",
            *self._options,
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(BIN / "postgres"), "-D", str(self.data), *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=partial(end_with_parent, signal.SIGINT),
                **_as_user(),
            )
        end_s = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.conninfo("postgres", "postgres")).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end_s:
                    raise AssertionError(f"PostgreSQL does not start:\n{self.log}") from None
                time.sleep(0.02)

    def stop(self, *, cleanly: bool = True) -> None:
        """End it: connections are cut; unless `cleanly`, it is as after a loss of power."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None
        if self._process is not None:
            self._process.send_signal(signal.SIGINT if cleanly else signal.SIGQUIT)
            self._process.wait(STOP_S)
            self._process = None

    def conninfo(self, database: str, user: str = ROLE) -> str:
        """How libpq connects."""
        return f"host={self.folder} port={self.port} dbname={database} user={user}"

    def url(self, database: str) -> str:
        """The setting `catalogue.url`."""
        return f"postgresql://{ROLE}@{str(self.folder).replace('/', '%2F')}:{self.port}/{database}"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Of the superuser, in the database `postgres`."""
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(self.conninfo("postgres", "postgres"), autocommit=True)
        cursor = self._admin.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    def create_database(self, template: str = "template0") -> str:
        """An empty database, or a copy of `template`; gives its name."""
        name = f"test_{next(self._names)}"
        if self.execute("SELECT 1 FROM pg_roles WHERE rolname = 'distd'") == []:
            self.execute(f"CREATE ROLE {ROLE} LOGIN; CREATE ROLE {SECRETIVE_ROLE} LOGIN")
        self.execute(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template}")
        return name

    def create_catalogue(self) -> str:
        """A database with an empty catalogue; gives its name."""
        if not self._template:
            name = self.create_database()
            create_catalogue(PostgresqlDatabase(self.url(name)))
            self._template = name
        return self.create_database(self._template)

    def database(self, name: str) -> PostgresqlDatabase:
        """A database, as distd opens it."""
        return PostgresqlDatabase(self.url(name))

    def emptied_catalogue(self) -> str:
        """The name of a database with a catalogue in which nothing is: always the same one, as deleting rows takes
        1 ms, and making a database 100."""
        if not self._emptied:
            self._emptied = self.create_catalogue()
        with psycopg.connect(self.conninfo(self._emptied)) as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(f"DELETE FROM {table.name}".encode())
            connection.execute("UPDATE alembic_version SET version_num = %s WHERE version_num <> %s", [SCHEMA, SCHEMA])
            connection.execute(
                "SELECT setval(oid, 1, false) FROM pg_class "
                "WHERE relkind = 'S' AND relnamespace = to_regnamespace('public')"
            )
        return self._emptied

    def fill(self, name: str, source: Connection) -> None:
        """Take the rows of another catalogue into the empty one in the database `name`."""
        with open_catalogue(self.database(name)) as catalogue, catalogue.write() as conn:
            for table in metadata.sorted_tables:
                if rows := source.execute(select(table)).mappings().all():
                    conn.execute(insert(table), [dict(row) for row in rows])
                    if isinstance(table.autoincrement_column, Column):
                        key = table.autoincrement_column.name
                        sequence = f"pg_get_serial_sequence('{table.name}', '{key}')"
                        conn.execute(text(f"SELECT setval({sequence}, max({key})) FROM {table.name}"))

    def drop_database(self, name: str) -> None:
        """Whoever still uses it is cut off."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def cut_connections(self, database: str) -> None:
        """End all connections to a database."""
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")


def end_with_parent(number: signal.Signals) -> None:
    """Called in a new process: the kernel sends it this signal when whoever started it is killed and cannot end it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def _as_user() -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _copied(file: Path, folder: Path) -> Path:
    """A copy of a file in `folder` that PostgreSQL may read, and nobody else."""
    copy = Path(shutil.copy(file, folder))
    copy.chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(copy, "postgres", "postgres")
    return copy


@contextmanager
def running_cluster(
    *, durable: bool = False, options: Sequence[str] = (), tls: tuple[Path, Path] | None = None
) -> Iterator[Cluster]:
    """A running cluster. `durable`: what is committed is on the disk, as in earnest; `options` are like "fsync=on".
    `tls`: it also listens on 127.0.0.1, with this certificate and its key."""
    folder = Path(tempfile.mkdtemp(prefix="distd-pg-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o755)  # others connect to the socket in it
    files = {} if tls is None else dict(zip(("ssl_cert_file", "ssl_key_file"), tls, strict=True))
    encrypted = [f"{name}={_copied(file, folder)}" for name, file in files.items()]
    kept = () if durable else NOT_DURABLE
    cluster = Cluster(folder, [*kept, *options, *encrypted, *(["ssl=on"] if tls else [])], tcp=tls is not None)
    try:
        cluster.make()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
