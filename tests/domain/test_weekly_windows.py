"""Times of a week."""

from __future__ import annotations

import pytest

from distd.domain.errors import BadInput
from distd.domain.weekly_windows import MAX_WINDOWS, parse_windows

FRIDAY, SATURDAY, SUNDAY = 4, 5, 6


def test_days_and_hours() -> None:
    night, weekend = parse_windows("mon-fri 22:30-6; sat,sun", "windows")
    assert night.holds(FRIDAY, 22 * 60 + 30)
    assert night.holds(SATURDAY, 5 * 60 + 59)  # still Friday's
    assert not night.holds(SATURDAY, 6 * 60)
    assert not night.holds(SUNDAY, 5 * 60)
    assert weekend.holds(SUNDAY, 0)
    assert weekend.holds(SATURDAY, 1439)
    assert not weekend.holds(FRIDAY, 0)
    assert parse_windows(" ; ", "windows") == ()


def test_as_french_writes_them() -> None:
    assert parse_windows("lun-ven 18h-6h30; samedi,dim.", "x") == parse_windows("mon-fri 18-6:30; sat,sun", "x")


@pytest.mark.parametrize(
    "text", ["noon", "mon tue", "8-9 10-11", "8-8", "25-26", ";".join(["mon"] * (MAX_WINDOWS + 1))]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadInput, match=r"^windows: expected"):
        parse_windows(text, "windows")
