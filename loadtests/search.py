"""`make bench-search`: what searching 100,000 computers with 8 million rows of software takes, on SQLite and on
PostgreSQL, beside the same searches on a MariaDB with OCS Inventory's tables and the same computers.

The first page (100 computers) in two orders, counting all that are found, and both, as lists show them. Each round
asks every database one after the other; shown are the medians of the rounds, and of the ratios in each.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import click
from pymysql.constants.ER import STATEMENT_TIMEOUT
from pymysql.cursors import DictCursor
from pymysql.err import OperationalError

from agentsim.report.terminal import show
from distd.catalogue.dialect.postgresql import PostgresqlDatabase
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.domain.filters.parse import parse
from distd.domain.page import Window
from distd.origin.computers.search import Search, count, read_part, read_sort, search
from distd.report.page import Table
from loadtests import ocs_site
from loadtests.ocs_search import FOUND_ROWS
from loadtests.results import NOT_MET, finish, publish, verdict
from loadtests.search_cases import CASES
from loadtests.searched_site import NOW_S, copy_pairs, fill
from tests.programs import mariadb
from tests.programs.postgresql import running_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from loadtests.ocs_search import OcsSearch
    from loadtests.search_cases import SearchCase
    from loadtests.searched_site import SearchedSite

    Open = Callable[[], AbstractContextManager[Connection]]

TITLE: Final = "Searching computers, beside OCS's tables on MariaDB"
ROUNDS: Final = 7
PAGE: Final = Window(100)
PAGE_MS: Final = 50.0
COUNT_MS: Final = 300.0
LISTED: Final = "page by device_id with count, as OCS's list"
BY_DEVICE_ID: Final = "hardwareDEVICEID asc"
BY_LAST_CONTACT: Final = "hardwareLASTCOME desc"
KINDS: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
OCS: Final = "MariaDB"
OCS_OPTIONS: Final = ("--innodb-buffer-pool-size=3G", "--innodb-log-file-size=512M")  # all of it stays in memory
OCS_CASE_S: Final = 20.0  # a question that took so long in all is not asked again
OCS_LIMIT_S: Final = 60.0  # a statement that takes longer is broken off


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a search: `ask` asks distd, `ocs` gives the statements of OCS. `goal_ms`: None: no goal."""

    name: str
    ask: Callable[[Connection, SearchCase], object]
    ocs: Callable[[OcsSearch], Sequence[str]]
    goal_ms: float | None = None


def _asked(case: SearchCase, sort: str = "device_id") -> Search:
    return Search(NOW_S, parse(case.text), read_sort(sort))


QUESTIONS: Final = (
    Question(
        "first page by device_id",
        lambda conn, case: read_part(conn, _asked(case), PAGE),
        lambda ocs: [ocs.page(BY_DEVICE_ID, PAGE.limit, counted=False)],
        PAGE_MS,
    ),
    Question(
        "first page by -last_contact",
        lambda conn, case: read_part(conn, _asked(case, "-last_contact"), PAGE),
        lambda ocs: [ocs.page(BY_LAST_CONTACT, PAGE.limit, counted=False)],
        PAGE_MS,
    ),
    Question("count", lambda conn, case: count(conn, _asked(case)), lambda ocs: [ocs.count()], COUNT_MS),
    Question(
        LISTED,
        lambda conn, case: search(conn, _asked(case), PAGE),
        lambda ocs: [ocs.page(BY_DEVICE_ID, PAGE.limit, counted=True), FOUND_ROWS],
    ),
)


@dataclass(frozen=True, slots=True)
class Searched:
    """A filled catalogue of distd."""

    name: str
    opened: Open
    site: SearchedSite


