"""The unmodified stock Unix agent (Debian's `ocsinventory-agent`) as a computer of its own.

Hermetic: an empty environment, its own configuration folder and its own state; nothing of /etc/ocsinventory or
/var/lib/ocsinventory-agent is read or written. The agent's parent process ends early and leaves a child behind that
downloads; both hold one end of a pipe, which is closed when the last of them has ended.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from tests.programs.processes import child, kill_group
from tests.programs.waiting import LIMIT_S, await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from tests.programs.processes import RunningProgram

# What Debian's ocsinventory-agent, liblwp-protocol-https-perl and libio-socket-ssl-perl bring.
NEEDED = (
    "/usr/bin/ocsinventory-agent",
    "/usr/share/perl5/LWP/Protocol/https.pm",
    "/usr/share/perl5/IO/Socket/SSL.pm",
)
PERL = "/usr/bin/perl"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Debian's configuration file turns Download off and lies in /etc: the one function that reads it is replaced.
WRAPPER = """\
use strict; use warnings;
use Ocsinventory::Agent::Config;
my $etc = shift @ARGV;
{ no warnings 'redefine';
  *Ocsinventory::Agent::Config::loadFromCfgFile = sub { $_[0]{config}{etcdir} = [$etc] }; }
require Ocsinventory::Agent;
Ocsinventory::Agent::run();
"""
MODULES = "use Ocsinventory::Agent::Modules::Download;\n1;\n"

_SENT = re.compile(r"Sending message for (\d+), code=(.+)\.$", re.MULTILINE)
_FETCHED = re.compile(r"Success downloading (\S+) file\.\.\.$", re.MULTILINE)
_FAILED = re.compile(r"Failed downloading (\S+): (.+) !!!$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StockReport:
    """What one contact did. `codes`: (package id, code) in the order sent; `fetched`: file names ("info",
    "1700000001-1"); `failed`: (file name, status line); `history`: the packages that this computer has finished."""

    log: str
    codes: tuple[tuple[str, str], ...]
    fetched: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    history: tuple[str, ...]

    @classmethod
    def read(cls, log: str, history: str) -> StockReport:
        """From the log of one contact, and the text of the agent's history file."""
        return cls(
            log,
            tuple(_SENT.findall(log)),
            tuple(_FETCHED.findall(log)),
            tuple(_FAILED.findall(log)),
            tuple(history.split()),
        )


class StockAgent:
    """One computer. Its DEVICEID and its packages are kept in `folder`, so a second run is a second contact.

    `server_url` is "http://host:port/ocsinventory"; another one, even another port, is another computer to the agent.
    `ca` is the PEM file that it trusts for `info`. `within`: a command that runs another one, in a network
    namespace for instance. `proxy` ("host:port") is asked for all that is not HTTPS. `login`: user, password, realm.
    """

    def __init__(
        self,
        server_url: str,
        ca: Path,
        folder: Path,
        *,
        tag: str = "",
        within: Sequence[str] = (),
        proxy: str = "",
        login: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.state = folder / "var" / server_url.replace("/", "_")
        """INSTALL_PATH in the agent's words."""
        self.device_id = _new_device_id()
        self._contacts = 0
        # `tar` and the packages' commands need a PATH; nothing else is passed on: no locale, and no other proxy.
        self._environment = {"PATH": PATH} | ({"http_proxy": f"http://{proxy}"} if proxy else {})
        self._command = [
            *within,
            *(PERL, str(folder / "agent.pl"), str(folder / "etc")),
            *(f"--server={server_url}", f"--basevardir={folder / 'var'}", f"--ca={ca}", "--ssl=1"),
            *("--nolocal", "--debug", "--nosoftware", *([f"--tag={tag}"] if tag else [])),
            *_login_options(*login),
        ]
        self._write_files()

    @staticmethod
    def installed() -> bool:
        """Whether the agent and what it needs for HTTPS are installed."""
        return all(Path(path).exists() for path in NEEDED)

    def _write_files(self) -> None:
        (self.folder / "etc").mkdir(parents=True)
        self.state.mkdir(parents=True)
        (self.folder / "agent.pl").write_text(WRAPPER)
        (self.folder / "etc" / "modules.conf").write_text(MODULES)
        # Two agents that make their DEVICEID in the same second would have the same one, so each is given its own.
        (self.state / "ocsinv.conf").write_text(f"<CONF><DEVICEID>{self.device_id}</DEVICEID></CONF>\n")

    async def run(self, *, timeout_s: float = 4 * LIMIT_S) -> StockReport:
        """Make one contact and wait until all its downloads have ended.

        After `timeout_s` it is killed and `trio.TooSlowError` raised, with the end of its log.
        """
        async with self.started() as running:
            with running.log_in_errors(), trio.fail_after(timeout_s):
                return await running.ended()

    @contextlib.asynccontextmanager
    async def started(self) -> AsyncIterator[RunningAgent]:
        """Start a contact; what still runs at the end of the block is killed, parent and child."""
        reader, writer = os.pipe()
        try:
            self._contacts += 1
            log = self.folder / f"contact{self._contacts}.log"  # one each: an earlier contact's child may still write
            started = child(self._command, log, env=self._environment, cwd=self.folder, pass_fds=[writer], grace_s=0)
            async with started as process:
                os.close(writer)
                writer = -1
                yield RunningAgent(process, reader, log, self.state / "download" / "history")
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)


def _login_options(user: str = "", password: str = "", realm: str = "") -> list[str]:
    """The agent wants the first two in Base64 (Ocsinventory::Agent::Encrypt)."""
    if not user:
        return []
    coded = (base64.b64encode(text.encode()).decode() for text in (user, password))
    return [f"--{name}={value}" for name, value in zip(("user", "password", "realm"), (*coded, realm), strict=True)]


class RunningAgent:
    """A contact that has been started."""

    def __init__(self, process: RunningProgram, pipe: int, log: Path, history: Path) -> None:
        self._process = process
        self._pipe = pipe
        self._log = log
        self._history = history

    async def ended(self) -> StockReport:
        """Wait for the end of the parent and of the child that it leaves behind."""
        await self._process.wait()
        await trio.lowlevel.wait_readable(self._pipe)  # nothing is ever written: readable means closed
        return self.report()

    async def kill(self) -> None:
        """SIGKILL for parent and child, as if the power was cut."""
        kill_group(self._process.pid)
        await self.ended()

    async def until(self, text: str) -> None:
        """Wait until `text` is in this contact's log. Raises `AssertionError` where it does not come."""
        with self.log_in_errors():
            await await_until(lambda: text in self.log(), f"the agent's log has {text!r}")

    @contextlib.contextmanager
    def log_in_errors(self) -> Iterator[None]:
        """What the block raises because something did not come gets the end of the log as a note."""
        try:
            yield
        except (AssertionError, trio.TooSlowError) as error:
            error.add_note(self.log()[-4000:])
            raise

    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(errors="replace")

    def report(self) -> StockReport:
        """What the contact has done so far."""
        return StockReport.read(self.log(), self._history.read_text() if self._history.exists() else "")


def _new_device_id() -> str:
    """`<host>-YYYY-MM-DD-HH-MM-SS`, the form that the agent requires; the time is random."""
    second = datetime.datetime.fromtimestamp(secrets.randbelow(10**9), datetime.UTC)
    return f"{socket.gethostname().split('.')[0]}-{second:%Y-%m-%d-%H-%M-%S}"
