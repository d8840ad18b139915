"""The command `agentsim`: the composition root of the agents."""

from __future__ import annotations

import signal
import socket
import ssl
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click
import trio
from cryptography import x509

from agentsim.native.agent import USER_AGENT, NativeAgent
from agentsim.native.config import AgentConfig, Rights
from agentsim.native.credentials import NO_ACCOUNT, AgentAccount
from agentsim.native.state import MODE, open_state
from agentsim.native.unpack import DEFAULT_LIMITS, UnpackLimits
from distd import __version__
from distd.domain.addresses import is_loopback
from distd.domain.errors import BadInput
from distd.domain.units import parse_size
from distd.domain.visible import visible
from distd.lane.client.http_client import open_client
from distd.terminal import program
from distd.terminal.completion import add_completion
from distd.terminal.options import options_record
from distd.terminal.program import Group, option
from distd.wire.ocs import MAX_DEVICE_ID_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLE = """\
\b
Example:
  agentsim agent --server https://ocs.example:8443/ocsinventory --ca cacert.pem \\
      --state /var/lib/agent --once"""


COMMANDS: Final = {"load": "agentsim.load:load", "simulate": "agentsim.simulate:simulate"}


@click.group("agentsim", cls=Group, places=COMMANDS, context_settings={"help_option_names": program.HELP_OPTIONS})
@click.version_option(__version__)
def cli() -> None:
    """Agents of distd: one that deploys packages, very many that are emulated, and any number in virtual time."""


add_completion(cli)
run, main = partial(program.run, cli), partial(program.main, cli)


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """The options of `agentsim agent`."""

    server: str
    ca: Path
    state: Path
    once: bool
    name: str
    commands: bool
    max_unpacked: str
    max_ratio: int
    max_members: int
    user: str
    password_file: Path | None

    @property
    def config(self) -> AgentConfig:
        """What packages may do, and by which log-in it enrols. Raises `BadInput`."""
        size_bytes = parse_size(self.max_unpacked, "--max-unpacked")
        rights = Rights(self.commands, UnpackLimits(size_bytes, self.max_ratio, self.max_members))
        return AgentConfig(rights, read_account(self.server, self.user, self.password_file))


@cli.command(epilog=EXAMPLE)
@option("--server", required=True, metavar="URL", help="Where to send PROLOG, inventory and results.")
@option("--ca", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The site's CA, cacert.pem.")
@option(
    "--state", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where the agent keeps its state."
)
@option("--once", is_flag=True, help="One contact, then the downloads until none is left.")
@option("--name", default="", metavar="DEVICEID", help="The DEVICEID, instead of hostname-YYYY-MM-DD-HH-MM-SS.")
@option("--allow-execute", "commands", is_flag=True, help="Packages may run commands, and not only store files.")
@option("--max-unpacked", metavar="SIZE", default="16GiB", show_default=True, help="What a package may unpack to.")
@option(
    "--max-ratio",
    default=DEFAULT_LIMITS.ratio,
    show_default=True,
    type=click.IntRange(min=1),
    help="So many times its own size at most, beyond 64 MiB.",
)
@option(
    "--max-members",
    default=DEFAULT_LIMITS.members,
    show_default=True,
    type=click.IntRange(min=1),
    help="Files and folders of a package.",
)
@option("--user", default="", metavar="NAME", help="Enrol by this log-in (`distd login set`): once.")
@option("--password-file", metavar="FILE", type=click.Path(path_type=Path), help="A file with the password of --user.")
@options_record(AgentOptions)
def agent(options: AgentOptions) -> None:
    """One native agent: fetches packages on the OCS schedule, verifies, stores, launches, executes and reports them.

    A package runs a command only if it says so and --allow-execute is given; else its result is
    ERR_EXECUTE_NOT_ALLOWED. With --once, exit status 1 means that a package failed or the server could not be reached.
    Without, it goes on until SIGTERM or SIGINT. Its log goes to stderr and to DIR/agent.log.
    """
    sys.exit(0 if run_agent(options) else 1)


def run_agent(options: AgentOptions) -> bool:
    """Run one native agent to its end; whether all went well. Raises `DistdError` for what it cannot start with."""
    server, name = options.server, options.name
    check_server(server)
    if len(name) > MAX_DEVICE_ID_CHARACTERS or not name.isprintable():
        raise BadInput("--name", f"at most {MAX_DEVICE_ID_CHARACTERS} printable characters", name)
    config = options.config
    certificate, context = read_ca(options.ca)
    with open_state(options.state.absolute()) as held, open_log(held.path / "agent.log") as log:
        if held.was_open_to:
            log(f"{held.path} was open to others (mode {MODE | held.was_open_to:04o}): it is {MODE:04o} now.")
        device_id = held.device_id(socket.gethostname(), datetime.now(), name)  # noqa: DTZ005 - OCS takes local time

        async def life() -> bool:
            good = not options.once  # when a signal ends it
            async with open_client(context, USER_AGENT) as client, trio.open_nursery() as nursery:
                nursery.start_soon(cancel_on_signal, nursery.cancel_scope)
                native = NativeAgent(server, certificate, held, client, device_id, log, config)
                good = (await native.run(once=options.once)).is_good
                nursery.cancel_scope.cancel()
            return good

        return trio.run(life)


async def cancel_on_signal(scope: trio.CancelScope) -> None:
    """Until cancelled: SIGTERM and SIGINT cancel `scope`."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()


def check_server(server: str) -> None:
    """Raises `BadInput` for what is no URL of a server, and for plain HTTP unless it is to this machine: whoever is
    between could answer in the server's name."""
    hint = ""
    with suppress(ValueError):  # of a port that is none
        parts = urlsplit(server)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            if parts.scheme == "https" or is_loopback(parts.hostname):
                return
            hint = "http:// is for a server on this machine only"
    raise BadInput("--server", "https://host[:port]/ocsinventory", server, hint)


def read_account(server: str, user: str, password_file: Path | None) -> AgentAccount:
    """The log-in that is given. Raises `BadInput`; also for a server that it would go to in clear text."""
    if bool(user) != (password_file is not None):
        raise BadInput("--user", "a name, with its --password-file", user)
    if password_file is None:
        return NO_ACCOUNT
    if not server.startswith("https://"):
        raise BadInput("--server", "https://…, for the password is sent to it", server)
    if ":" in user:
        raise BadInput("--user", "a name without a colon", user)
    try:
        return AgentAccount(user, password_file.read_text("utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("--password-file", "a file that can be read", str(password_file), str(error)) from None


def read_ca(file: Path) -> tuple[x509.Certificate, ssl.SSLContext]:
    """The CA to check manifests with, and the TLS context that trusts it alone."""
    try:
        data = file.read_bytes()
        return x509.load_pem_x509_certificate(data), ssl.create_default_context(cadata=data.decode("ascii"))
    except OSError as error:
        raise BadInput("--ca", "a file that can be read", str(file), error.strerror or "") from None
    except ValueError:
        raise BadInput("--ca", "a certificate in PEM form", str(file)) from None


@contextmanager
def open_log(file: Path) -> Iterator[Callable[[str], None]]:
    """A function that writes a line, with the time, to stderr and to the file."""
    with file.open("a", buffering=1) as out:

        def log(line: str) -> None:
            stamped = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S%z} {visible(line)}\n"
            out.write(stamped)
            sys.stderr.write(stamped)

        yield log