class OcsDatabase:
    """A filled database of OCS, by a connection to it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def page_and_count(self, case: SearchCase) -> tuple[list[str], int]:
        """The DEVICEIDs of the first page in their order, and how many are found, however long that takes."""
        with self._connection.cursor(DictCursor) as cursor:
            cursor.execute(case.ocs.page(BY_DEVICE_ID, PAGE.limit, counted=True))
            page = [row["hardwareDEVICEID"] for row in cursor.fetchall()]
            cursor.execute(FOUND_ROWS)
            return page, next(iter(cursor.fetchone().values()))

    def time_s(self, statements: Sequence[str]) -> float:
        """What the statements take with reading all that they give; `OCS_LIMIT_S` where it would be more."""
        began_s = time.perf_counter()
        with self._connection.cursor() as cursor:
            for statement in statements:
                try:
                    cursor.execute(f"SET STATEMENT max_statement_time = {OCS_LIMIT_S} FOR {statement}")
                except OperationalError as error:
                    if error.args[0] != STATEMENT_TIMEOUT:
                        raise
                    return OCS_LIMIT_S
                cursor.fetchall()
        return time.perf_counter() - began_s


class Bench:
    """What is searched, and the times so far: seconds by the case's filter, the question and the database's name.
    `ocs` None: there is none."""

    def __init__(self, catalogues: Sequence[Searched], ocs: OcsDatabase | None) -> None:
        self.catalogues = catalogues
        self.ocs = ocs
        self.found: dict[str, int] = {}
        self.differing: dict[str, str] = {}  # what was found, where not all found the same computers
        self.times_s: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)

    def measure(self, rounds: int) -> None:
        """All of it."""
        for case in CASES:
            self._check(case)
        for _ in range(rounds):
            for case in CASES:
                for question in QUESTIONS:
                    self._ask(case, question)

    def _check(self, case: SearchCase) -> None:
        """All databases find the same number of computers, and the same ones on the first page."""
        answers = {}
        for each in self.catalogues:
            with each.opened() as conn:
                found, _ = count(conn, _asked(case), clock=lambda: 0.0)
                page: Any = read_part(conn, _asked(case), PAGE)[0]
                answers[each.name] = (found, [computer.device_id for computer in page])
        if self.ocs is not None:
            began_s = time.perf_counter()
            page, found = self.ocs.page_and_count(case)
            answers[OCS] = (found, page)
            taken_s = time.perf_counter() - began_s
            if taken_s >= OCS_CASE_S:  # once is enough
                self.times_s[case.text, LISTED, OCS].append(taken_s)
        first, *others = answers.values()
        self.found[case.text] = first[0]
        if any(other != first for other in others):
            self.differing[case.text] = ", ".join(f"{found:,} on {name}" for name, (found, _) in answers.items())

    def _ask(self, case: SearchCase, question: Question) -> None:
        for each in self.catalogues:
            with each.opened() as conn:
                began_s = time.perf_counter()
                question.ask(conn, case)
                self.times_s[case.text, question.name, each.name].append(time.perf_counter() - began_s)
        taken_s = self.times_s[case.text, question.name, OCS]
        if self.ocs is not None and sum(taken_s) < OCS_CASE_S:
            taken_s.append(self.ocs.time_s(question.ocs(case.ocs)))

    def table(self, searched: Searched) -> Table:
        """What searching took on one of the catalogues, and beside it on OCS's database."""
        rows = []
        for case in CASES:
            for question in QUESTIONS:
                ours_s = self.times_s[case.text, question.name, searched.name]
                ocs_s = self.times_s[case.text, question.name, OCS]
                rows.append([f"{case.text}: {self._named(case, question)}", *_cells(ours_s, ocs_s, question.goal_ms)])
            if case.text in self.differing:
                rows.append([case.text, self.differing[case.text], "", "", "the same computers", NOT_MET])
        site = searched.site
        title = f"Searches on {searched.name}: {site.computers:,} computers, {site.installed:,} rows of software"
        columns = ("search", "distd", "OCS's tables on MariaDB", "MariaDB to distd", "goal", "")
        note = (
            "Ratios are of the same rounds: median, lowest, highest."
            if self.ocs is not None
            else "MariaDB was not there to be measured beside: see `.ci/debian-packages bench`."
        )
        return Table(title, columns, rows, note)

    def _named(self, case: SearchCase, question: Question) -> str:
        return f"count of {self.found[case.text]:,}" if question.name == "count" else question.name


