"""`make bench-search`: what searching 100,000 computers with 8 million rows of software takes.

The first page (100 computers) in two orders, and counting all that are found, beside the goals of the design.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import click
from sqlalchemy import create_engine

from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.catalogue.tables import metadata
from distd.domain.filters.parse import parse
from distd.domain.page import Window
from distd.origin.computers.search import Search, count, read_part, read_sort
from loadtests.results import finish, goal_row, goal_table, publish
from loadtests.searched_site import NOW_S, copy_pairs, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from loadtests.searched_site import SearchedSite

    Open = Callable[[], AbstractContextManager[Connection]]

ROUNDS: Final = 7
PAGE: Final = Window(100)
PAGE_MS: Final = 50.0
COUNT_MS: Final = 300.0
SORTS: Final = ("device_id", "-last_contact")
FILTERS: Final = (
    'os ~ "*windows*" memory >= 7GiB tag ~ "site 1*"',
    'os ~ "*windows*" software("*firefox*") NOT software("7-Zip*")',
    'os ~ "*windows*" software("*firefox*", version >= "110") NOT software("LibreOffice*")',
    'windows software("GeoGebra*") NOT software("PuTTY*")',
    'NOT software("*firefox*") NOT software("7-Zip*") memory < 8GiB',
    "ip in 10.17.0.0/16 last_contact > 7d cores >= 4",
    "eleve.17 last_contact < 30d",
)


def measure(opened: Open, rounds: int) -> list[list[str]]:
    """Rows of goals."""
    rows = []
    for text in FILTERS:
        tree = parse(text)
        for sort in SORTS:
            asked = Search(NOW_S, tree, read_sort(sort))
            page_ms = _median_ms(opened, partial(read_part, asked=asked, window=PAGE), rounds)
            rows.append(_row(f"{text}: first page by {sort}", page_ms, PAGE_MS))
        with opened() as conn:
            found, _ = count(conn, Search(NOW_S, tree))
        count_ms = _median_ms(opened, partial(count, asked=Search(NOW_S, tree)), rounds)
        rows.append(_row(f"{text}: counting {found:,}", count_ms, COUNT_MS))
    return rows


def _row(what: str, found_ms: float, goal_ms: float) -> list[str]:
    return goal_row(what, f"{found_ms:.1f} ms", f"at most {goal_ms:.0f} ms", found_ms <= goal_ms)


def _median_ms(opened: Open, call: Callable[[Connection], object], rounds: int) -> float:
    taken_s = []
    for _ in range(rounds):
        with opened() as conn:
            began_s = time.perf_counter()
            call(conn)
            taken_s.append(time.perf_counter() - began_s)
    return 1000 * median(taken_s)


@contextmanager
def _sqlite(folder: Path, computers: int) -> Iterator[tuple[Open, SearchedSite]]:
    path = folder / "catalogue.db"
    create_catalogue(path)
    with open_catalogue(path) as catalogue:
        site = fill(catalogue.write, computers)
        yield catalogue.read, site


@contextmanager
def _postgresql(url: str, computers: int) -> Iterator[tuple[Open, SearchedSite]]:
    engine = create_engine(url)
    for table in metadata.tables.values():
        for index in table.indexes:
            condition = index.dialect_options["sqlite"]["where"]
            index.dialect_options["postgresql"]["where"] = condition
    metadata.create_all(engine)
    try:
        yield engine.begin, fill(engine.begin, computers, copy_pairs)
    finally:
        engine.dispose()


@click.command()
@click.option("--computers", default=100_000, show_default=True)
@click.option("--rounds", default=ROUNDS, show_default=True)
@click.option("--database", help="The URL of an empty PostgreSQL database, to measure there.")
def main(computers: int, rounds: int, database: str | None) -> None:
    """Measure it."""
    with tempfile.TemporaryDirectory(prefix="distd-search-") as folder:
        at = _sqlite(Path(folder), computers) if database is None else _postgresql(database, computers)
        with at as (opened, site):
            rows = measure(opened, rounds)
    where = "SQLite" if database is None else "PostgreSQL"
    what = f"{site.computers:,} computers, {site.installed:,} rows of software"
    _publish(rows, where, what, f"make bench-search{'' if database is None else ' ARGS=--database URL'}")


def _publish(rows: Sequence[Sequence[str]], where: str, what: str, command: str) -> None:
    tables: list[Any] = [goal_table(what, rows)]
    publish(f"search-{where.lower()}", f"Searching computers, on {where}", command, tables)
    finish(tables)


if __name__ == "__main__":
    main()
