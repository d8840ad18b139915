"""PostgreSQL tells of events; what it does not tell is found by polling."""

from __future__ import annotations

import logging
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio

from distd.catalogue import event_log, event_watch
from distd.catalogue.engine import open_catalogue
from distd.catalogue.event_log import Kind
from distd.catalogue.event_watch import EventWatch
from distd.catalogue.reader import Reader
from distd.domain.actor import AGENT
from distd.domain.errors import Unavailable
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from distd.catalogue.dialect.database import EventListener
    from distd.catalogue.engine import Catalogue
    from tests.programs.postgresql import Cluster

NEVER_S = 3600.0
LISTENERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'distd listener'"
pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def catalogue(database: Any) -> Iterator[Catalogue]:
    with open_catalogue(database.place) as opened:
        yield opened


def happen(catalogue: Catalogue, count: int = 1) -> None:
    with catalogue.write() as conn:
        for _ in range(count):
            event_log.append(conn, Kind.RESULT, AGENT, at_s=1)


def announcements(conninfo: str, catalogue: Catalogue, act: Any) -> int:
    """How many come while `act(catalogue)` runs."""
    with closing(psycopg.connect(conninfo, autocommit=True)) as connection:
        connection.execute("LISTEN distd_events")
        act(catalogue)
        connection.execute("SELECT 1")  # what was sent before is here then
        return len(list(connection.notifies(timeout=0)))


def of_many_events(catalogue: Catalogue) -> None:
    happen(catalogue, 100)


def without_events(catalogue: Catalogue) -> None:
    with catalogue.write():
        pass


def rolled_back(catalogue: Catalogue) -> None:
    with suppress(TimeoutError), catalogue.write() as conn:
        event_log.append(conn, Kind.RESULT, AGENT, at_s=1)
        raise TimeoutError
    without_events(catalogue)


@pytest.mark.parametrize(("act", "count"), [(of_many_events, 1), (without_events, 0), (rolled_back, 0)])
def test_a_transaction_with_events_is_announced_once(
    database: Any, postgresql_cluster: Cluster, catalogue: Catalogue, act: Any, count: int
) -> None:
    assert announcements(postgresql_cluster.conninfo(database.name), catalogue, act) == count


@pytest.fixture
async def watch(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EventWatch]:
    """Once it listens it does not poll."""
    monkeypatch.setattr(event_watch, "LISTENING_POLL_S", NEVER_S)
    found = EventWatch(Reader(catalogue), logging.getLogger("distd"), catalogue.listen)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.run)
        yield found
        nursery.cancel_scope.cancel()


async def listening(cluster: Cluster, but: list[Any] | None = None) -> list[Any]:
    """The process that serves the listening connection; another one than `but`."""
    found: list[Any] = []

    def is_there() -> bool:
        found[:] = cluster.execute(LISTENERS)
        return bool(found) and found != but

    await await_until(is_there, "it listens")
    return found


async def test_what_is_announced_wakes_at_once(
    postgresql_cluster: Cluster, catalogue: Catalogue, watch: EventWatch
) -> None:
    await listening(postgresql_cluster)
    await await_until(lambda: watch._poll_s == NEVER_S, "it has heard of it")
    seq = await watch.current()
    for _ in range(3):
        await trio.to_thread.run_sync(happen, catalogue)
        seq = await watch.beyond(seq)
    assert seq == 3


async def test_a_lost_listening_connection_loses_nothing(
    postgresql_cluster: Cluster, catalogue: Catalogue, watch: EventWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_watch, "RETRY_S", 0.5)
    before = await listening(postgresql_cluster)
    await await_until(lambda: watch._poll_s == NEVER_S, "it has heard of it")
    await watch.current()
    postgresql_cluster.execute(f"SELECT pg_terminate_backend(pid) FROM ({LISTENERS}) AS found")
    await trio.to_thread.run_sync(happen, catalogue)
    assert await watch.beyond(0) == 1
    await listening(postgresql_cluster, before)
    await trio.to_thread.run_sync(happen, catalogue)
    assert await watch.beyond(1) == 2


def test_a_listener_of_a_database_that_is_away(
    database: Any, postgresql_cluster: Cluster, catalogue: Catalogue
) -> None:
    listener = catalogue.listen()
    assert listener is not None
    with closing(listener):
        assert not listener.receive()
        postgresql_cluster.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({LISTENERS}) AS found")
        with pytest.raises(Unavailable, match="catalogue"):
            receive_to_the_end(listener)


def receive_to_the_end(listener: EventListener) -> None:
    while not listener.receive():
        pass
