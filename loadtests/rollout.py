"""`make bench-rollout`: a roll-out to 2,000 emulated agents halts by itself, goes on with the successor and ends, while
server and agents are killed 300 times."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import click
import trio

from loadtests.databases import DATABASES, new_site
from loadtests.results import finish, goal_row, goal_table, publish
from tests.programs import processes
from tests.programs.rolled_out_fleet import run_rolled_out_fleet

if TYPE_CHECKING:
    from distd.report.page import Table
    from tests.programs.rolled_out_fleet import RolledOut

SEED: Final = 21


def table_of(database: str, agents: int, found: RolledOut) -> Table:
    """What happened, as goals."""
    halted = found.halted
    share = f"{halted['failed']} of {halted['ended']} with a result, of {halted['members']}, in wave {halted['wave']}"
    is_halted = (halted["cause"], halted["wave"]) == ("errors", 2)
    turns = " → ".join(kind if wave is None else f"{kind} {wave}" for kind, wave in found.decisions)
    kills = f"{found.server_kills} of the server, {found.agent_kills} of agents"
    load = f"{found.contacts:,} contacts, {found.fetched:,} fragments, {found.reports:,} results"
    faults = "; ".join(found.faults) or "none"
    return goal_table(
        f"Roll-out to {agents:,} agents, {database}",
        [
            goal_row("kill -9", f"{kills}; {found.kills_before_end} before the roll-out had ended"),
            goal_row("what agents had acknowledged", load),
            goal_row("not acknowledged, so tried again", f"{found.failed_requests:,} requests"),
            goal_row("it halted by its errors", share, "≥ 5 %, wave 2", is_halted),
            goal_row("what was decided", turns, "ends FINISHED", found.decisions[-1] == ("FINISHED", None)),
            goal_row("successes whose fragments were sent just before a kill, so unproven", f"{found.unproven:,}"),
            goal_row("counters, events and agents differ in", faults, "none", not found.faults),
            goal_row("took", f"{found.took_s:.0f} s"),
        ],
    )


@click.command()
@click.option("--agents", default=2000, show_default=True, type=click.IntRange(40))
@click.option("--kills", default=300, show_default=True, type=click.IntRange(0), help="A third are of the server.")
@click.option("--seed", default=SEED, show_default=True, help="Of the moments.")
@click.option("--database", "databases", multiple=True, type=click.Choice(DATABASES), help="[default: sqlite]")
def main(agents: int, kills: int, seed: int, databases: tuple[str, ...]) -> None:
    """Roll out beside kills."""
    processes.FORKING = True  # no time is measured, and most of a start would be imports
    tables = []
    for database in databases or DATABASES[:1]:
        with new_site(database) as data:
            found = trio.run(partial(run_rolled_out_fleet, data, agents, kills, seed))
            tables.append(table_of(database, agents, found))
    publish("rollout", "A roll-out beside kills", "make bench-rollout", tables)
    finish(tables)


if __name__ == "__main__":
    main()
