"""A fleet on a Dask cluster of two workers on this machine."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from agentsim.fleet.cluster import run_cluster
from agentsim.fleet.options import FleetOptions
from agentsim.fleet.totals import FleetTotals
from distd.domain.errors import BadInput, Unavailable
from tests.programs.mirror import metric
from tests.programs.origin_server import OriginServer, PackageSource
from tests.programs.processes import ProgramFailed, child, free_port, plain_environment
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.programs.origin_server import FleetResult
    from tests.programs.processes import RunningProgram

DASK = str(Path(sys.executable).with_name("dask"))
QUICK: dict[str, object] = {
    "download.frag_latency_s": 1,
    "download.cycle_latency_s": 1,
    "download.period_latency_s": 1,
    "agents.inventory_freq_days": -1,
}
LIMIT_S = 240  # generous; pytest ends what takes longer
QUIET = {"DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "False"}


class Cluster:
    def __init__(self, address: str, scheduler: RunningProgram, workers: list[RunningProgram]) -> None:
        self.address, self.scheduler, self.workers = address, scheduler, workers


@asynccontextmanager
async def clustered(tmp_path: Path, count: int = 2) -> AsyncIterator[Cluster]:
    """A scheduler, and workers that have made themselves known to it."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    environment = plain_environment() | QUIET
    scheduler = [DASK, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"]
    async with child(scheduler, tmp_path / "scheduler.log", env=environment, cwd=tmp_path) as head:
        command = [DASK, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        async with trio.open_nursery() as nursery:
            processes: list[RunningProgram] = []

            async def work(number: int, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
                log = tmp_path / f"worker{number}.log"
                async with child(command, log, env=environment, cwd=tmp_path) as process:
                    processes.append(process)
                    await await_until(
                        lambda: log.exists() and "Registered to" in log.read_text(), "the worker is known"
                    )
                    task_status.started()
                    await trio.sleep_forever()

            for number in range(count):
                await nursery.start(work, number)
            yield Cluster(address, head, processes)
            nursery.cancel_scope.cancel()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[OriginServer]:
    ground = OriginServer(tmp_path)
    async with ground.serve(QUICK):
        await ground.publish(PackageSource("small", 300_000, 2, ("--fragment-size", "32KiB")))
        yield ground


async def test_the_workers_share_the_agents_out(place: OriginServer, tmp_path: Path) -> None:
    async with clustered(tmp_path) as cluster:
        await place.register(40)
        await place.assign(*place.packages)
        done = await place.load(40, "--cluster", cluster.address, "--time-scale", 10, "--verify", "100%")
        assert done.status == 0, done.errors
        assert done.report["states"]["done"] == 40
        assert done.report["results"] == {"SUCCESS": 40}
        # Nothing is counted twice or not at all: latencies of both are in one histogram.
        mine = done.report["packages"][place.packages[0]]
        assert done.report["latency"]["fragment"]["count"] == mine["fragments"] == done.figures["fragments"]
        assert len(done.report["completion"]) == 40
        server = await place.recorded(place.packages[0], mine["fragments"])
        assert (server["fragments"], server["bytes"]) == (mine["fragments"], mine["bytes"])


async def test_a_lost_worker_is_reported_and_its_agents_are_lost(place: OriginServer, tmp_path: Path) -> None:
    async with clustered(tmp_path) as cluster:
        await place.register(40)
        await place.assign(*place.packages)
        found: list[FleetResult] = []

        async def load() -> None:
            found.append(await place.load(40, "--cluster", cluster.address, "--time-scale", 2))

        async def is_notified() -> bool:
            return "NOTIFIED" in (await place.recorded(place.packages[0]))["codes"]

        with trio.fail_after(LIMIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(load)
                await await_until(is_notified, "a computer is notified")
                os.kill(cluster.workers[0].pid, signal.SIGKILL)
        (done,) = found
        assert done.status == 1
        assert done.figures["lost"] == 20
        assert done.figures["done"] == 20
        (lost,) = done.report["lost"]
        assert lost.startswith("tcp://127.0.0.1:")


async def test_no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentsim.fleet.cluster.CONNECT_S", 1)
    with pytest.raises(Unavailable, match="no Dask scheduler answers"):
        await run_cluster(FleetOptions("https://h/", "", 1), FleetTotals(1), "tcp://127.0.0.1:1", trio.Event())


@pytest.fixture
def client(children: Callable[[int, str], list[int]]) -> Callable[[], int]:
    """The process id of the client, `agentsim load`."""
    return lambda: children(os.getpid(), "agentsim")[0]


async def test_tls_needs_certificates() -> None:
    with pytest.raises(BadInput, match=r"--cluster: expected certificates in Dask's configuration"):
        await run_cluster(FleetOptions("https://h/", "", 1), FleetTotals(1), "tls://127.0.0.1:1", trio.Event())


async def load_until(
    place: OriginServer, cluster: Cluster, agents: int, what: Callable[[], None], *options: object
) -> FleetResult:
    """A fleet on the cluster, to which something is done as soon as fragments have been sent; what it achieved."""
    found: list[FleetResult] = []

    async def load() -> None:
        found.append(await place.load(agents, "--cluster", cluster.address, *options))

    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load)
            await await_until(lambda: metric(place.http, "distd_fragments_sent") >= agents, "fragments are sent")
            what()
    return found[0]


async def test_a_signal_ends_the_load_on_the_workers(
    place: OriginServer, tmp_path: Path, client: Callable[[], int]
) -> None:
    async with clustered(tmp_path) as cluster:
        await place.register(40)
        await place.assign(*place.packages)
        goals = ("--threshold", "lost==0", "--threshold", "fragments>0")
        done = await load_until(place, cluster, 40, lambda: os.kill(client(), signal.SIGINT), *goals)
        assert (done.status, done.report["interrupted"], done.report["lost"]) == (1, True, [])
        assert [goal["holds"] for goal in done.report["thresholds"]] == [True, True]
        assert done.report["states"]["downloading"] == 40
        assert "Traceback" not in done.errors
        # Its workers have room for others at once, and those go on where the first ones were.
        again = await place.load(40, "--cluster", cluster.address, "--time-scale", 1000)
        assert (again.status, again.report["interrupted"]) == (0, False), again.errors
        assert again.report["results"] == {"SUCCESS": 40}


async def test_a_client_that_was_killed_leaves_no_load_on_the_workers(
    place: OriginServer, tmp_path: Path, client: Callable[[], int]
) -> None:
    async with clustered(tmp_path) as cluster:
        await place.register(40)
        await place.assign(*place.packages)
        with pytest.RaisesGroup(ProgramFailed):
            await load_until(place, cluster, 40, lambda: os.kill(client(), signal.SIGKILL))
        with trio.fail_after(LIMIT_S):
            again = await place.load(40, "--cluster", cluster.address, "--time-scale", 1000)
        assert again.status == 0, again.errors


async def test_a_lost_scheduler_is_reported_and_all_agents_are_lost(place: OriginServer, tmp_path: Path) -> None:
    async with clustered(tmp_path) as cluster:
        await place.register(40)
        await place.assign(*place.packages)
        done = await load_until(place, cluster, 40, lambda: os.kill(cluster.scheduler.pid, signal.SIGKILL))
        assert done.status == 1
        assert done.figures["lost"] == 40
        assert [lost.partition(": ")[2] for lost in done.report["lost"]] == ["the scheduler has gone"] * 2
        assert "Traceback" not in done.errors
        # The workers' agents end too: at most the connection that asks for the metric is left.
        await await_until(lambda: metric(place.http, "distd_connections") <= 1, "the agents' connections are closed")
