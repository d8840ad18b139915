"""Whoever follows the event log by number skips none, however many write at the same time and whenever they commit."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import event_log
from distd.catalogue.dialect import postgresql
from distd.catalogue.engine import open_catalogue
from distd.catalogue.event_log import Kind
from distd.domain.actor import AGENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distd.catalogue.engine import Catalogue

WRITERS = 5
TRANSACTIONS = 30
WITHOUT_LOCK = "SELECT pg_current_xact_id()::text AS transaction"


@pytest.fixture
def catalogues(database: Any) -> Iterator[list[Catalogue]]:
    """As of so many processes: they share nothing but the database."""
    with ExitStack() as stack:
        yield [stack.enter_context(open_catalogue(database.place)) for _ in range(WRITERS + 1)]


class Follower:
    """Follows the log by number, as an `EventWatch` and those who wait for it do."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._seq = 0
        self.seen: list[int] = []

    def look(self) -> None:
        with self._catalogue.read() as conn:
            newest = event_log.newest(conn)
        with self._catalogue.read() as conn:
            self.seen += [event.seq for event in event_log.since(conn, self._seq, 10_000, last=newest)]
        self._seq = newest

    def there(self) -> list[int]:
        """All that are in the log."""
        with self._catalogue.read() as conn:
            return [event.seq for event in event_log.since(conn, 0, 10_000)]


def write(catalogue: Catalogue, seed: int) -> None:
    """Transactions with some events each, which are committed after a while, or rolled back."""
    draw = random.Random(seed)
    for number in range(TRANSACTIONS):
        try:
            with catalogue.write() as conn:
                for _ in range(draw.randint(1, 3)):
                    event_log.append(conn, Kind.NOTIFIED, AGENT, at_s=number)
                time.sleep(draw.choice((0, 0, 0.001, 0.01)))
                if draw.random() < 0.2:
                    raise TimeoutError
        except TimeoutError:
            pass


def test_a_follower_skips_no_event_while_many_write(catalogues: list[Catalogue]) -> None:
    follower = Follower(catalogues[0])
    writers = [threading.Thread(target=write, args=(one, seed)) for seed, one in enumerate(catalogues[1:])]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        follower.look()
    follower.look()
    assert follower.seen == follower.there()
    assert len(follower.seen) >= WRITERS * TRANSACTIONS // 2


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["as it is", "without the lock"])
def test_the_one_who_begins_first_commits_last(
    catalogues: list[Catalogue], is_locked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lock an event is skipped: what is tested here can fail."""
    if not is_locked:
        monkeypatch.setattr(postgresql, "_LOCK", WITHOUT_LOCK)
    follower, first, second = Follower(catalogues[0]), catalogues[1], catalogues[2]
    done = threading.Event()

    def write_second() -> None:
        with second.write() as conn:
            event_log.append(conn, Kind.RESULT, AGENT, at_s=2)
        done.set()

    writer = threading.Thread(target=write_second)
    with first.write() as conn:
        event_log.append(conn, Kind.NOTIFIED, AGENT, at_s=1)
        writer.start()
        assert done.wait(0.2 if is_locked else 60) is not is_locked
        follower.look()
    writer.join()
    follower.look()
    assert follower.there() == [1, 2]
    assert follower.seen == ([1, 2] if is_locked else [2])
