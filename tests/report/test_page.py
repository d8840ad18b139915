from __future__ import annotations

import pytest

from distd.report.page import Table, number_text, time_unit, volume_unit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (1.234, "1.23"),
        (1.5, "1.5"),
        (12.34, "12.3"),
        (120.4, "120"),
        (12345.6, "12,346"),
        (1000, "1,000"),
        (-2.5, "-2.5"),
    ],
)
def test_numbers_show_three_digits_that_count(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("longest_s", "name", "seconds"),
    [
        (0, "s", 1),
        (180, "s", 1),
        (181, "min", 60),
        (3 * 3600, "min", 60),
        (4 * 86_400, "h", 3600),
        (1e7, "days", 86_400),
    ],
)
def test_an_axis_of_time_has_the_unit_of_its_length(longest_s: float, name: str, seconds: float) -> None:
    unit = time_unit(longest_s)
    assert (unit.name, unit.seconds) == (name, seconds)
    # Some step of the unit makes a handful of ticks.
    assert any(longest_s / seconds / step <= 12 for step in unit.steps)


@pytest.mark.parametrize(
    ("largest", "unit"),
    [(0, ("B", 1)), (999, ("B", 1)), (1000, ("kB", 1e3)), (5e6, ("MB", 1e6)), (5e9, ("GB", 1e9)), (1e18, ("TB", 1e12))],
)
def test_an_axis_of_bytes_has_the_unit_of_its_largest(largest: float, unit: tuple[str, float]) -> None:
    assert volume_unit(largest) == unit


def test_turning_twice_changes_nothing() -> None:
    table = Table("Three", ("", "p50", "p99"), [["prolog", "1", "2"], ["info", "3", "4"]], note="a note")
    assert table.turned().columns == ("", "prolog", "info")
    assert table.turned().rows == [["p50", "1", "3"], ["p99", "2", "4"]]
    assert table.turned().turned().columns == table.columns
    assert table.turned().turned().rows == table.rows
