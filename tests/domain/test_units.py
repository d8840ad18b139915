from __future__ import annotations

from typing import Any

import pytest

from distd.domain.units import duration, rate, volume


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "never"),
        (0, "0.0 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 0 s"),
        (250, "4 min 10 s"),
        (3599.7, "1 h 0 min"),
        (3600 * 26 + 720, "26 h 12 min"),
        (3600 * 47 + 59.6 * 60, "2 d 0 h"),
        (86400 * 3 + 7200, "3 d 2 h"),
    ],
)
def test_times(seconds: Any, text: Any) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (376_412, "376 kB"), (1_240_000, "1.24 MB"), (68.5e9, "68.5 GB"),
     (3e15, "3000 TB"), (999_600, "1 MB")],
)  # fmt: skip
def test_volumes_and_rates(value: Any, text: Any) -> None:
    assert volume(value) == text
    assert rate(value) == f"{text}/s"
