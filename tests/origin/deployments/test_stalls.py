"""How many computers stall by their agents' own schedule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from distd.domain.diagnosis.due_turns import due_gap_s
from distd.domain.records import Dialect
from distd.domain.settings import DownloadConfig
from distd.origin.deployments import stalls
from distd.origin.deployments.progress import Fetched, record
from distd.origin.deployments.stalls import count_stalled

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

CONFIG = DownloadConfig()
LIMIT_S = 2 * due_gap_s(Dialect.UNIX, CONFIG, "17", (("17", 5),)) + 120


def count(origin: TestOrigin, after_s: float, config: DownloadConfig = CONFIG) -> int:
    found: int = origin.read(count_stalled, "17", config, origin.now_s + after_s)
    return found


@pytest.fixture
def two(origin: TestOrigin) -> TestOrigin:
    """Two computers that were notified of package 17 (priority 5); a third waits."""
    origin.package("17", plan="x")
    for device_id in ("a", "b", "c"):
        origin.prolog(device_id)
        origin.assign("17", device_id)
    assert [origin.listed(device_id) for device_id in ("a", "b")] == [["17"]] * 2
    return origin


def test_two_due_turns_without_a_fragment(two: TestOrigin) -> None:
    assert (count(two, LIMIT_S - 1), count(two, LIMIT_S + 1)) == (0, 2)
    two.write(record, [Fetched(1, "17", [1], 10)], two.now_s + 100)
    assert (count(two, LIMIT_S + 99), count(two, LIMIT_S + 101)) == (1, 2)
    two.report("17", "SUCCESS", "b")
    assert count(two, LIMIT_S + 101) == 1


def test_other_packages_make_turns_rarer(two: TestOrigin) -> None:
    two.package("18", plan="x")
    two.user_agent = "OCS-NG_WINDOWS_AGENT_v2.9.2.0"
    two.inventory(device_id="windows")
    for package_id in ("17", "18"):
        two.assign(package_id, "windows")
    assert two.listed("windows") == ["17", "18"]
    alone, both = (
        2 * due_gap_s(Dialect.WINDOWS, CONFIG, "17", packages) + 120
        for packages in ((("17", 5),), (("17", 5), ("18", 5)))
    )
    assert both > max(alone, LIMIT_S) + 1
    assert (count(two, max(alone, LIMIT_S) + 1), count(two, both + 1)) == (2, 3)


def test_without_turns_nothing_stalls(two: TestOrigin) -> None:
    assert count(two, 1e6, replace(CONFIG, period_length=1)) == 0
    assert two.read(count_stalled, "99", CONFIG, two.now_s) == 0


def test_beyond_the_limit_what_is_late_counts(two: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "MAX_LATE", 1)
    assert count(two, LIMIT_S + 1) == 2
