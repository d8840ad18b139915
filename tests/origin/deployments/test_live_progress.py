"""What is sent of a package just now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.origin.deployments import live_progress, progress_events

if TYPE_CHECKING:
    from distd.origin.deployments.live_progress import LiveProgress, ServerRate
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    origin.package("17")
    for name in ("a", "b"):
        origin.prolog(name)
        origin.assign("17", name)
        origin.prolog(name)
    return origin


def show(origin: TestOrigin, fresh_s: float) -> LiveProgress | None:
    found: LiveProgress | None = origin.read(live_progress.show_live, "17", fresh_s, origin.now_s)
    return found


def rates(origin: TestOrigin) -> list[ServerRate]:
    found: list[ServerRate] = origin.read(live_progress.list_rates, "17", origin.now_s)
    return found


def test_by_the_last_event_as_long_as_it_is_fresh(site: TestOrigin) -> None:
    assert show(site, 20.0) is None
    site.fetch("17", "a")
    found = site.read(progress_events.find_progress, {"17": 1})
    site.now_s += 5
    site.write(progress_events.tell_progress, found, 5.0, site.now_s)
    live = show(site, 20.0)
    assert live is not None
    assert live.bytes_per_s == round(live.sent_bytes / 5)
    assert (live.fragments, live.repeated, live.stalled, live.told_at_s) == (1, 0, 1, site.now_s)
    site.now_s += 60
    quiet = show(site, 20.0)
    assert quiet is not None
    assert quiet.bytes_per_s == 0


def test_of_each_server_that_sends(site: TestOrigin) -> None:
    assert rates(site) == []
    site.fetch("17", "a")
    site.fetch("17", "b", mirror="lyon")
    both = rates(site)
    assert {(each.mirror, each.downloading, each.fetching) for each in both} == {("", 1, 1), ("lyon", 1, 1)}
    assert all(each.bytes_per_s > 0 for each in both)
    site.now_s += 1000
    assert {(each.downloading, each.fetching, each.bytes_per_s) for each in rates(site)} == {(1, 0, 0.0)}
    site.report("17", "SUCCESS", "a")
    assert [each.mirror for each in rates(site)] == ["lyon"]
