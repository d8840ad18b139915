from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.report.scale import scale


@given(st.lists(st.floats(-1e9, 1e9).map(lambda value: round(value, 12)), min_size=1, max_size=20), st.booleans())
def test_a_scale_holds_its_values_between_a_handful_of_ticks(values: list[float], log: bool) -> None:
    across = scale(values, log=log)
    for value in values:
        assert 0 <= round(across.at(value), 6) <= 100
        assert log or across.low <= value <= across.high or value == pytest.approx(across.high)
    ticks = across.ticks()
    assert ticks == sorted(ticks)
    assert log or 2 <= len(ticks) <= 7
    assert all(-0.001 <= across.at(tick) <= 100.001 for tick in ticks)


def test_places_are_in_proportion() -> None:
    across = scale([1.0, 2.5, 8.0])
    assert (across.low, across.high) == (0, 8)
    assert across.at(2.5) == pytest.approx(2.5 * across.at(1.0))
    assert across.ticks() == [0, 2, 4, 6, 8]


def test_below_zero_there_is_room_too() -> None:
    across = scale([-3.0, 5.0])
    assert across.at(across.low) == 0
    assert across.low <= -3
    assert 0 in across.ticks()


def test_on_a_logarithmic_scale_equal_steps_are_equal_factors() -> None:
    across = scale([1.0, 10.0, 100.0], log=True)
    assert [across.at(value) for value in (1, 10, 100)] == pytest.approx([0, 50, 100])
    assert across.ticks() == [1, 10, 100]
    assert across.at(0) == 0
    assert scale([0.0], log=True).ticks() == [1, 10]
