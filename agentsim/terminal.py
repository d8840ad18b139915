"""What the commands share of the terminal: options and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table as RichTable

from distd.core.records import Dialect

if TYPE_CHECKING:
    from agentsim.page import Table

dialects_option = click.option(
    "--dialect",
    "dialects",
    multiple=True,
    default=("unix",),
    show_default=True,
    metavar="NAME[=SHARE]",
    help=f"{', '.join(Dialect)}; again for a mix.",
)


def for_terminal(table: Table) -> RichTable:
    """The first column is to the left, the others to the right."""
    drawn = RichTable(title=table.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, name in enumerate(table.columns):
        drawn.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*row)
    return drawn
