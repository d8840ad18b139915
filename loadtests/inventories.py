"""What inventories cost within one process, at 100,000 computers: all new, unchanged, changed; and PROLOGs beside.

Each figure is what one thread does in the way that a server does it: bodies are read, looked up, answered in
transactions of 32 and committed with an fsync. `python -m loadtests.inventories`.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
from sqlalchemy import bindparam, func, insert, select

from agentsim.fleet.computers import computer, inventory, user_agent
from agentsim.fleet.programs import programs
from agentsim.report.terminal import show
from distd.catalogue.dialect import many_rows
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.catalogue.schema import computers, installed, software
from distd.domain.addresses import address_key
from distd.domain.computer_facts import agent_columns
from distd.domain.folding import fold
from distd.domain.records import Dialect, PrologRequest
from distd.domain.section_digests import digest_of_values
from distd.domain.settings import settings_of
from distd.domain.versions import version_key
from distd.origin.agents import posts, requests
from distd.wire import ocs
from loadtests.results import finish, goal_row, goal_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agentsim.fleet.computers import EmulatedComputer
    from agentsim.fleet.programs import Program
    from distd.catalogue.engine import Catalogue
    from distd.report.page import Table

FILL: Final = 1000  # computers of one transaction
BATCH: Final = 32  # server.post_queues
PROLOG_BATCH: Final = 64  # as many as wait with so many connections
DIALECTS: Final = {Dialect.WINDOWS: 0.8, Dialect.UNIX: 0.2}
SETTINGS: Final = settings_of(
    {"agents.new_software_per_day": 0, "agents.new_per_address": 0, "agents.new_per_network": 0}
)
SEED: Final = 1


class Rate(NamedTuple):
    """How many posts a second were answered and committed, and the CPU time of one."""

    per_s: float
    cpu_us: float

    def __str__(self) -> str:
        return f"{self.per_s:,.0f} a second, CPU {self.cpu_us:,.0f} µs"


class InventoryBench:
    """A catalogue, and computers that post to it. `version` of a computer's inventory makes it another one."""

    def __init__(self, catalogue: Catalogue, lines: int) -> None:
        self._catalogue = catalogue
        self._lines = lines
        self._context = posts.ReplyContext(SETTINGS, b"k" * 32, "origin:80", "origin:443")
        self._limits = requests.ReadLimits.of_settings(SETTINGS)

    def fill(self, numbers: range) -> None:
        """Put these computers into the catalogue as their first inventories would, but for what is not searched."""
        ids: dict[Program, int] = {}
        for start in range(numbers.start, numbers.stop, FILL):
            senders = {number: computer(SEED, number, DIALECTS) for number in numbers[start : start + FILL]}
            lists = {number: programs(SEED, kind_of(sender), number, self._lines) for number, sender in senders.items()}
            with self._catalogue.write() as conn:
                conn.execute(insert(computers), [_row(sender) for sender in senders.values()])
                names = [sender.device_id for sender in senders.values()]
                keys = {row.device_id: row.id for row in conn.execute(_IDS, {"names": names})}
                for program in dict.fromkeys(program for listed in lists.values() for program in listed):
                    if program not in ids:
                        ids[program] = len(ids) + 1
                        conn.execute(insert(software), _software_row(program, ids[program]))
                pairs = [
                    (keys[senders[number].device_id], ids[each]) for number, listed in lists.items() for each in listed
                ]
                many_rows.insert_pairs(conn, installed, sorted(pairs))

    def bodies(self, numbers: Iterable[int], *, software: int = 0, name: int = 0) -> list[bytes]:
        """Inventories of these computers; with another `software` all lines are others, with another `name` none is."""
        found = []
        for number in numbers:
            sender = computer(SEED, number, DIALECTS)
            listed = programs(SEED + software, kind_of(sender), number, self._lines)
            history = (str(1_700_000_000 + name),)
            found.append(inventory(SEED + name, sender, history, listed))
        return found

    def prologs(self, numbers: Iterable[int]) -> list[bytes]:
        """A PROLOG of each computer."""
        return [ocs.write_request(PrologRequest(computer(SEED, number, DIALECTS).device_id)) for number in numbers]

    def post(self, bodies: list[bytes], batch: int = BATCH) -> Rate:
        """All of these bodies: medians of the batches."""
        agent, found = user_agent(Dialect.WINDOWS), []
        for some in _batched(bodies, batch):
            begun_s, begun_cpu_s = time.perf_counter(), time.thread_time()
            came = [requests.read(requests.Post(body, "127.0.0.1", agent, time.time()), self._limits) for body in some]
            with self._catalogue.read() as conn:
                looked_up = [each for each in requests.look_up(conn, came) if isinstance(each, requests.AgentRequest)]
            with self._catalogue.write() as conn:
                replies = posts.answer(conn, looked_up, self._context)
            cpu_us = (time.thread_time() - begun_cpu_s) / len(some) * 1e6
            found.append(Rate(len(some) / (time.perf_counter() - begun_s), cpu_us))
            assert len(replies) == len(some)
            assert all(reply.status == 200 for reply in replies)
        per_s, cpu = zip(*found, strict=True)
        return Rate(statistics.median(per_s), statistics.median(cpu))

    def sizes(self) -> str:
        """What is in the catalogue."""
        with self._catalogue.read() as conn:
            counts = [
                conn.scalar(select(func.count()).select_from(table)) or 0 for table in (computers, software, installed)
            ]
        return "{:,} computers, {:,} names and versions, {:,} rows of installed software".format(*counts)


