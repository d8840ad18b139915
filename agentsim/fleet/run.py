"""A fleet from its beginning to its end: in this process, in several, or on a cluster; a signal ends it earlier."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import trio

from agentsim.error_groups import unwrapped
from agentsim.fleet.cluster import run_cluster
from agentsim.fleet.processes import run_here, run_processes

if TYPE_CHECKING:
    from agentsim.fleet.options import FleetOptions
    from agentsim.fleet.totals import FleetTotals


async def run_fleet(options: FleetOptions, totals: FleetTotals, processes: int, cluster: str | None) -> None:
    """Until all agents are through, or a signal ends it: `totals` then has what was measured so far.

    `cluster`: the address of a Dask scheduler, instead of `processes`. Raises `DistdError`.
    """
    stop = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_end_on_signal, totals, stop, nursery.cancel_scope)
            if cluster is not None:
                await run_cluster(options, totals, cluster, stop)
            elif processes == 1:
                await run_here(options, totals, stop)
            else:
                await run_processes(options, totals, processes, stop)
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise unwrapped(group) from None


async def _end_on_signal(
    totals: FleetTotals, stop: trio.Event, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]
) -> None:
    """The first one tells all shards to end and send their last message; after the second none is waited for."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            totals.interrupted = True
            if stop.is_set():
                scope.cancel()
            stop.set()
