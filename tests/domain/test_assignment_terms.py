"""Terms of an assignment: what is taken, and in which form agents get it."""

from __future__ import annotations

from datetime import datetime

import pytest

from distd.domain.assignment_terms import Terms, check_terms, read_moment, read_schedule
from distd.domain.errors import BadInput

FRIDAY = datetime(2026, 11, 27, 12, 0)  # noqa: DTZ001 - local


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("2026/12/01 18:00", "2026/12/01 18:00"),
        ("2026-12-01 18:00", "2026/12/01 18:00"),
        ("fri 18:00", "2026/11/27 18:00"),
        ("18h30", "2026/11/27 18:30"),
        ("2h", "2026/11/27 14:00"),
    ],
)
def test_windows_agents_get_their_form(text: str, expected: str) -> None:
    assert read_schedule(text, FRIDAY) == expected


@pytest.mark.parametrize("text", ["someday", "2026/13/01 18:00", "2020-01-01"])
def test_no_time(text: str) -> None:
    with pytest.raises(BadInput, match="schedule: expected a time"):
        read_schedule(text, FRIDAY)


def test_moments() -> None:
    assert read_moment(None, FRIDAY, "not_before") is None
    assert read_moment("", FRIDAY, "not_before") is None
    assert read_moment("2h", FRIDAY, "not_before") == FRIDAY.timestamp() + 7200
    with pytest.raises(BadInput, match="not_before: expected a time"):
        read_moment("soon", FRIDAY, "not_before")


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (Terms(schedule="fri 18:00"), "schedule"),
        (Terms(postcmd="a\nb"), "postcmd"),
        (Terms(postcmd="a" * 4097), "postcmd"),
        (Terms(not_after_s=100.0), "not_after"),
        (Terms(not_before_s=300.0, not_after_s=300.0), "not_after"),
    ],
)
def test_what_no_assignment_can_have(terms: Terms, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_terms(terms, 100.0)
    assert caught.value.field == field


def test_what_it_can_have() -> None:
    check_terms(Terms(), 100.0)
    check_terms(Terms(schedule="2026/12/01 18:00", postcmd="a" * 4096, not_before_s=50.0, not_after_s=100.5), 100.0)
