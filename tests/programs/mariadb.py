"""A throw-away MariaDB: Debian's, from a temporary folder, on a socket in it, ended by its process id.

Whoever reaches the socket may do everything; nobody but its user reaches the folder, and it listens nowhere else.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pymysql

from tests.programs.postgresql import end_with_parent
from tests.programs.processes import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME: Final = "mariadbd"
SHARED: Final = Path("/usr/share/mysql")  # where Debian has the tables that each server has
OWN_TABLES: Final = ("mysql_system_tables.sql", "mysql_performance_tables.sql")
START_S: Final = 60
STOP_S: Final = 60
ADMIN: Final = "root"
# What is written need not outlive the machine.
NOT_DURABLE: Final = ("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite", "--skip-log-bin")


def executable() -> str | None:
    """The path of the server; None where it is not installed."""
    return find_program(NAME)


class MariaDb:
    """A server. `folder`: of its socket, its data, and of files that LOAD DATA INFILE may read."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        self.folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has written into its log."""
        return (self.folder / "log").read_text("utf-8")

    def make(self) -> None:
        """Its files."""
        (self.folder / "data").mkdir()
        (self.folder / "tmp").mkdir()
        tables = "\n".join((SHARED / name).read_text("utf-8") for name in OWN_TABLES)
        statements = f"CREATE DATABASE mysql;\nUSE mysql;\n{tables}\n"
        command = [*self._command(), "--bootstrap"]
        done = subprocess.run(command, input=statements, check=False, capture_output=True, text=True, timeout=START_S)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command(), *NOT_DURABLE, *self._options],
                stdout=log,
                stderr=log,
                preexec_fn=partial(end_with_parent, signal.SIGTERM),
            )
        end_s = time.monotonic() + START_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > end_s:
                raise AssertionError(f"MariaDB does not start:\n{self.log}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_S)
            self._process = None

    def connect(self, database: str | None = None) -> Any:
        """A connection of PyMySQL, which commits each statement."""
        return pymysql.connect(
            unix_socket=str(self.folder / "socket"), user=ADMIN, database=database, charset="utf8mb4", autocommit=True
        )

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.folder / "socket")) == 0

    def _command(self) -> list[str]:
        installed = executable()
        assert installed is not None, f"{NAME} is not installed"
        user = pwd.getpwuid(os.geteuid()).pw_name
        # At its start a server deletes what others have in the same `tmpdir`.
        places = [f"--datadir={self.folder / 'data'}", f"--tmpdir={self.folder / 'tmp'}"]
        places += [f"--socket={self.folder / 'socket'}"]
        places += [f"--pid-file={self.folder / 'pid'}", f"--secure-file-priv={self.folder}"]
        return [installed, "--no-defaults", f"--user={user}", *places, "--skip-networking", "--skip-grant-tables"]


@contextmanager
def running_mariadb(options: Sequence[str] = ()) -> Iterator[MariaDb]:
    """A server for as long as the block lasts; `options` are like "--innodb-buffer-pool-size=1G"."""
    server = MariaDb(Path(tempfile.mkdtemp(prefix="distd-mariadb-")), options)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)
