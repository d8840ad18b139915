"""A fleet on a Dask cluster of two workers on this machine."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from agentsim.fleet.cluster import run_cluster
from agentsim.fleet.options import Order
from agentsim.fleet.totals import Picture
from distd.domain.errors import BadInput, Unavailable
from tests.programs.mirror import metric
from tests.programs.origin_server import OriginServer, PackageSource
from tests.programs.processes import ProgramFailed, child, free_port, plain_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DASK = str(Path(sys.executable).with_name("dask"))
QUICK = {f"download.{name}_latency_s": 1 for name in ("frag", "cycle", "period")} | {"agents.inventory_freq_days": -1}
QUIET = {"DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "False"}


class Cluster:
    def __init__(self, address: Any, scheduler: Any, workers: Any) -> None:
        self.address, self.scheduler, self.workers = address, scheduler, workers


@asynccontextmanager
async def clustered(tmp_path: Any, count: Any = 2) -> AsyncIterator[Any]:
    """A scheduler, and workers that have made themselves known to it."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    environment = plain_environment() | QUIET
    scheduler = [DASK, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"]
    async with child(scheduler, tmp_path / "scheduler.log", env=environment, cwd=tmp_path) as head:
        command = [DASK, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        async with trio.open_nursery() as nursery:
            processes = []

            async def work(number: Any, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
                log = tmp_path / f"worker{number}.log"
                async with child(command, log, env=environment, cwd=tmp_path) as process:
                    processes.append(process)
                    with trio.fail_after(60):
                        while not (log.exists() and re.search("Registered to", log.read_text())):
                            await trio.sleep(0.1)
                    task_status.started()
                    await trio.sleep_forever()

            for number in range(count):
                await nursery.start(work, number)
            yield Cluster(address, head, processes)
            nursery.cancel_scope.cancel()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Any]:
    ground = OriginServer(tmp_path)
    async with ground.serve(QUICK):
        await ground.publish(PackageSource("small", 300_000, 2, ("--fragment-size", "32KiB")))
        yield ground


async def test_the_workers_share_the_agents_out(place: Any, tmp_path: Path) -> None:
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


async def test_a_lost_worker_is_told_of_and_its_agents_are_lost(place: Any, tmp_path: Path) -> None:
    async with clustered(tmp_path) as cluster:
        await place.register(40)
        await place.assign(*place.packages)
        found = []

        async def load() -> None:
            found.append(await place.load(40, "--cluster", cluster.address, "--time-scale", 2))

        with trio.fail_after(90):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(load)
                while "NOTIFIED" not in (await place.recorded(place.packages[0]))["codes"]:
                    await trio.sleep(0.1)
                os.kill(cluster.workers[0].pid, signal.SIGKILL)
        (done,) = found
        assert done.status == 1
        assert done.figures["lost"] == 20
        assert done.figures["done"] == 20
        (lost,) = done.report["lost"]
        assert lost.startswith("tcp://127.0.0.1:")


async def test_where_no_scheduler_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentsim.fleet.cluster.CONNECT_S", 1)
    with pytest.raises(Unavailable, match="no Dask scheduler answers"):
        await run_cluster(Order("https://h/", "", 1), Picture(1), "tcp://127.0.0.1:1", trio.Event())


@pytest.fixture
def client(children: Any) -> Any:
    """The number of the process that has the load made."""
    return lambda: children(os.getpid(), "agentsim")[0]


async def test_tls_needs_certificates() -> None:
    with pytest.raises(BadInput, match=r"--cluster: expected certificates in Dask's configuration"):
        await run_cluster(Order("https://h/", "", 1), Picture(1), "tls://127.0.0.1:1", trio.Event())


async def load_until(place: Any, cluster: Any, agents: Any, what: Any, *options: Any) -> Any:
    """A fleet on the cluster to which something is done as soon as it is at it: what it came to, and how long after."""
    found = []

    async def load() -> None:
        found.append(await place.load(agents, "--cluster", cluster.address, *options))

    with trio.fail_after(90):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load)
            while metric(place.http, "distd_fragments_sent") < agents:
                await trio.sleep(0.1)
            what()
            begun_s = trio.current_time()
            while not found:
                await trio.sleep(0.05)
    return found[0], trio.current_time() - begun_s


async def test_a_signal_ends_the_load_on_the_workers(place: Any, tmp_path: Path, client: Any) -> None:
    async with clustered(tmp_path) as cluster:
        await place.register(40)
        await place.assign(*place.packages)
        goals = ("--threshold", "lost==0", "--threshold", "fragments>0")
        done, took_s = await load_until(place, cluster, 40, lambda: os.kill(client(), signal.SIGINT), *goals)
        assert took_s < 10
        assert (done.status, done.report["interrupted"], done.report["lost"]) == (1, True, [])
        assert [one["holds"] for one in done.report["thresholds"]] == [True, True]
        assert done.report["states"]["downloading"] == 40
        assert "Traceback" not in done.errors
        # Its workers have room for others at once, and those go on where the first ones were.
        again = await place.load(40, "--cluster", cluster.address, "--time-scale", 1000)
        assert (again.status, again.report["interrupted"]) == (0, False), again.errors
        assert again.report["results"] == {"SUCCESS": 40}


async def test_a_client_that_was_killed_leaves_no_load_on_the_workers(place: Any, tmp_path: Path, client: Any) -> None:
    async with clustered(tmp_path) as cluster:
        await place.register(40)
        await place.assign(*place.packages)
        with pytest.RaisesGroup(ProgramFailed):
            await load_until(place, cluster, 40, lambda: os.kill(client(), signal.SIGKILL))
        with trio.fail_after(60):
            again = await place.load(40, "--cluster", cluster.address, "--time-scale", 1000)
        assert again.status == 0, again.errors


async def test_a_lost_scheduler_is_told_of_and_all_is_lost(place: Any, tmp_path: Path) -> None:
    async with clustered(tmp_path) as cluster:
        await place.register(40)
        await place.assign(*place.packages)
        done, _ = await load_until(place, cluster, 40, lambda: os.kill(cluster.scheduler.pid, signal.SIGKILL))
        assert done.status == 1
        assert done.figures["lost"] == 40
        assert [one.partition(": ")[2] for one in done.report["lost"]] == ["the scheduler has gone"] * 2
        assert "Traceback" not in done.errors
        with trio.fail_after(30):  # nor do the workers go on
            await trio.sleep(1)
            fragments = metric(place.http, "distd_fragments_sent")
            await trio.sleep(3)
            assert metric(place.http, "distd_fragments_sent") == fragments
