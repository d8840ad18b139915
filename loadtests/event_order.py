"""What it costs on PostgreSQL that nobody who follows the event log by number skips an event, and that he is woken.

Connections write transactions with some events each, as fast as they can, in four ways: with the advisory lock as the
catalogue takes it, without announcing them, without the lock (and so without an order), and without the lock while
another connection, a sequencer, gives the events that are committed their numbers.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg

from distd.catalogue.dialect.postgresql import CHANNEL, LOCK
from loadtests.results import goal_row
from tests.programs.postgresql import running_cluster

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENTS: Final = 64  # of a transaction
TABLE: Final = """
    CREATE TABLE log (id BIGSERIAL PRIMARY KEY, seq BIGINT, at_us BIGINT, kind TEXT, detail JSON);
    CREATE INDEX unnumbered ON log (id) WHERE seq IS NULL;
    CREATE SEQUENCE numbers;
"""
INSERT: Final = "INSERT INTO log (at_us, kind, detail) SELECT 1, 'NOTIFIED', '{}' FROM generate_series(1, %s)"
SEQUENCE: Final = """
    UPDATE log SET seq = numbered.number FROM (
        SELECT id, nextval('numbers') AS number
        FROM (SELECT id FROM log WHERE seq IS NULL ORDER BY id LIMIT 10000) AS ids
    ) AS numbered WHERE log.id = numbered.id
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How events are written."""

    name: str
    is_locked: bool = True
    is_announced: bool = True
    is_sequenced: bool = False


WAYS: Final = (
    Way("with the lock, announced by NOTIFY"),
    Way("with the lock, not announced", is_announced=False),
    Way("without the lock, announced: no order", is_locked=False),
    Way("without the lock, with a sequencer", is_locked=False, is_announced=False, is_sequenced=True),
)


def measure(writers: Sequence[int], seconds: float) -> list[list[str]]:
    """Rows: transactions a second of each way, for each number of connections."""
    with running_cluster(durable=True) as cluster:
        rows = []
        for count in writers:
            for way in WAYS:
                conninfo = cluster.conninfo(cluster.create_database())
                rate, behind_s = _rate(conninfo, way, count, seconds)
                late = f"; the last event has its number {1000 * behind_s:.0f} ms later" if way.is_sequenced else ""
                figure = f"{rate:,.0f} transactions/s, {EVENTS * rate:,.0f} events/s{late}"
                rows.append(goal_row(f"{count} {'writer' if count == 1 else 'writers'}, {way.name}", figure))
    return rows


def _rate(conninfo: str, way: Way, writers: int, seconds: float) -> tuple[float, float]:
    """Transactions a second, and how long after the last one the sequencer is through."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(TABLE.encode())
    end_s, counts, is_over = time.monotonic() + seconds, [0] * writers, threading.Event()

    def write(index: int) -> None:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            while time.monotonic() < end_s:
                _transaction(connection, way)
                counts[index] += 1

    threads = [threading.Thread(target=write, args=(index,)) for index in range(writers)]
    sequencer = threading.Thread(target=_sequence, args=(conninfo, is_over))
    for thread in threads:
        thread.start()
    if way.is_sequenced:
        sequencer.start()
    for thread in threads:
        thread.join()
    written_s = time.monotonic()
    is_over.set()
    if way.is_sequenced:
        sequencer.join()
    return sum(counts) / seconds, time.monotonic() - written_s


def _transaction(connection: psycopg.Connection[tuple[object, ...]], way: Way) -> None:
    connection.execute("BEGIN")
    if way.is_locked:
        connection.execute("SELECT pg_advisory_xact_lock(%s), pg_current_xact_id()::text", [LOCK])
    else:
        connection.execute("SELECT pg_current_xact_id()::text")
    connection.execute(INSERT, [EVENTS])
    if way.is_announced:
        connection.execute(f"NOTIFY {CHANNEL}".encode())
    connection.execute("COMMIT")


def _sequence(conninfo: str, is_over: threading.Event) -> None:
    """Number what is committed, in rounds, to the end."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        while True:
            ends = is_over.is_set()
            if not connection.execute(SEQUENCE.encode()).rowcount:
                if ends:
                    return
                time.sleep(0.001)
