"""Where the parts of charts are."""

from __future__ import annotations

import pytest

from distd.origin.deployments.statistics import CurvePoint
from distd.web.console.charts import CIRCLE, HEIGHT, LEFT, RIGHT, WIDTH, curve, ring


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


def test_what_is_measured_has_a_third_of_the_width_however_long_it_will_take() -> None:
    points = [CurvePoint(0.0, 10, 0, 0, 0), CurvePoint(60.0, 10, 1, 1, 0)]
    expected = [(0.0, 0.0, 0.0, 0.0), (90.0, 1.0, 2.0, 3.0), (276.0, 5.0, 6.0, 7.0), (90_000.0, 10.0, 10.0, 10.0)]
    found = curve(points, ("success",), 60.0, expected)
    assert found is not None
    assert found.times[-1][0] == 183.0
    assert found.now_x == pytest.approx(LEFT + (WIDTH - LEFT - RIGHT) / 3, abs=0.1)
    *_, last = found.predicted.split()
    four = (found.levels[0][1] * 6 + found.levels[-1][1] * 4) / 10
    assert last == f"{WIDTH - RIGHT:.1f},{four:.1f}", "halfway between 2 and 6"
    whole = curve(points, ("success",), 60.0, expected[:2])
    assert whole is not None
    assert whole.times[-1][0] == 90.0


def test_while_nothing_is_measured_the_whole_prediction_is_drawn() -> None:
    found = curve([CurvePoint(0.0, 10, 0, 0, 0)], ("success",), 60.0, [(0.0, 0.0, 0.0, 0.0), (9000.0, 9.0, 9.0, 9.0)])
    assert found is not None
    assert found.times[-1][0] == 9000.0


def test_of_what_is_over_a_prediction_far_off_is_not_drawn() -> None:
    points = [CurvePoint(0.0, 10, 0, 0, 0), CurvePoint(60.0, 10, 10, 10, 0)]
    near, far = [(0.0, 0.0, 0.0, 0.0), (90.0, 9.0, 9.0, 9.0)], [(0.0, 0.0, 0.0, 0.0), (9000.0, 9.0, 9.0, 9.0)]
    ends = []
    for expected in (near, far):
        found = curve(points, ("success",), 60.0, expected, goes_on=False)
        assert found is not None
        assert found.now_x == 0.0
        ends.append(found.times[-1][0])
    assert ends == [90.0, 61.0]
