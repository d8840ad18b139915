"""Options of commands that are about the machine. Those that may be about another one have `cli.site.site_option`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distd.domain.errors import BadInput
from distd.terminal.options import FolderPath
from distd.terminal.program import option

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

_data_option = option(
    "--data",
    "root",
    field="data",
    metavar="DIR",
    required=True,
    envvar="DISTD_DATA",
    type=FolderPath(),
    help="The data directory (or the variable DISTD_DATA).",
)


def _refuse_server(_: click.Context, __: click.Parameter, url: str | None) -> None:
    if url is not None:
        raise BadInput("--server", "--data: this command is about the machine on which it runs", url)


_no_server = option("--server", hidden=True, expose_value=False, callback=_refuse_server)


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--data: the command gets it as `root`. It has no --server, and says so."""
    decorated: Callable[..., Any] = _data_option(_no_server(command))
    return decorated
