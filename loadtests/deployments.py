"""`make bench-deployments`: assigning to very many computers, and a package that very many have.

The counters of a package are kept in a table; beside that they are counted, as it would be without it.
"""

from __future__ import annotations

import random
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import click
import trio
from sqlalchemy import insert, select, update

from distd.catalogue import schema
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.domain.actor import SYSTEM
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind, Terms
from distd.domain.page import Window
from distd.domain.results import Outcome
from distd.domain.rollout_plan import RolloutLimits, RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig
from distd.origin.deployments import acts, assignments, result_list, rollout_advance, rollout_choice, rollouts
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.deployments.rollouts import NewRollout
from distd.origin.deployments.statistics import show_statistics
from distd.origin.packages import counters, overview, packages
from distd.origin.packages.overview import WantedPackages
from loadtests import downloads
from loadtests.results import finish, goal_row, goal_table, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue
    from distd.origin.deployments.rollout_choice import RolloutChoice

NOW_S: Final = 1_700_000_000.0
PACKAGES: Final = [str(1_700_000_000 + number) for number in range(50)]
ROUNDS: Final = 9
CONFIG: Final = DownloadConfig()
DOWNLOADING_S: Final = 30
MANY: Final = 50_000  # that are assigned a package at once
# Of the computers of the large package; the rest waits.
STATES: Final = {
    (Outcome.SUCCESS, "SUCCESS"): 60,
    (Outcome.DOWNLOADING, None): 10,
    (Outcome.FAILED, "ERR_EXECUTE"): 5,
    (Outcome.FAILED, "EXIT_CODE_1603"): 5,
}


def measure(catalogue: Catalogue, computers: int) -> list[list[str]]:
    """Rows of goals."""
    names = _fill(catalogue, computers)
    rows = []
    for what, device_ids in ((f"assign to {MANY:,} computers", names[:MANY]), ("… the others", names[MANY:])):
        request = AssignmentRequest(PACKAGES[0], device_ids, Terms(), skip_had=True)
        passed_s = _timed(catalogue.write, partial(assignments.assign, actor=SYSTEM, request=request, now_s=NOW_S))
        is_goal = len(device_ids) == MANY
        goal = ("≤ 5", passed_s <= 5) if is_goal else ()
        rows.append(goal_row(f"{what} ({len(device_ids):,}), s", f"{passed_s:.2f}", *goal))
    tried = AssignmentRequest(PACKAGES[1], names, Terms(), skip_had=True)
    rows.append(_row(catalogue, "what-if for all of them", partial(assignments.preview, request=tried, now_s=NOW_S), 1))
    all_have = AssignmentRequest(PACKAGES[0], names[:1], Terms(), skip_had=True)
    waits = AssignmentRequest(PACKAGES[1], names[:1], Terms(after=PACKAGES[0]), skip_had=True)
    for what, request in (("that all have", all_have), ("that waits for that", waits)):
        read = partial(assignments.preview, request=request, now_s=NOW_S)
        rows.append(_row(catalogue, f"what-if for one computer, of a package {what}", read))
    _spread(catalogue)
    page_ms = _median_ms(catalogue, partial(overview.show, package_id=PACKAGES[0]))
    rows.append(goal_row("the page of the package, ms", f"{page_ms:.2f}", "≤ 30", page_ms <= 30))
    listing = partial(overview.list_packages, wanted=WantedPackages(), window=Window(50))
    rows.append(_row(catalogue, "the list of 50 packages", listing))
    count_one, count_all = (partial(_count, package_ids=ids) for ids in (PACKAGES[:1], PACKAGES))
    rows.append(_row(catalogue, "the same numbers by counting", count_one))
    rows.append(_row(catalogue, "… of all packages", count_all, 1))
    rows.append(_row(catalogue, "all statistics", partial(show_statistics, package_id=PACKAGES[0])))
    failed = partial(result_list.results, package_id=PACKAGES[0], states=[Outcome.FAILED], window=Window(50))
    rows.append(_row(catalogue, "the first 50 failures", failed))
    again = partial(
        acts.renotify,
        actor=SYSTEM,
        package_id=PACKAGES[0],
        chosen=ChosenAssignments([Outcome.FAILED]),
        now_s=NOW_S,
    )
    rows.append(goal_row("notify all failures again, s", f"{_timed(catalogue.write, again):.2f}"))
    rows += _rollout_rows(catalogue)
    with catalogue.write() as conn:
        wrong = counters.recount_all(conn)
    rows.append(goal_row("counters that are wrong then", str(len(wrong)), "0", not wrong))
    return rows


