"""The numbers of a drawing."""

from __future__ import annotations

import math

import pytest

from distd.web.console.chart import BOTTOM, LEFT, RIGHT, TOP, line_chart


def test_steps_from_the_origin_to_the_end() -> None:
    chart = line_chart([(60.0, 1), (120.0, 2)], 2, 240.0)
    assert chart is not None
    path = chart.path
    assert path == f"M{float(LEFT)},{float(BOTTOM)}H212.5V105.0H375.0V{float(TOP)}H{float(RIGHT)}"
    assert list(chart.times) == [(50.0, 0), (212.5, 60), (375.0, 120), (537.5, 180), (700.0, 240)]
    assert list(chart.values) == [(190.0, 0), (105.0, 1), (20.0, 2)]


@pytest.mark.parametrize("end_s", [0.5, 7, 61, 3601, 90_000, 4e6])
def test_axes_have_few_marks_that_reach_the_end(end_s: float) -> None:
    chart = line_chart([(end_s / 2, 1)], 1, end_s)
    assert chart is not None
    assert 2 <= len(chart.times) <= 5
    assert chart.times[-1][1] >= end_s


def test_what_never_ends_has_no_drawing() -> None:
    assert line_chart([(1.0, 1)], 1, math.inf) is None
    assert line_chart([], 1, 5.0) is None
