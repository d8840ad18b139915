from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.records import Dialect
from distd.domain.units import DAY_S
from distd.simulation.records import Goal
from distd.simulation.world_text import read_dialects, read_goal, read_package, read_packages, read_sites, with_mirrors

WEDNESDAY = datetime(2026, 11, 25, 10, 30)  # noqa: DTZ001 - local


def test_packages() -> None:
    package = read_package("editor=53MB@0/1MiB")
    assert (package.id, package.priority, len(package.lengths)) == ("editor", 0, 51)
    assert sum(package.lengths) == 53_000_000
    assert (read_package("252kB").id, read_package("252kB").priority) == ("252kB", 5)


def test_packages_have_names_of_their_own() -> None:
    assert [package.id for package in read_packages(["a=1MB", "b=1MB"])] == ["a", "b"]
    with pytest.raises(BadInput, match="packages: expected names that differ"):
        read_packages(["1MB", "1MB"])


def test_sites_and_mirrors() -> None:
    sites = with_mirrors(read_sites(["a=3", "b=4:1MB/s", "c=5:"], 9, "2MB/s"), ["b=3MB/s", "c"], ["b=1-2", "b=4-5"])
    assert [site.line.kilobytes_per_s(0) for site in sites[:2]] == [2000, 1000]
    assert [len(site.line.rules) for site in sites] == [1, 1, 0]
    assert [site.mirror and site.mirror.down for site in sites] == [None, ((3600, 7200), (14400, 18000)), ()]
    assert [site.agents for site in read_sites([], 9, "")] == [9]


def test_dialects() -> None:
    assert read_dialects(["unix", "windows=4"]) == {Dialect.UNIX: 1, Dialect.WINDOWS: 4}


@pytest.mark.parametrize("texts", [["perl"], ["unix=-1"], ["unix=0"], ["unix=many"], []])
def test_bad_dialects_are_refused(texts: Any) -> None:
    with pytest.raises(BadInput, match="dialects: expected"):
        read_dialects(texts)


def test_goals() -> None:
    assert read_goal(None, "95%", None, WEDNESDAY) is None
    assert read_goal("1d", "95%", None, WEDNESDAY) == Goal(0.95, DAY_S, math.inf)
    assert read_goal("1d", "50%", "8Mbit/s", WEDNESDAY) == Goal(0.5, DAY_S, 1_000_000)
