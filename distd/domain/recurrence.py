"""When what comes every so many days is due. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from distd.domain.errors import BadInput

MAX_DAYS: Final = 3650


def check_days(days: int, field: str = "every_days") -> None:
    """Raises `BadInput`."""
    if not 1 <= days <= MAX_DAYS:
        raise BadInput(field, f"1 to {MAX_DAYS} days", days)


def next_due(first_s: float, every_days: int, after_s: float) -> float:
    """The first time later than `after_s` of those that are `every_days` apart from `first_s` on, at the same local
    time of the day, also where the clocks are set in between. Times that have passed unused are passed over."""
    first = datetime.fromtimestamp(first_s)  # noqa: DTZ006 - naive: local time, whatever the clocks do
    passed = max(int((after_s - first_s) // 86_400 // every_days) - 1, 0)
    while True:
        due_s = (first + timedelta(days=passed * every_days)).timestamp()
        if round(due_s * 1e6) > round(after_s * 1e6):  # a datetime has whole microseconds: it may be a little later
            return due_s
        passed += 1