def _rollout_rows(catalogue: Catalogue) -> list[list[str]]:
    """A roll-out of a package to all computers: what making it, starting it and one look at it cost readers, and the
    writer. In CPU time, as others may run beside."""
    plan = RolloutPlan((WavePlan(WaveBy.NUMBER, "2000", "pilot"), WavePlan(WaveBy.REST)), RolloutLimits(50_000))
    new = NewRollout("bench", PACKAGES[12], AssignmentOrigin(OriginKind.FILTER), plan)
    rollout_id, read, held = _began(catalogue, new)
    find = partial(rollout_advance.find_due, rollout_id=rollout_id, now_s=NOW_S, config=CONFIG)
    looked, written = [], []
    while True:
        begun_s = time.perf_counter()
        with catalogue.read() as conn:
            due = find(conn)
        looked.append(time.perf_counter() - begun_s)
        if due is None:
            break
        work = partial(rollout_advance.advance_due, due=due, now_s=NOW_S, config=CONFIG)
        written.append(_timed(catalogue.write, work))
    return [
        goal_row("a roll-out to all: choosing them twice, beside the writer, CPU ms", _all_ms(read)),
        goal_row("… making, starting it in the writer: the longest transaction, CPU ms", f"{1000 * max(held):.0f}"),
        goal_row(f"… all {len(held)} transactions of that, CPU ms", _all_ms(held)),
        goal_row("… counting its waves, beside the writer, ms", f"{1000 * median(looked):.0f}"),
        goal_row("… a step that assigns it to 2,000, in the writer, ms", f"{1000 * median(written):.0f}"),
    ]


def _began(catalogue: Catalogue, new: NewRollout) -> tuple[int, list[float], list[float]]:
    """Make and start it, and open its second wave, as an operator's requests do; gives its id, the CPU time, in s, of
    each look by a reader and of each transaction in the writer."""
    read, held = list[float](), list[float]()

    def do(work: Callable[[Connection], Any], *, writes: bool) -> Any:
        with catalogue.write() if writes else catalogue.read() as conn:
            begun_s = time.process_time()
            done = work(conn)
        (held if writes else read).append(time.process_time() - begun_s)
        return done

    def fill(choice: RolloutChoice) -> None:
        find = partial(rollout_choice.find_parts, name=new.name, choice=choice)
        revision, parts = do(find, writes=False)
        for part in parts:
            take = partial(rollout_choice.take_part, name=new.name, part=part, revision=revision)
            revision = do(take, writes=True)

    choice = do(partial(rollouts.choose, actor=SYSTEM, new=new, now_s=NOW_S), writes=False)
    made = do(partial(rollouts.create, actor=SYSTEM, new=new, now_s=NOW_S, choice=choice), writes=True)
    fill(choice)
    fill(do(partial(rollout_choice.choose_anew, name=new.name, now_s=NOW_S), writes=False))
    for what in (RolloutAct.START, RolloutAct.OPEN_WAVE):
        counted = do(partial(rollouts.count_for_act, name=new.name, now_s=NOW_S, config=CONFIG), writes=False)
        work = partial(rollouts.act, actor=SYSTEM, name=new.name, what=what, now_s=NOW_S, config=CONFIG)
        do(partial(work, counted=counted), writes=True)
    return made.id, read, held


def _all_ms(found: Sequence[float]) -> str:
    return f"{1000 * sum(found):.0f}"


