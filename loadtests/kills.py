"""`make bench-kills`: a server on PostgreSQL, and one on SQLite, is killed 100 times at random moments under load."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import click
import trio

from loadtests.databases import DATABASES, new_site
from loadtests.results import finish, goal_row, goal_table, publish
from tests.programs import processes
from tests.programs.killed_server import run_kills

if TYPE_CHECKING:
    from distd.report.page import Table
    from tests.programs.killed_server import KillResult

SEED: Final = 19


def table_of(database: str, found: KillResult) -> Table:
    """What happened, as goals."""
    faults = "; ".join(found.faults) or "none"
    load = f"{found.contacts:,} contacts, {found.reports:,} reports, {found.notified:,} notifications"
    return goal_table(
        f"Killed {found.kills} times, {database}",
        [
            goal_row("acknowledged", load),
            goal_row("not acknowledged, so tried again", f"{found.failed:,} requests"),
            goal_row("events that were followed by number", f"{found.events:,}"),
            goal_row("lost reports, repeated notifications, skipped events", faults, "none", not found.faults),
        ],
    )


@click.command()
@click.option("--kills", default=100, show_default=True, type=click.IntRange(1), help="On each database.")
@click.option("--seed", default=SEED, show_default=True, help="Of the moments.")
@click.option("--database", "databases", multiple=True, type=click.Choice(DATABASES), help="[default: both]")
def main(kills: int, seed: int, databases: tuple[str, ...]) -> None:
    """Kill servers."""
    processes.FORKING = True  # no time is measured, and most of a start would be imports
    tables = []
    for database in databases or DATABASES:
        with new_site(database) as data:
            tables.append(table_of(database, trio.run(partial(run_kills, data, kills, seed))))
    publish("kills", "A server that is killed", "make bench-kills", tables)
    finish(tables)


if __name__ == "__main__":
    main()
