"""What dynamic groups cost: inventories and contacts with 200 of them, beside the same without any.

The two catalogues begin as copies of one and are asked in turn, round by round. `python -m loadtests.groups`.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from agentsim.report.terminal import show
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.domain.actor import SYSTEM
from distd.domain.page import Window
from distd.origin.groups import groups
from distd.origin.groups.groups import NewComputerGroup
from loadtests.inventories import PROLOG_BATCH, InventoryBench
from loadtests.results import finish, goal_row, goal_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distd.catalogue.engine import Catalogue
    from distd.report.page import Table
    from loadtests.inventories import Rate

GOAL_PERCENT: Final = 25
UNCHANGED: Final = ("INVENTORY, unchanged", "PROLOG")  # hardly anything is judged
# By these in turn, with the number of the group in the place of {n} and {m}.
FILTERS: Final = (
    'tag = "room {n}"',
    'os ~ "windows*" AND memory >= {m}GiB',
    'software("*{n}*")',
    'name ~ "*{n}" AND NOT software("*{m}*")',
    'software("*office*", version < "{n}.{m}") AND NOT tag = "room {m}"',
    "ip in 10.{m}.0.0/16",
    'disk_free < {n}GiB OR model ~ "*{m}*"',
    'group("group {n}") AND os ~ "windows*"',
)


def make_groups(catalogue: Catalogue, count: int) -> float:
    """So many dynamic groups; gives the seconds that the last one took, with its members."""
    took_s = 0.0
    for number in range(count):
        text = FILTERS[number % len(FILTERS)].format(n=max(number - 1, 0), m=number % 16 + 1)
        began_s = time.perf_counter()
        with catalogue.write() as conn:
            groups.create(conn, SYSTEM, NewComputerGroup(f"group {number}", "", text), time.time())
        took_s = time.perf_counter() - began_s
    return took_s


def count_members(catalogue: Catalogue, count: int) -> int:
    """Memberships in all groups together."""
    with catalogue.read() as conn:
        return sum(each.members for each in groups.list_groups(conn, SYSTEM, None, Window(count)).items)


def measure(benches: Sequence[InventoryBench], count: int, sample: int, rounds: int) -> list[Table]:
    """`benches`: without groups and with them."""
    drawn = range(0, count, max(1, count // sample))
    found: dict[str, tuple[list[float], list[float]]] = {}
    for bench in benches:  # the first inventories, of which nothing is known
        bench.post(bench.bodies(drawn))
    for number in range(rounds):
        for name, round_ in _cases(drawn, number, rounds):
            kept = found.setdefault(name, ([], []))
            for bench, cpu_us in zip(benches, kept, strict=True):
                cpu_us.append(round_(bench).cpu_us)
    rows = []
    for name, (without, beside) in found.items():
        before, after = statistics.median(without), statistics.median(beside)
        percent = 100 * (1 - before / after)
        goal = "" if name in UNCHANGED else f"≤ {GOAL_PERCENT} % of the rate"
        is_met = percent <= GOAL_PERCENT if goal else None
        rows.append(
            goal_row(name, f"{before:,.0f} → {after:,.0f} µs of CPU each: {percent:+.0f} % of the rate", goal, is_met)
        )
    return [goal_table(f"Without groups → with them: {benches[0].sizes()}", rows)]


def _cases(drawn: Sequence[int], number: int, rounds: int) -> list[tuple[str, Callable[[InventoryBench], Rate]]]:
    """What is posted in this round, in this order."""

    def inventories(bench: InventoryBench, name: int, software: int) -> Rate:
        return bench.post(bench.bodies(drawn, name=name, software=software))

    other = number % 2 + 1
    return [
        ("INVENTORY, all lines of software changed", partial(inventories, name=0, software=other)),
        ("INVENTORY, as if of another computer", partial(inventories, name=number + 1, software=3 - other)),
        ("INVENTORY, all but the software changed", partial(inventories, name=rounds + number + 1, software=3 - other)),
        ("INVENTORY, unchanged", partial(inventories, name=rounds + number + 1, software=3 - other)),
        ("PROLOG", lambda bench: bench.post(bench.prologs(drawn), PROLOG_BATCH)),
    ]


@click.command()
@click.option("--computers", "count", default=100_000, show_default=True, type=click.IntRange(100))
@click.option("--groups", "group_count", default=200, show_default=True, type=click.IntRange(1, groups.MAX_GROUPS))
@click.option("--lines", default=150, show_default=True, type=click.IntRange(1, 3000), help="Of software in each.")
@click.option("--sample", default=1600, show_default=True, type=click.IntRange(64))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 20))
def main(count: int, group_count: int, lines: int, sample: int, rounds: int) -> None:
    """Inventories and PROLOGs in one process, without HTTP, with and without dynamic groups."""
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as made:
        plain, grouped = Path(made) / "plain.db", Path(made) / "grouped.db"
        create_catalogue(plain)
        with open_catalogue(plain) as catalogue:
            InventoryBench(catalogue, lines).fill(range(count))
        shutil.copyfile(plain, grouped)
        with open_catalogue(plain) as without, open_catalogue(grouped) as beside:
            took_s = make_groups(beside, group_count)
            tables = measure([InventoryBench(each, lines) for each in (without, beside)], count, sample, rounds)
            what = f"{group_count:,} dynamic groups have {count_members(beside, group_count):,} memberships"
            tables.append(goal_table(what, [goal_row("the last one was made in", f"{took_s:.2f} s", "", None)]))
    show(tables)
    finish(tables)


if __name__ == "__main__":
    main()
