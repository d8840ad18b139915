"""Where the parts of charts are."""

from __future__ import annotations

import pytest

from distd.origin.deployments.statistics import CurvePoint
from distd.web.console.charts import CIRCLE, HEIGHT, WIDTH, curve, ring


def test_a_ring_is_closed_and_nothing_is_too_small_to_be_seen() -> None:
    arcs = ring({"success": 9999, "failed": 1, "waiting": 0})
    assert [arc.kind for arc in arcs] == ["success", "failed"]
    assert sum(arc.length for arc in arcs) == pytest.approx(CIRCLE, abs=0.05)
    assert arcs[1].length > 0.4
    assert arcs[1].start == pytest.approx(arcs[0].length, abs=0.05)
    assert ring({"success": 0}) == []


def test_a_curve_is_within_its_frame() -> None:
    points = [CurvePoint(100.0 + at, 7, at, at, 0) for at in range(8)]
    found = curve(points, ("success", "notified"), 200.0)
    assert found is not None
    assert [number for number, _ in found.levels] == [0, 2, 4, 6, 8]
    for line in found.lines.values():
        places = [tuple(map(float, pair.split(","))) for pair in line.split()]
        assert len(places) == 9
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
        assert places == sorted(places)
    assert found.times[0][0] == 100.0
    assert found.times[-1][0] == 200.0


def test_of_one_moment_and_of_none() -> None:
    assert curve([], ("success",), 0.0) is None
    found = curve([CurvePoint(5.0, 0, 0, 0, 0)], ("success",), 5.0)
    assert found is not None
    assert found.levels[-1][0] >= 1
