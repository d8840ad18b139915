"""The values that a shell completes: the packages and computers of the data directory on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from click.shell_completion import CompletionItem

from distd.domain.errors import DistdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import click
    from sqlalchemy import Connection

MAX_ITEMS: Final = 100


def complete_packages(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of packages, with their names."""
    from distd.origin.packages import packages

    def find(conn: Connection) -> Iterator[tuple[str, str]]:
        return ((package.id, package.name) for package in packages.read_all(conn))

    return _complete(ctx, incomplete, find)


def complete_computers(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The DEVICEIDs of computers, with their names."""
    from distd.domain.page import Window
    from distd.origin.computers import computers

    def find(conn: Connection) -> Iterator[tuple[str, str]]:
        wanted = computers.WantedComputers(name=f"{incomplete}*")
        page = computers.list_computers(conn, wanted, Window(10 * MAX_ITEMS))
        return ((computer.device_id, computer.name) for computer in page.items)

    return _complete(ctx, incomplete, find)


def complete_filter(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Filters that begin with what is typed, one word, operator or value longer."""
    from distd.origin.computers import filter_completion

    def find(conn: Connection) -> Iterator[tuple[str, str]]:
        found = filter_completion.complete(conn, incomplete, len(incomplete))
        for each in found.suggestions:
            yield incomplete[: found.start] + each.text, "" if each.count is None else f"{each.count:,} computers"

    return _complete(ctx, incomplete, find, begins=False)


def _complete(
    ctx: click.Context,
    incomplete: str,
    find: Callable[[Connection], Iterator[tuple[str, str]]],
    *,
    begins: bool = True,
) -> list[CompletionItem]:
    """What is found, with `begins` only what begins with `incomplete`; none where there is no data directory: a shell
    shows no errors."""
    from distd.origin.installation import open_installation

    root = ctx.params.get("root") or os.environ.get("DISTD_DATA")
    if not root:
        return []
    try:
        with open_installation(Path(root)) as installation, installation.catalogue.read() as conn:
            found = [(value, name) for value, name in find(conn) if not begins or value.startswith(incomplete)]
    except (DistdError, OSError):
        return []
    return [CompletionItem(value, help=name or None) for value, name in found[:MAX_ITEMS]]
