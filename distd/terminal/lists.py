"""Lists on a terminal, in a pipe, as CSV and as JSON: one page, whose end says how much more there is.

On a terminal a row is one line: columns that are empty in all rows are left out, then those of the highest rank until
the rest fits. What names the row is never cut. In a pipe nothing is left out for want of room.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict, dataclass, fields
from functools import wraps
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import click
from rich.cells import cell_len, set_cell_size

from distd.domain.page import EVERYTHING, Window
from distd.domain.spreadsheet import csv_head, csv_lines
from distd.domain.visible import visible
from distd.terminal.output import print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

DEFAULT_LIMIT: Final = 50
GAP: Final = "  "
GOOD_CUT: Final = 24  # cells: columns are cut so far before any is left out,
MIN_CUT: Final = 12  # and so far when no more can be left out


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """`rank` 0: it names the row, so it is never left out or cut; the higher, the sooner it is left out.

    `cut`: it may be cut.
    """

    title: str
    text: Callable[[T], str | None]
    rank: int = 0
    cut: bool = False
    right: bool = False


@dataclass(frozen=True, slots=True)
class ListOptions:
    """How a list is asked for, and how it is printed."""

    limit: int
    everything: bool
    wide: bool
    as_csv: bool
    as_json: bool

    @property
    def window(self) -> Window:
        """The page that is asked for."""
        return EVERYTHING if self.everything else Window(self.limit)


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--limit, --all, --wide, --csv and --json: the command gets them as the argument `listing`, a `ListOptions`."""

    @wraps(command)
    def with_listing(**values: Any) -> Any:
        options = ListOptions(**{field.name: values.pop(field.name) for field in fields(ListOptions)})
        return command(listing=options, **values)

    decorated: Callable[..., Any] = with_listing
    for option in (
        click.option("--json", "as_json", is_flag=True, help='Print JSON: {"items": […], "next": …, "total": n}.'),
        click.option("--csv", "as_csv", is_flag=True, help="Print CSV with all fields, for spreadsheets."),
        click.option("--wide", is_flag=True, help="All columns, whole, however long the lines get."),
        click.option("--all", "everything", is_flag=True, help="All rows."),
        click.option(
            "--limit",
            metavar="ROWS",
            default=DEFAULT_LIMIT,
            show_default=True,
            type=click.IntRange(1, 10_000_000),
            help="At most so many rows.",
        ),
    ):
        decorated = option(decorated)
    return decorated


class Listed(Protocol[T_co]):
    """A page of a list: `domain.page.Page`, or what has the same."""

    @property
    def items(self) -> Sequence[T_co]:
        """The rows."""

    @property
    def next(self) -> str | None:
        """The cursor of the page that follows."""

    @property
    def total(self) -> int:
        """How many rows the list has."""


def print_list(
    page: Listed[T], columns: Sequence[Column[T]], listing: ListOptions, nothing: str, *, is_exact: bool | None = None
) -> None:
    """Print a page as it was asked for; `nothing` is the sentence for people when it is empty. `is_exact`: its total
    was counted, and is no estimate; None: as it always is in this list."""
    if listing.as_json:
        more = {} if is_exact is None else {"is_exact": is_exact}
        print_json({"items": page.items, "next": page.next, "total": page.total, **more})
        return
    if listing.as_csv:
        click.echo(_csv(page.items), nl=False)
    elif page.items:
        lines, left_out = _table(page.items, columns, None if listing.wide else terminal_width())
        for line in lines:
            click.echo(line)
        if left_out:
            click.echo(f"Not shown for want of room: {', '.join(left_out)}; --wide shows them.", err=True)
    else:
        click.echo(nothing)
    if len(page.items) < page.total:
        about = "about " if is_exact is False else ""
        click.echo(f"{len(page.items):,} of {about}{page.total:,}; --all shows the rest.", err=True)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]], nothing: str) -> None:
    """A short table of which nothing is left out, or the sentence `nothing` when there are no rows."""
    found = [["" if cell is None else str(cell) for cell in row] for row in rows]
    columns = [Column(title, itemgetter(place)) for place, title in enumerate(titles)]
    for line in table_lines(found, columns, None) if found else [nothing]:
        click.echo(line)


def format_number(number: float) -> str:
    """For a column of counters: nothing for 0."""
    return f"{number:,}" if number else ""


def terminal_width() -> int | None:
    """The cells of a line of the terminal; None in a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table_lines(items: Sequence[T], columns: Sequence[Column[T]], width: int | None) -> list[str]:
    """The lines of a table, a head and one an item, of at most `width` cells; None: as wide as it gets."""
    return _table(items, columns, width)[0]


def _table(items: Sequence[T], columns: Sequence[Column[T]], width: int | None) -> tuple[list[str], list[str]]:
    """Its lines, and the titles of the columns that are left out."""
    cells = [[visible(column.text(item) or "") for item in items] for column in columns]
    used = [index for index, texts in enumerate(cells) if any(texts) or columns[index].rank == 0]
    widths = {index: max(map(cell_len, (columns[index].title, *cells[index]))) for index in used}
    if width is not None:
        _fit(widths, columns, width)
    heads = {index: [columns[index].title, *cells[index]] for index in widths}
    lines = [
        GAP.join(_pad(heads[index][row], widths[index], right=columns[index].right) for index in widths).rstrip()
        for row in range(len(items) + 1)
    ]
    return lines, [columns[index].title for index in used if index not in widths]


def _fit(widths: dict[int, int], columns: Sequence[Column[Any]], width: int) -> None:
    """Cut what may be cut, and leave out columns, until the rest fits."""
    _cut(widths, columns, width, GOOD_CUT)
    while _excess(widths, width) > 0:
        leaving = max(widths, key=lambda index: columns[index].rank)
        if columns[leaving].cut and widths[leaving] > MIN_CUT:
            _cut(widths, columns, width, MIN_CUT)
        elif columns[leaving].rank == 0:
            return
        else:
            del widths[leaving]


def _cut(widths: dict[int, int], columns: Sequence[Column[Any]], width: int, floor: int) -> None:
    """Cut the widest first, down to `floor`."""
    for index in sorted((index for index in widths if columns[index].cut), key=widths.__getitem__, reverse=True):
        widths[index] -= max(0, min(_excess(widths, width), widths[index] - floor))


def _excess(widths: dict[int, int], width: int) -> int:
    """By how many cells a line would be too long."""
    return sum(widths.values()) + len(GAP) * (len(widths) - 1) - width


def _pad(text: str, width: int, *, right: bool) -> str:
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1).rstrip() + "…"
    space = " " * (width - length)
    return space + text if right else text + space


def _csv(items: Iterable[Any]) -> str:
    rows = [item if isinstance(item, dict) else asdict(item) for item in items]
    return csv_text(rows, with_head=True)


def csv_text(rows: Sequence[Mapping[str, Any]], *, with_head: bool) -> str:
    """Rows that have the same names, as CSV; on a terminal their texts are made visible."""
    if not rows:
        return ""
    if sys.stdout.isatty():
        rows = [{name: visible(text) if isinstance(text, str) else text for name, text in row.items()} for row in rows]
    names = list(rows[0])
    return (csv_head(names) if with_head else "") + csv_lines(names, rows)
