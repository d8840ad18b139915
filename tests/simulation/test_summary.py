from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from distd.domain.settings import DownloadConfig
from distd.simulation.simulate import join, simulate, split
from distd.simulation.summary import as_json, summarise
from distd.simulation.world import Line, Mirror, Package, Site, World

CONFIG = DownloadConfig(frag_latency_s=1, cycle_latency_s=2, period_latency_s=3, period_length=10)
SITES = (
    Site("a", 300, Line.read("300kB/s")),
    Site("b", 50, mirror=Mirror(Line.read("1MB/s"), ((100.0, 900.0),))),
    Site("c", 200),
)


def world(**values: Any) -> World:
    packages = (Package.from_sizes("big", 2, 300_000, 65_536), Package.from_sizes("never", 11, 5000, 1000))
    return replace(World(packages, SITES, CONFIG, contact_s=600.0), **values)


@pytest.mark.parametrize("parts", [1, 2, 3, 9])
def test_a_world_split_and_joined_is_the_same(parts: Any) -> None:
    whole = simulate(world(), 3)
    pieces = split(world(), parts)
    assert len(pieces) == min(parts, 3)
    joined = join(world(), [(piece, simulate(piece, 3)) for piece in pieces])
    assert joined.digest() == whole.digest()
    for name in ("contact_us", "site", "line_bytes", "mirror_bytes", "origin_bytes"):
        assert (getattr(joined, name) == getattr(whole, name)).all()


def test_sites_that_share_a_limited_origin_are_not_split() -> None:
    assert split(world(origin=Line.read("1MB/s")), 3) == [world(origin=Line.read("1MB/s"))]


def test_a_summary() -> None:
    result = simulate(world(), 3)
    summary = summarise(world(), result)
    big, never = summary.packages["big"], summary.packages["never"]
    assert (big.done, big.never) == (550, 0)
    assert (never.done, never.never) == (0, 550)
    assert never.after_s[50] is None
    done = sorted(result.done_us[0].tolist())
    assert [round((big.after_s[share] or 0) * 1e6) for share in (50, 99, 100)] == [done[274], done[544], done[549]]
    # No agent has both.
    assert summary.all.done == 0
    assert summary.curve == []
    assert summary.origin.bytes == sum(load.bytes for load in summary.lines)
    assert sum(load.bytes for load in summary.mirrors) + summary.origin.bytes == 550 * 300_000
    worst = summary.worst_line
    assert worst is not None
    assert worst.peak_bytes_per_s == result.line_bytes.max() / 60
    assert as_json(summary)["packages"]["big"]["after_s"]["100"] == big.after_s[100]


def test_a_curve_ends_at_1() -> None:
    small = world(packages=(Package.from_sizes("p", 1, 5000, 1000),))
    summary = summarise(small, simulate(small))
    shares = [share for _, share in summary.curve]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert summary.curve[-1][0] == pytest.approx(summary.all.after_s[100], abs=0.001)
