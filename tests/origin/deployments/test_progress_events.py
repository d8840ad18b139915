"""One event for all computers of a package that fetch it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distd.catalogue.event_log import Kind
from distd.origin.deployments.progress import Fetched, record
from distd.origin.deployments.progress_events import find_downloading, find_progress, tell_progress

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

INTERVAL_S = 5.0


def downloading(origin: TestOrigin, *device_ids: str) -> None:
    """Package 17, of which these computers were notified."""
    origin.package("17", plan="x")
    for device_id in device_ids:
        origin.prolog(device_id)
        origin.assign("17", device_id)
        assert origin.listed(device_id) == ["17"]


def tell(origin: TestOrigin, now_s: float, **stalled: int) -> list[Any]:
    """The events that are written."""
    before = len(origin.events(Kind.PACKAGE_PROGRESS))
    found = origin.read(find_progress, {name.removeprefix("of_"): count for name, count in stalled.items()})
    origin.write(tell_progress, found, INTERVAL_S, now_s)
    return [event.detail for event in origin.events(Kind.PACKAGE_PROGRESS)[before:]]


def test_what_was_sent_since_the_last_one_and_in_all(origin: TestOrigin) -> None:
    downloading(origin, "a", "b")
    assert tell(origin, 99.0) == []
    origin.write(record, [Fetched(1, "17", [1, 2], 2000), Fetched(2, "17", [1], 1000)], 100.0)
    (first,) = tell(origin, 100.0)
    states = {"waiting": 0, "notified": 0, "downloading": 2, "success": 0, "failed": 0, "archived": 0}
    sums = {"fragments_in_all": 3, "bytes_in_all": 3000, "repeated": 0, "stalled": None}
    assert first == {"fragments": 3, "bytes": 3000, "bytes_per_s": 600, **sums, **states}
    assert tell(origin, 105.0) == []
    origin.write(record, [Fetched(1, "17", [2], 1000)], 101.0)
    origin.report("17", "SUCCESS", "b")
    (second,) = tell(origin, 102.0)
    assert (second["fragments"], second["bytes_per_s"], second["fragments_in_all"]) == (1, 500, 4)
    assert (second["repeated"], second["downloading"], second["success"]) == (1, 1, 1)


def test_stalled_computers_are_told_also_where_nothing_is_sent(origin: TestOrigin) -> None:
    downloading(origin, "a", "b")
    origin.write(record, [Fetched(1, "17", [1], 10)], 100.0)
    tell(origin, 100.0)
    (told,) = tell(origin, 160.0, of_17=2)
    assert (told["stalled"], told["fragments"], told["bytes_per_s"]) == (2, 0, 0)
    assert tell(origin, 220.0, of_17=2) == []
    origin.write(record, [Fetched(1, "17", [2], 10)], 221.0)
    (told,) = tell(origin, 222.0)
    assert told["stalled"] == 2
    (told,) = tell(origin, 280.0, of_17=0)
    assert told["stalled"] == 0


def test_where_nobody_fetches_any_more_nobody_stalls(origin: TestOrigin) -> None:
    downloading(origin, "a")
    origin.write(record, [Fetched(1, "17", [1], 10)], 100.0)
    tell(origin, 100.0, of_17=1)
    origin.report("17", "SUCCESS", "a")
    (told,) = tell(origin, 160.0)
    assert (told["stalled"], told["success"], told["fragments"]) == (0, 1, 0)
    assert tell(origin, 220.0) == []


def test_of_two_servers_one_tells(origin: TestOrigin) -> None:
    downloading(origin, "a")
    origin.write(record, [Fetched(1, "17", [1], 10)], 100.0)
    found = origin.read(find_progress, {})
    assert [origin.write(tell_progress, found, INTERVAL_S, 101.0) for _ in range(2)] == [1, 0]
    (event,) = origin.events(Kind.PACKAGE_PROGRESS)
    assert (event.package_id, event.computer_id, str(event.actor)) == ("17", None, "agent")


def test_what_is_downloading(origin: TestOrigin) -> None:
    downloading(origin, "a")
    origin.package("18")
    origin.assign("18", "a")
    assert origin.read(find_downloading) == ["17"]
