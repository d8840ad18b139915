"""The site that a command is about: a data directory on this machine, or a server that is asked by its API.

A command says what it wants as an operation (`distd.operations`), and prints what it gets: it is the same both ways.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import click
import msgspec

from distd.cli.actor import unix_actor
from distd.domain.errors import BadInput
from distd.domain.page import MAX_LIMIT
from distd.domain.permissions import OperatorRights, Role
from distd.operations.operation import Asked, DryRun, Way
from distd.origin.installation import NO_OVERRIDES, open_installation
from distd.terminal.options import FolderPath
from distd.terminal.program import option
from distd.wire.structs import read_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from distd.operations.operation import Operation
    from distd.origin.installation import Installation
    from distd.terminal.lists import ListOptions

T = TypeVar("T")

ON_MACHINE: Final = OperatorRights(Role.ADMINISTRATOR)  # what a command on the data directory may


class SiteAccess(Protocol):
    """Where operations are done."""

    @property
    def where(self) -> str:
        """The option that names it, for the next command: "--data DIR"."""

    def ask(self, operation: Operation[T], *names: str, given: Any = None) -> T:
        """What an operation answers. Raises what its use case raises."""


class LocalSite:
    """A data directory. It is opened when something is asked, and closed with the command."""

    def __init__(self, root: Path, overrides: Mapping[str, str] = NO_OVERRIDES) -> None:
        self.root = root
        self._overrides = overrides
        self._installation: Installation | None = None

    @property
    def where(self) -> str:
        """The option that names it."""
        return f"--data {self.root}"

    @property
    def installation(self) -> Installation:
        """The open installation. Raises `BadInput`."""
        if self._installation is None:
            stack = ExitStack()
            self._installation = stack.enter_context(open_installation(self.root, self._overrides))
            click.get_current_context().call_on_close(stack.close)
        return self._installation

    def ask(self, operation: Operation[T], *names: str, given: Any = None) -> T:
        """See `SiteAccess.ask`."""
        installation = self.installation
        asked = Asked(unix_actor(), ON_MACHINE, time.time(), installation)
        if operation.body is not None:
            given = read_fields(msgspec.to_builtins(given), operation.body)
        if operation.check is not None:
            asked = replace(asked, checked=operation.check(asked, *names, *operation.more(given)))
        try:
            if operation.way is Way.WORK:
                return operation.perform(None, asked, names, given)
            catalogue = installation.catalogue
            with catalogue.read() if operation.way is Way.READ else catalogue.write() as conn:
                done = operation.perform(conn, asked, names, given)
            return done if operation.after is None else operation.after(asked, done)
        except DryRun as tried:
            answer: T = tried.answer
            return answer


def ask_list(site: SiteAccess, operation: Operation[Any], listing: ListOptions, query: Any, *names: str) -> Any:
    """The items of a list that were asked for, page by page: a `Page` as the operation answers."""
    wanted, found, cursor = listing.window.limit, list[Any](), query.cursor
    while True:
        limit = min(wanted - len(found), MAX_LIMIT)
        page = site.ask(operation, *names, given=replace(query, limit=limit, cursor=cursor))
        found += page.items
        cursor = page.next
        if cursor is None or len(found) >= wanted:
            return replace(page, items=found)


def local_only(site: SiteAccess, option_name: str) -> LocalSite:
    """The data directory, for what only a command on it can do. Raises `BadInput`."""
    if isinstance(site, LocalSite):
        return site
    raise BadInput(option_name, "a command on the server itself, with --data", site.where)


_OPTIONS: Final = (
    option(
        "--data",
        "root",
        field="data",
        metavar="DIR",
        envvar="DISTD_DATA",
        type=FolderPath(),
        help="The data directory (or the variable DISTD_DATA).",
    ),
    option(
        "--server",
        metavar="URL",
        envvar="DISTD_SERVER",
        help="Instead of --data: a server, https://HOST:PORT (or DISTD_SERVER), with a token or an operator.",
    ),
    option(
        "--token", metavar="TOKEN", envvar="DISTD_TOKEN", help="With --server: a token of its API (or DISTD_TOKEN)."
    ),
    option(
        "--operator",
        metavar="NAME",
        envvar="DISTD_OPERATOR",
        help="With --server: an operator, whose password is asked for (or DISTD_OPERATOR, DISTD_PASSWORD).",
    ),
    option(
        "--ca",
        metavar="FILE",
        envvar="DISTD_CA",
        help="With --server: the CA that its certificate is of, its cacert.pem (or DISTD_CA).  [default: the system's]",
    ),
)


def site_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--data, or --server and how to log in there: the command gets them as the argument `site`, a `SiteAccess`."""

    @wraps(command)
    def with_site(
        *, root: Path | None, server: str | None, token: str | None, operator: str | None, ca: str | None, **values: Any
    ) -> Any:
        context = click.get_current_context()
        overrides: Mapping[str, str] = values.get("overrides") or NO_OVERRIDES
        if root is not None and server is not None:
            root, server = _chosen(context, root, server)
        if server is None:
            if root is None:
                raise click.MissingParameter(ctx=context, param_hint="'--data' or '--server'", param_type="option")
            return command(site=LocalSite(root, overrides), **values)
        if overrides:
            raise BadInput("--set", "none with --server, whose own settings count", ", ".join(overrides))
        from distd.cli.remote_site import RemoteSite  # here, because few commands need it

        return command(site=RemoteSite.of_options(server, token, operator, ca), **values)

    decorated: Callable[..., Any] = with_site
    for decorate in reversed(_OPTIONS):
        decorated = decorate(decorated)
    return decorated


def _chosen(context: click.Context, root: Path, server: str) -> tuple[Path | None, str | None]:
    """Of both, that on the command line: the other is of a variable. Raises `BadInput`."""
    is_given = {
        name: context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        for name in ("root", "server")
    }
    if is_given["root"] == is_given["server"]:
        raise BadInput("--server", "either --data or --server", "both")
    return (root, None) if is_given["root"] else (None, server)
