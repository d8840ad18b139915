"""The event log: numbers grow, order is the order of commits, pruning takes the oldest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import event_log
from distd.catalogue.engine import open_catalogue
from distd.catalogue.event_log import Event, Kind, Note
from distd.domain.actor import AGENT, Actor, ActorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distd.catalogue.engine import Catalogue


@pytest.fixture
def catalogue(database: Any) -> Iterator[Any]:
    with open_catalogue(database.place) as opened:
        yield opened


def _append(catalogue: Catalogue, count: int) -> None:
    with catalogue.write() as conn:
        event_log.append_many(conn, [Note(Kind.NOTIFIED, AGENT, 100 + n, "17", n, {"n": n}) for n in range(count)])


def test_an_event_comes_back_as_it_was_written(catalogue: Any) -> None:
    with catalogue.write() as conn:
        event_log.append(
            conn, Kind.RESULT, AGENT, at_s=1_700_000_000.25, package_id="17", computer_id=3, code="ERR_BÄD"
        )
        event_log.append(conn, Kind.INVENTORY, Actor(ActorKind.CLI, "root"), at_s=1_700_000_001)
    with catalogue.read() as conn:
        assert event_log.since(conn, 0, 10) == [
            Event(1, 1_700_000_000.25, Kind.RESULT, AGENT, "17", 3, {"code": "ERR_BÄD"}),
            Event(2, 1_700_000_001, Kind.INVENTORY, Actor(ActorKind.CLI, "root"), None, None, {}),
        ]


def test_since_pages_through_the_log(catalogue: Any) -> None:
    _append(catalogue, 25)
    pages, last = [], 0
    with catalogue.read() as conn:
        while page := event_log.since(conn, last, 10):
            pages.append([event.detail["n"] for event in page])
            last = page[-1].seq
    assert pages == [list(range(10)), list(range(10, 20)), list(range(20, 25))]


def test_prune_keeps_the_newest_and_gives_no_number_twice(catalogue: Any) -> None:
    _append(catalogue, 10)
    with catalogue.write() as conn:
        assert event_log.prune(conn, 3) == 7
        assert [event.seq for event in event_log.since(conn, 0, 10)] == [8, 9, 10]
        assert event_log.prune(conn, 0) == 3
    _append(catalogue, 1)
    with catalogue.read() as conn:
        assert [event.seq for event in event_log.since(conn, 0, 10)] == [11]


def test_the_newest_and_the_oldest(catalogue: Any) -> None:
    with catalogue.write() as conn:
        assert (event_log.oldest(conn), event_log.newest(conn)) == (0, 0)
    _append(catalogue, 5)
    with catalogue.write() as conn:
        event_log.prune(conn, 3)
        assert (event_log.oldest(conn), event_log.newest(conn)) == (3, 5)
        assert event_log.prune(conn, 3) == 0


def test_numbers_are_those_of_the_kinds_and_only_the_newest(catalogue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        with catalogue.write() as conn:
            event_log.append(conn, Kind.NOTIFIED, AGENT, at_s=1)
            event_log.append(conn, Kind.RESULT, AGENT, at_s=1)
    with catalogue.read() as conn:
        assert event_log.numbers(conn, 1, [Kind.NOTIFIED]) == [3, 5]
        assert event_log.numbers(conn, 0, [Kind.RESULT, Kind.NOTIFIED]) == [1, 2, 3, 4, 5, 6]
        assert [event.seq for event in event_log.since(conn, 1, 10, [Kind.NOTIFIED])] == [3, 5]
        monkeypatch.setattr(event_log, "MAX_NUMBERS", 2)
        assert event_log.numbers(conn, 0, [Kind.RESULT]) == [4, 6]


def test_nothing_to_append_is_no_statement(catalogue: Any) -> None:
    with catalogue.read() as conn:
        event_log.append_many(conn, [])
        assert event_log.since(conn, 0, 1) == []
