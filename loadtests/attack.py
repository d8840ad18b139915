"""`make attack`: attacks on a running server and a mirror, one after the other, with an honest client beside.

Server and mirror are on the last core of the machine, the honest client on the first; the attacker shares that one and
gets only time that is left over. Each attack comes after a slice without one, which it is compared with.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import trio

from agentsim.report.terminal import show
from loadtests.attack_figures import AttackResult, AttackRound, tables
from loadtests.attacked_site import TRACEBACK, open_site
from loadtests.attacks.table import ALL, BY_NAME
from loadtests.results import finish, publish
from tests.programs.processes import child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from distd.report.page import Table
    from loadtests.attacked_site import RunningSite
    from loadtests.attacks.site import AttackedSite
    from loadtests.attacks.table import Attack
    from tests.programs.processes import RunningProgram

START_S: Final = 60.0
END_S: Final = 60.0  # beyond the slice: the honest client waits for its last answers


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a slice is, how often each attack is run, and how much of it (`share`)."""

    seconds: float
    rounds: int
    share: float = 1.0


QUICK: Final = Plan(2.0, 1, 0.1)


class Half:
    """One of the two processes of a slice: it prints "ready", waits for a signal, and prints what it counted."""

    def __init__(self, process: RunningProgram) -> None:
        self._process = process
        self._read = b""

    async def line(self, limit_s: float) -> str:
        """The next line that it prints. Raises `SystemExit` where it ends before, `trio.TooSlowError`."""
        assert self._process.stdout is not None
        with trio.fail_after(limit_s):
            while b"\n" not in self._read:
                data = await self._process.stdout.receive_some(65_536)
                if not data:
                    raise SystemExit(f"a process of the bench ended with {await self._process.wait()}")
                self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def begin(self) -> None:
        """Let it begin."""
        self._process.send_signal(signal.SIGUSR1)

    async def counts(self, seconds: float) -> dict[str, Any]:
        """What it counted, once it has ended."""
        found: dict[str, Any] = json.loads(await self.line(seconds + END_S))
        return found


@contextlib.asynccontextmanager
async def half(module: str, words: Sequence[str], log: Path) -> AsyncIterator[Half]:
    """A process that is ready to begin, for as long as the block lasts."""
    async with child([sys.executable, "-m", module, *words], log, stdout=subprocess.PIPE) as process:
        started = Half(process)
        await started.line(START_S)
        yield started


def _honest(site: RunningSite, facts: AttackedSite, seconds: float, deploying: str = "") -> list[str]:
    words = [facts.as_json(), "--seconds", str(seconds), "--deploying", deploying]
    return words + [word for device_id in site.computers for word in ("--computer", device_id)]


async def quiet_slice(site: RunningSite, seconds: float, log: Path) -> dict[str, Any]:
    """What the honest client counts without an attack."""
    async with half("loadtests.honest_client", _honest(site, site.for_slice(), seconds), log) as honest:
        honest.begin()
        return await honest.counts(seconds)


async def run_round(site: RunningSite, attack: Attack, plan: Plan, log: Path) -> AttackRound:
    """A slice without the attack, and one with it."""
    await site.wait_until_idle()
    site.reset_peak()
    quiet = await quiet_slice(site, plan.seconds, log)
    facts, deploying = site.for_slice(), site.to_deploy[len(site.deployed)]
    sizes = [path.stat().st_size for path in site.logs()]
    before_bytes, disk_bytes = site.memory_bytes(), site.disk_bytes()
    peak_bytes = site.peak_bytes()
    site.reset_peak()
    words = [attack.name, facts.as_json(), "--seconds", str(plan.seconds), "--share", str(plan.share)]
    async with (
        half("loadtests.attacks", words, log) as attacker,
        half("loadtests.honest_client", _honest(site, facts, plan.seconds, deploying), log) as honest,
    ):
        honest.begin()
        attacker.begin()
        seen = await honest.counts(plan.seconds)
        sent = await attacker.counts(plan.seconds)
    site.check_running(attack.name)
    await site.wait_until_idle()
    site.deployed += seen["deployed"]
    logged = b"".join(_tail(path, size) for path, size in zip(site.logs(), sizes, strict=True))
    return AttackRound(
        quiet_s=quiet["latencies_s"],
        attacked_s=seen["latencies_s"],
        log_ins_s=seen["log_ins_s"],
        memory_bytes=site.peak_bytes() - peak_bytes,
        kept_bytes=site.memory_bytes() - before_bytes,
        disk_bytes=site.disk_bytes() - disk_bytes,
        log_bytes=len(logged),
        tracebacks=logged.count(TRACEBACK),
        statuses=Counter(seen["statuses"]) + Counter(sent["statuses"]),
        failures=seen["failures"],
        quiet_failures=quiet["failures"],
        lost=await trio.to_thread.run_sync(site.lost),
        connections=sent["connected"],
        sent_bytes=sent["sent_bytes"],
    )


def _tail(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read()


async def bench(attacks: Sequence[Attack], plan: Plan, folder: Path) -> list[Table]:
    """Run them, with all files in `folder`; the tables."""
    results = []
    async with open_site(folder, len(attacks) * plan.rounds) as site:
        log = folder / "bench.log"
        await quiet_slice(site, plan.seconds, log)  # what is done only once is done now
        begin_bytes = site.memory_bytes()
        for attack in attacks:
            result = AttackResult(attack.name)
            for _ in range(plan.rounds):
                result.rounds.append(await run_round(site, attack, plan, log))
            results.append(result)
            _tell(result)
        kept_bytes = site.memory_bytes() - begin_bytes
    return tables(results, kept_bytes)


def _tell(result: AttackResult) -> None:
    """One line as soon as it is known: all of them take a while."""
    cells = ", ".join(cell for cell in result.row()[1:] if cell)
    more = "; ".join([*(f"{what} ({count})" for what, count in result.failures.most_common(3)), *result.lost[:3]])
    print(f"{result.name}: {cells}" + (f" [{more}]" if more else ""), flush=True)


@click.command()
@click.option(
    "--quick", is_flag=True, help="A tenth of each attack for two seconds, and nothing is written: to try it."
)
@click.option("--only", multiple=True, type=click.Choice(list(BY_NAME)), help="Not all attacks; nothing is written.")
@click.option("--rounds", default=3, show_default=True, help="Of each attack.")
@click.option("--seconds", default=6.0, show_default=True, help="Of a slice.")
@click.option("--folder", default="/dev/shm", show_default=True, type=click.Path(path_type=Path), help="For all files.")
def main(quick: bool, only: tuple[str, ...], rounds: int, seconds: float, folder: Path) -> None:
    """Attack a server."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started ends too
    os.sched_setaffinity(0, {0})  # processes that are started from here inherit it
    attacks = [BY_NAME[name] for name in only] or ALL
    plan = QUICK if quick else Plan(seconds, rounds)
    with tempfile.TemporaryDirectory(dir=folder, prefix="distd-attack-") as made:
        found = trio.run(bench, attacks, plan, Path(made))
    if quick or only:
        show(found)
    else:
        publish("attack", "Attacks, with an honest client beside", "make attack", found)
    finish(found)


if __name__ == "__main__":
    main()