def kind_of(sender: EmulatedComputer) -> str:
    """The kind of its system, as `programs` takes it."""
    return "windows" if sender.dialect is Dialect.WINDOWS else "unix"


_IDS: Final = select(computers.c.device_id, computers.c.id).where(
    computers.c.device_id.in_(bindparam("names", expanding=True))
)


def _row(sender: EmulatedComputer) -> dict[str, Any]:
    name, now_us = sender.name, int(time.time() * 1e6)
    keys = {"device_id_key": fold(sender.device_id), "name_key": fold(name), "ip_key": address_key(sender.address)}
    times = {"first_seen_at_us": now_us, "last_seen_at_us": now_us, "last_inventory_at_us": now_us}
    agent = user_agent(sender.dialect)
    known = {"device_id": sender.device_id, "name": name, "ip": sender.address, "user_agent": agent}
    return {**known, **keys, **times, **agent_columns(agent), "address": "127.0.0.1"}


def _software_row(program: Program, key: int) -> dict[str, Any]:
    values = program._asdict()
    keys = {"name_key": fold(program.name), "version_key": version_key(program.version)}
    return {"id": key, "digest": digest_of_values(program), **values, **keys, "publisher_key": fold(program.publisher)}


def _batched(items: list[bytes], size: int) -> Iterable[list[bytes]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def measure(bench: InventoryBench, count: int, sample: int) -> list[Table]:
    """All figures: of `sample` computers among `count`."""
    bench.fill(range(count))
    drawn = random.Random(2).sample(range(count), min(sample, count))
    new = range(count, count + sample)
    cases: list[tuple[str, Callable[[], Rate], float | None]] = [
        ("INVENTORY, of new computers", lambda: bench.post(bench.bodies(new)), None),
        ("INVENTORY, the first of known ones", lambda: bench.post(bench.bodies(drawn)), None),
        ("INVENTORY, unchanged", lambda: bench.post(bench.bodies(drawn)), 2000),
        ("INVENTORY, all but the software changed", lambda: bench.post(bench.bodies(drawn, name=1)), None),
        ("INVENTORY, all changed, names new", lambda: bench.post(bench.bodies(drawn, name=2, software=1)), None),
        ("INVENTORY, all changed, names known", lambda: bench.post(bench.bodies(drawn)), 400),
        ("PROLOG", lambda: bench.post(bench.prologs(drawn), PROLOG_BATCH), None),
    ]
    rows = []
    for name, run, goal_per_s in cases:
        rate = run()
        goal = "" if goal_per_s is None else f"≥ {goal_per_s:,.0f}"
        rows.append(goal_row(name, str(rate), goal, None if goal_per_s is None else rate.per_s >= goal_per_s))
    return [goal_table(f"Within one process: {bench.sizes()}", rows)]


@click.command()
@click.option("--computers", "count", default=100_000, show_default=True, type=click.IntRange(100))
@click.option("--lines", default=150, show_default=True, type=click.IntRange(1, 3000), help="Of software in each.")
@click.option("--sample", default=6400, show_default=True, type=click.IntRange(64))
def main(count: int, lines: int, sample: int) -> None:
    """Inventories and PROLOGs in one process, without HTTP."""
    with tempfile.TemporaryDirectory(prefix="distd-bench-") as made:
        path = Path(made) / "catalogue.db"
        create_catalogue(path)
        with open_catalogue(path) as catalogue:
            tables = measure(InventoryBench(catalogue, lines), count, sample)
    show(tables)
    finish(tables)


if __name__ == "__main__":
    main()
