"""`agentsim load` against a real server: what it counts is what the server counts."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from agentsim.cli import run
from agentsim.fleet.computers import computer, inventory
from agentsim.report.load_page import page
from distd.domain.records import Dialect
from tests.programs import commands
from tests.programs.mirror import metric
from tests.programs.origin_server import OriginServer, PackageSource
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.programs.origin_server import FleetResult

QUICK: dict[str, object] = {
    "download.frag_latency_s": 1,
    "download.cycle_latency_s": 1,
    "download.period_latency_s": 1,
    "agents.inventory_freq_days": -1,
}
SMALL = PackageSource("small", 300_000, 2, ("--fragment-size", "32KiB"))
SCALED = ("--time-scale", 100)


@asynccontextmanager
async def ground(
    tmp_path: Path,
    agents: int,
    *options: object,
    packages: tuple[PackageSource, ...] = (SMALL,),
    settings: dict[str, object] = QUICK,
) -> AsyncIterator[OriginServer]:
    """A server whose packages are assigned to `agents` computers."""
    place = OriginServer(tmp_path)
    async with place.serve(settings):
        for package in packages:
            await place.publish(package)
        await place.register(agents, *options)
        await place.assign(*place.packages)
        yield place


@pytest.mark.parametrize("dialect", Dialect)
async def test_every_agent_deploys_and_both_sides_count_the_same(tmp_path: Path, dialect: Dialect) -> None:
    options = ("--dialect", dialect)
    other = PackageSource("other", 100_000, 5, ("--fragment-size", "16KiB"))
    async with ground(tmp_path, 40, *options, packages=(SMALL, other)) as place:
        done = await place.load(40, *options, *SCALED, "--verify", "100%")
        assert done.status == 0, done.errors
        figures = done.figures
        assert (figures["done"], figures["success"], figures["errors"], figures["lost"]) == (40, 1.0, 0, 0)
        assert (figures["verified"], figures["bad"]) == (80, 0)
        recorded = []
        for package_id in place.packages:
            mine = done.report["packages"][package_id]
            recorded.append(server := await place.recorded(package_id, mine["fragments"]))
            assert server["codes"] == {"SUCCESS": 40}
            assert (server["fragments"], server["bytes"]) == (mine["fragments"], mine["bytes"])
            assert (mine["listed"], mine["good"]) == (40, 40)
        assert figures["verified_bytes"] == figures["bytes"] == sum(package["bytes"] for package in recorded)
        assert done.report["results"] == {"SUCCESS": 80}
        assert metric(place.http, "distd_fragment_bytes_sent") == figures["bytes"]
        # The simulation knows the latencies that all wait for; how much longer a busy machine takes, it cannot know.
        assert 0 < done.report["forecast_finish_s"]["100"] < 1.5 * figures["finish_p100"]
        assert "Agents that have all their packages" in page(done.report)


async def test_faults_of_agents(tmp_path: Path) -> None:
    shares = ("vanish=20%", "sleep=30%:1min", "slow=20%:200kB/s", "corrupt=10%", "stale=10%")
    faults = [part for share in shares for part in ("--behaviour", share)]
    async with ground(tmp_path, 60) as place:
        done = await place.load(60, *SCALED, *faults, "--verify", "100%", "--seed", 0)
        states, results = done.report["states"], done.report["results"]
        assert done.status == 1
        assert states["vanished"] > 3
        assert states["failed"] == results["ERR_BAD_DIGEST"] > 1
        assert results["SUCCESS_ALREADY_SETUP"] > 1
        assert states["done"] == results["SUCCESS"] + results["SUCCESS_ALREADY_SETUP"]
        assert sum(states.values()) == 60
        recorded = await place.recorded(place.packages[0])
        assert {code: count for code, count in recorded["codes"].items() if code not in ("NOTIFIED", "None")} == results


async def test_processes_share_the_agents_out_and_a_lost_one_is_reported(
    tmp_path: Path, children: Callable[[int, str], list[int]]
) -> None:
    slow = QUICK | {"download.cycle_latency_s": 20}
    async with ground(tmp_path, 40, "--processes", 2, settings=slow) as place:
        found: list[FleetResult] = []

        async def load() -> None:
            found.append(await place.load(40, "--processes", 2, "--time-scale", 100))

        async def is_notified() -> bool:
            return "NOTIFIED" in (await place.recorded(place.packages[0]))["codes"]

        def shards() -> list[int]:
            return [shard for running in children(os.getpid(), "agentsim") for shard in children(running, "spawn_main")]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(load)
            await await_until(lambda: len(shards()) == 2, "both shards run")
            await await_until(is_notified, "a computer is notified")
            os.kill(shards()[0], signal.SIGKILL)
        (done,) = found
        assert done.status == 1
        assert done.figures["lost"] == 20
        (lost,) = done.report["lost"]
        assert lost in ("process 1: ended with status -9", "process 2: ended with status -9")
        assert (done.figures["done"], done.figures["success"]) == (20, 0.5)
        # The lost ones' computers go on where they were.
        again = await place.load(40, "--processes", 2, "--time-scale", 1000)
        assert again.status == 0
        assert again.report["results"] == {"SUCCESS": 20}


@pytest.mark.parametrize(("processes", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
async def test_a_signal_ends_the_run_and_what_was_measured_is_reported(
    tmp_path: Path, children: Callable[[int, str], list[int]], processes: int, number: int
) -> None:
    """Its thresholds hold; but they were not held until the end."""
    async with ground(tmp_path, 40, settings=QUICK | {"download.cycle_latency_s": 20}) as place:
        found: list[FleetResult] = []

        async def load() -> None:
            goals = ("--threshold", "lost==0", "--threshold", "fragments>0")
            found.append(await place.load(40, "--processes", processes, *goals))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(load)
            await await_until(lambda: metric(place.http, "distd_fragments_sent") >= 40, "40 fragments are sent")
            os.kill(children(os.getpid(), "agentsim")[0], number)
        (done,) = found
        assert (done.status, done.errors) == (1, "")
        assert (done.report["interrupted"], done.report["lost"]) == (True, [])
        assert [goal["holds"] for goal in done.report["thresholds"]] == [True, True]
        # The last message of each shard is in it.
        assert done.figures["fragments"] == metric(place.http, "distd_fragments_sent")
        assert done.report["states"]["downloading"] == 40
        assert (await place.load(40, *SCALED)).report["interrupted"] is False


async def test_fewer_at_a_time_than_processes(tmp_path: Path) -> None:
    place = OriginServer(tmp_path)
    async with place.serve(QUICK):
        done = await place.load(12, "--arrival", "closed=2", "--processes", 3)
        assert (done.status, done.report["states"]["done"], done.report["lost"]) == (0, 12, [])


async def test_recorded_inventories_are_sent_again(tmp_path: Path) -> None:
    folder = tmp_path / "inventories"
    folder.mkdir()
    known = [computer(9, number, {Dialect.UNIX: 1.0}) for number in range(3)]
    for number, recorded in enumerate(known):
        (folder / f"{number}.ocs").write_bytes(inventory(9, recorded, ()))
    place = OriginServer(tmp_path)
    async with place.serve(QUICK):
        done = await place.load(4, "--inventories", folder)
        assert done.status == 0
        rows = place.distd("computer", "list")["items"]
        assert {row["device_id"] for row in rows} == {recorded.device_id for recorded in known} | {
            f"{known[0].device_id}-1"
        }


async def test_without_a_server_all_fail_and_are_counted(tmp_path: Path) -> None:
    place = OriginServer(tmp_path)
    async with place.serve(QUICK):
        pass
    done = await place.load(30)
    assert done.status == 1
    assert done.report["states"]["failed"] == 30
    assert done.report["errors"] == {"prolog: connection refused": 30}
    assert (await place.load(30, "--threshold", "errors>=99%")).status == 0


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (("--server", "ftp://h/"), "--server"),
        (("--ca", "missing.pem"), "--ca"),
        (("--arrival", "soon"), "--arrival"),
        (("--behaviour", "fly=1%"), "--behaviour"),
        (("--verify", "much"), "--verify"),
        (("--threshold", "speed>1"), "--threshold"),
        (("--duration", "soon"), "--duration"),
        (("--inventories", "missing"), "--inventories"),
        (("--report", "missing/x.json"), "--report"),
        (("--dialect", "perl"), "--dialect"),
    ],
)
def test_bad_input(tmp_path: Path, options: tuple[str, str], field: str) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("no certificate")
    given = {"--server": "https://localhost:1/", "--ca": str(ca), "--agents": "1"} | {options[0]: options[1]}
    done = commands.invoke(run, "load", *(part for pair in given.items() for part in pair))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"agentsim: {field}: expected ")
    assert done.stderr.count("\n") == 1


def test_a_ca_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    given = ("--server", "https://localhost:1/", "--ca", str(tmp_path / "ca.pem"), "--agents", "1")
    done = commands.invoke(run, "load", *given)
    assert (done.exit_code, done.stderr) == (
        2,
        "agentsim: --ca: expected a certificate in PEM form, got something else\n",
    )