def _cells(ours_s: Sequence[float], ocs_s: Sequence[float], goal_ms: float | None) -> list[str]:
    ours_ms = 1000 * median(ours_s)
    cells = [f"{ours_ms:.1f} ms", "", ""]
    if ocs_s and max(ocs_s) >= OCS_LIMIT_S:
        cells[1:] = [f"more than {OCS_LIMIT_S:.0f} s", f"more than {OCS_LIMIT_S / median(ours_s):,.0f}"]
    elif ocs_s:
        ratios = [ocs / ours for ocs, ours in zip(ocs_s, ours_s, strict=False)]
        cells[1:] = [
            f"{1000 * median(ocs_s):,.1f} ms",
            f"{median(ratios):,.1f} ({min(ratios):,.1f}–{max(ratios):,.1f})",
        ]
    return [*cells, *(("", "") if goal_ms is None else (f"at most {goal_ms:.0f} ms", verdict(ours_ms <= goal_ms)))]


@contextmanager
def _filled(database: str, computers: int) -> Iterator[Searched]:
    """A catalogue with so many computers, on `KINDS` or in the empty PostgreSQL database of this URL."""
    with ExitStack() as stack:
        if database == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="distd-search-"))
            place: Path | PostgresqlDatabase = Path(folder) / "catalogue.db"
        elif database == "postgresql":
            cluster = stack.enter_context(running_cluster(durable=True))
            place = cluster.database(cluster.create_database())
        else:
            place = PostgresqlDatabase(database)
        create_catalogue(place)
        catalogue = stack.enter_context(open_catalogue(place))
        site = fill(catalogue.write, computers, None if isinstance(place, Path) else copy_pairs)
        yield Searched(KINDS.get(database, KINDS["postgresql"]), catalogue.read, site)


@contextmanager
def _ocs_site(computers: int) -> Iterator[OcsDatabase]:
    """OCS's database of so many computers."""
    with mariadb.running_mariadb(OCS_OPTIONS) as server, closing(server.connect()) as connection:
        ocs_site.fill(connection, server.folder, computers)
        yield OcsDatabase(connection)


def tables(databases: Sequence[str], computers: int, rounds: int, *, with_ocs: bool = True) -> list[Table]:
    """A table for each of the databases: names of `KINDS`, or URLs of empty PostgreSQL databases. OCS's is beside them
    where MariaDB is installed, unless it is not wanted."""
    with ExitStack() as stack:
        catalogues = [stack.enter_context(_filled(each, computers)) for each in databases]
        is_there = with_ocs and mariadb.executable() is not None
        bench = Bench(catalogues, stack.enter_context(_ocs_site(computers)) if is_there else None)
        bench.measure(rounds)
        return [bench.table(each) for each in catalogues]


@click.command()
@click.option("--computers", default=100_000, show_default=True, type=click.IntRange(1000))
@click.option("--rounds", default=ROUNDS, show_default=True, type=click.IntRange(1))
@click.option(
    "--database",
    "databases",
    multiple=True,
    default=tuple(KINDS),
    show_default=True,
    help="sqlite, postgresql (a throw-away one), or the URL of an empty PostgreSQL database. May be repeated.",
)
@click.option("--without-ocs", is_flag=True, help="Leave out MariaDB.")
@click.option("--show", "only_show", is_flag=True, help="Write nothing: to try it.")
def main(computers: int, rounds: int, databases: tuple[str, ...], without_ocs: bool, only_show: bool) -> None:
    """Searches on distd's catalogue and on OCS's tables."""
    found = tables(databases, computers, rounds, with_ocs=not without_ocs)
    if only_show:
        show(found)
    else:
        publish(
            "search",
            "Searching computers, beside OCS's tables on MariaDB",
            "make bench-search",
            found,
            programs=["MariaDB"],
        )
    finish(found)


if __name__ == "__main__":
    main()