def _fill(catalogue: Catalogue, count: int) -> list[str]:
    """Computers of 50 tags and subnets; the packages."""
    names = [f"pc{number:06}-2026-01-01-00-00-00" for number in range(count)]
    at_us = schema.micros(NOW_S)
    with catalogue.write() as conn:
        rows = [
            {
                "device_id": name,
                "name": name[:8],
                "user_agent": "OCS-NG_WINDOWS_AGENT_v2.9.2.0",
                "os_name": "Microsoft Windows 11 Pro",
                "tag": f"site {number % 50}",
                "subnets": f"10.0.{number % 200}.0",
                "first_seen_at_us": at_us,
                "last_seen_at_us": at_us,
            }
            for number, name in enumerate(names)
        ]
        conn.execute(insert(schema.computers), rows)
        for package_id in PACKAGES:
            row: dict[str, Any] = {"id": package_id, "name": package_id, "os": "WINDOWS", "action": "STORE"}
            row |= {"target": "x", "priority": 5, "fragments": 3, "size_bytes": 10, "md5": "", "created_at_us": at_us}
            conn.execute(insert(schema.packages).values(**row))
            packages.activate(conn, SYSTEM, package_id, None, None, NOW_S)
    return names


def _spread(catalogue: Catalogue) -> None:
    """The computers of the large package over the states; ten other packages have the same."""
    draw = random.Random(1)
    with catalogue.write() as conn:
        ids = list(conn.scalars(select(schema.assignments.c.id)))
        draw.shuffle(ids)
        for (state, code), percent in STATES.items():
            some, ids = ids[: len(ids) * percent // 100], ids[len(ids) * percent // 100 :]
            values = {"state": state, "result": code, "notified_at_us": 1, "result_at_us": None if code is None else 2}
            for start in range(0, len(some), 10_000):
                of_these = schema.assignments.c.id.in_(some[start : start + 10_000])
                conn.execute(update(schema.assignments).where(of_these).values(**values))
        for package_id in PACKAGES[2:12]:
            kept = ("computer_id", "force", "schedule", "postcmd", "assigned_at_us", "state", "result", "result_at_us")
            columns = [schema.assignments.c[name] for name in kept]
            mine = select(*columns).where(schema.assignments.c.package_id == PACKAGES[0])
            rows = [row._asdict() | {"package_id": package_id} for row in conn.execute(mine)]
            conn.execute(insert(schema.assignments), rows)
        counters.recount_all(conn)


def _count(conn: Connection, package_ids: Sequence[str]) -> object:
    return counters.count_anew(conn, package_ids)


def _row(catalogue: Catalogue, what: str, read: Callable[[Connection], object], rounds: int = ROUNDS) -> list[str]:
    return goal_row(f"{what}, ms", f"{_median_ms(catalogue, read, rounds):.1f}")


def _median_ms(catalogue: Catalogue, read: Callable[[Connection], object], rounds: int = ROUNDS) -> float:
    return 1000 * median(_timed(catalogue.read, read) for _ in range(rounds))


def _timed(transaction: Callable[[], Any], work: Callable[[Connection], object]) -> float:
    begun_s = time.perf_counter()
    with transaction() as conn:
        work(conn)
    return time.perf_counter() - begun_s


@click.command()
@click.option("--computers", default=100_000, show_default=True, type=click.IntRange(MANY + 1), help="In all.")
@click.option("--folder", type=click.Path(path_type=Path), help="On the disk to be measured.  [default: /tmp]")
def main(computers: int, folder: Path | None) -> None:
    """Measure assignments and counters of very many computers."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        path = Path(made) / "catalogue.db"
        create_catalogue(path)
        with open_catalogue(path) as catalogue:
            rows = measure(catalogue, computers)
    title = (
        f"{computers:,} computers, a package that all of them have; ten more such packages; medians of {ROUNDS} rounds"
    )
    table = goal_table(title, rows)
    tables = [table, trio.run(downloads.measure, computers, DOWNLOADING_S)]
    publish("deployments", "Assignments and counters", "make bench-deployments", tables)
    finish(tables)


if __name__ == "__main__":
    main()
