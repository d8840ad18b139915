"""Thresholds: how they are read, and when they hold."""

from __future__ import annotations

from typing import Any

import pytest

from agentsim.fleet.thresholds import in_unit, read
from distd.domain.errors import BadInput


@pytest.mark.parametrize(
    ("text", "figures", "holds"),
    [
        ("fragment_p99<200ms", {"fragment_p99": 0.1999}, True),
        ("fragment_p99<200ms", {"fragment_p99": 0.2}, False),
        ("fragment_p99 <= 200 ms", {"fragment_p99": 0.2}, True),
        ("fragment_p99<200ms", {}, False),
        ("success>=99.9%", {"success": 0.999}, True),
        ("success>=99.9%", {"success": 0.998}, False),
        ("lost==0", {"lost": 0}, True),
        ("finish_p95<2h", {"finish_p95": 7199.0}, True),
        ("finish_p95<2h", {"finish_p95": float("inf")}, False),
        ("bytes_per_s>10MB/s", {"bytes_per_s": 1e7}, False),
        ("memory<=1GB", {"memory": 1e9}, True),
    ],
)
def test_thresholds(text: Any, figures: Any, holds: Any) -> None:
    assert read(text).holds(figures) is holds


@pytest.mark.parametrize(
    "text", ["", "fragment_p99", "fragment_p98<1s", "speed>3", "success>=99%%", "success=>1", "lost==x", "lost==-1"]
)
def test_what_is_no_threshold(text: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read(text)
    assert caught.value.field == "--threshold"


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("fragment_p99<200ms", 0.004991, "4.991 ms"),
        ("success>=99.9%", 0.99914, "99.914%"),
        ("bytes_per_s<=2.1MB/s", 1_669_560.0, "1.6696 MB/s"),
        ("lost==0", 0, "0"),
        ("fragments>=1000", 80_000, "80,000"),
        ("finish_p99<5min", None, "none"),
    ],
)
def test_a_figure_in_the_unit_of_its_threshold(text: Any, value: Any, shown: Any) -> None:
    assert in_unit(text, value) == shown


@pytest.mark.parametrize("text", ["success>=99.9", "errors<5"])
def test_a_share_is_no_more_than_all(text: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read(text)
    assert "0% to 100%" in str(caught.value)
