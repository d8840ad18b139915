"""When what comes every so many days is due."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.recurrence import check_days, next_due

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY_S = 86_400.0


@pytest.fixture
def _paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@given(first=st.integers(0, 2**31), days=st.integers(1, 400), later=st.integers(-(10**6), 10**9))
def test_it_is_the_first_one_that_is_to_come(first: int, days: int, later: int) -> None:
    after = max(first + later, 0)
    due = next_due(first, days, after)
    assert due > after
    assert due == first or due - days * DAY_S <= after + 3600


@pytest.mark.usefixtures("_paris")
def test_the_time_of_the_day_stays_when_the_clocks_are_set() -> None:
    first = datetime.fromisoformat("2026-10-23T18:00:00+02:00").timestamp()
    due = next_due(first, 7, first)
    assert time.strftime("%m-%d %H:%M", time.localtime(due)) == "10-30 18:00"
    assert due - first == 7 * DAY_S + 3600


def test_what_was_missed_comes_once() -> None:
    assert next_due(1000.0, 2, 1000.0 + 9 * DAY_S) == 1000.0 + 10 * DAY_S


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_numbers_of_days(days: int) -> None:
    with pytest.raises(BadInput, match="1 to 3650 days"):
        check_days(days)


@pytest.mark.parametrize("part_us", [0.2, 0.5, 0.8])
def test_the_time_itself_is_not_later_than_itself(part_us: float) -> None:
    now_s = 1_700_000_000.123456 + part_us / 1e6
    assert next_due(now_s, 7, now_s) == pytest.approx(now_s + 7 * 86_400, abs=1e-5)
