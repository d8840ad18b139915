"""What the commands share: an option, tables on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table as RichTable

from distd.domain.records import Dialect
from distd.terminal.program import option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from distd.report.page import Table

WIDTH_IN_PIPE: Final = 220  # where stdout is no terminal
MAX_WIDTH: Final = 10_000

dialects_option = option(
    "--dialect",
    "dialects",
    multiple=True,
    default=("unix",),
    show_default=True,
    metavar="NAME[=SHARE]",
    help=f"{', '.join(Dialect)}; repeatable, for a mix.",
)


def show(tables: Iterable[Table]) -> None:
    """Print tables. One that is wider than the terminal is turned, where that makes it narrower."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH_IN_PIPE, highlight=False, soft_wrap=True)
    for table in tables:
        drawn = _drawn(table)
        if 0 < len(table.rows) < len(table.columns) and _columns(console, drawn) > console.width:
            drawn = _drawn(table.turned())
        console.print(drawn)
        console.print()


def _columns(console: Console, drawn: RichTable) -> int:
    return console.measure(drawn, options=console.options.update_width(MAX_WIDTH)).maximum


def _drawn(table: Table) -> RichTable:
    """The first column is to the left, the others to the right."""
    drawn = RichTable(
        title=table.title,
        title_justify="left",
        title_style="bold",
        caption=table.note or None,
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    for number, name in enumerate(table.columns):
        drawn.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*row)
    return drawn
