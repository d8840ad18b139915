"""Fragment plans: the sum and the limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.fragment_plan import (
    MAX_FRAGMENTS,
    MIN_FRAGMENT_BYTES,
    ByContent,
    ByCount,
    ByDuration,
    BySize,
    by_count,
    by_size,
    check,
    count_within,
    lengths,
    read_plan,
    text_of,
)
from distd.domain.records import Dialect
from distd.domain.schedule import start_s
from distd.domain.settings import DownloadConfig

SIZES = st.integers(0, 5_000_000)


@pytest.mark.parametrize(
    ("size_bytes", "fragment_bytes", "lengths"),
    [
        pytest.param(0, 1024, [0], id="an empty file has one fragment"),
        pytest.param(1, 1024, [1], id="a tiny one too"),
        pytest.param(1024, 1024, [1024], id="exactly one"),
        pytest.param(1025, 1024, [1024, 1], id="one byte over"),
        pytest.param(3072, 1024, [1024, 1024, 1024], id="no empty last one"),
        pytest.param(5000, 2048, [2048, 2048, 904], id="a short last one"),
    ],
)
def test_by_size(size_bytes: Any, fragment_bytes: Any, lengths: Any) -> None:
    assert by_size(size_bytes, fragment_bytes) == lengths


@given(SIZES, st.integers(MIN_FRAGMENT_BYTES, 2_000_000))
def test_by_size_all_fragments_but_the_last_are_equal(size_bytes: Any, fragment_bytes: Any) -> None:
    *full, last = by_size(size_bytes, fragment_bytes)
    assert set(full) <= {fragment_bytes}
    assert sum(full) + last == size_bytes
    assert 0 <= last <= fragment_bytes
    assert last > 0 or size_bytes == 0


@pytest.mark.parametrize("fragment_bytes", [1023, 1, 0, -1, -1024])
def test_a_fragment_has_at_least_1_kib(fragment_bytes: Any) -> None:
    with pytest.raises(BadInput) as caught:
        by_size(10_000, fragment_bytes)
    assert (caught.value.field, caught.value.got) == ("fragments.size_bytes", fragment_bytes)
    assert caught.value.expected == "at least 1024 bytes (1KiB)"


def test_the_limit_on_fragments_holds_to_the_byte() -> None:
    most_bytes = MAX_FRAGMENTS * MIN_FRAGMENT_BYTES
    assert len(by_size(most_bytes, MIN_FRAGMENT_BYTES)) == MAX_FRAGMENTS
    with pytest.raises(BadInput, match=r"1000001 fragments.*at least 1025 bytes"):
        by_size(most_bytes + 1, MIN_FRAGMENT_BYTES)
    assert len(by_size(most_bytes + 1, 1025)) < MAX_FRAGMENTS


@given(SIZES, st.data())
def test_by_count_gives_that_many_as_equal_as_possible(size_bytes: Any, data: Any) -> None:
    count = data.draw(st.integers(1, max(1, size_bytes // MIN_FRAGMENT_BYTES)))
    lengths = by_count(size_bytes, count)
    assert len(lengths) == count
    assert sum(lengths) == size_bytes
    assert max(lengths) - min(lengths) <= 1
    assert count == 1 or min(lengths) >= MIN_FRAGMENT_BYTES


@pytest.mark.parametrize(
    ("size_bytes", "count", "most"),
    [
        pytest.param(0, 2, 1, id="an empty file"),
        pytest.param(1023, 2, 1, id="less than one"),
        pytest.param(2047, 2, 1, id="a byte less than two"),
        pytest.param(10_240, 11, 10, id="one more than fits"),
        pytest.param(10_240, 0, 10, id="none"),
        pytest.param(10_240, -3, 10, id="negative"),
        pytest.param(2**40, MAX_FRAGMENTS + 1, MAX_FRAGMENTS, id="over the limit"),
    ],
)
def test_an_impossible_count_says_what_is_possible(size_bytes: Any, count: Any, most: Any) -> None:
    with pytest.raises(BadInput, match=f"1 to {most} for {size_bytes} bytes") as caught:
        by_count(size_bytes, count)
    assert (caught.value.field, caught.value.got) == ("fragments.count", count)
    assert len(by_count(size_bytes, most)) == most


# --- plans -------------------------------------------------------------------------------------------------------

CONFIG = DownloadConfig(frag_latency_s=15, cycle_latency_s=15, period_latency_s=15, period_length=10)


@given(st.integers(0, 10), st.integers(100, 1_000_000))
def test_as_many_fragments_as_fit_into_the_duration(priority: Any, duration_s: Any) -> None:
    plan = ByDuration(duration_s, priority, CONFIG)
    first_s = start_s(Dialect.NATIVE, CONFIG, priority, 2, 0)
    if first_s > duration_s:
        with pytest.raises(BadInput, match=f"fragments.duration_s: expected at least {first_s} s"):
            count_within(plan)
        return
    count = count_within(plan)
    assert start_s(Dialect.NATIVE, CONFIG, priority, count + 1, 0) <= duration_s
    assert start_s(Dialect.NATIVE, CONFIG, priority, count + 2, 0) > duration_s


def test_two_hours_at_priority_5() -> None:
    """Two turns a period, each with its latencies: 10 cycles and a period in 195 s."""
    plan = ByDuration(7200, 5, CONFIG)
    assert count_within(plan) == 73
    assert len(lengths(plan, 100_000_000)) == 73
    assert lengths(plan, 5000) == [1250, 1250, 1250, 1250]
    assert lengths(plan, 0) == [0]


def test_a_duration_needs_latencies() -> None:
    with pytest.raises(BadInput, match=r"fragments.duration_s: expected a time that the latencies can fill, got 10 s"):
        check(ByDuration(10, 5, DownloadConfig(frag_latency_s=0, cycle_latency_s=0, period_latency_s=0)))


def test_a_priority_that_has_no_turn_has_no_duration() -> None:
    with pytest.raises(BadInput, match=r"priority: expected at most download.period_length, 5, got 6"):
        check(ByDuration(7200, 6, DownloadConfig(period_length=5)))


@pytest.mark.parametrize(
    "plan", [BySize(4096), BySize(), ByCount(7), ByDuration(90.5, 5, CONFIG), ByContent(8192)], ids=text_of
)
def test_a_plan_is_read_as_it_was_written(plan: Any) -> None:
    assert read_plan(text_of(plan), 5, CONFIG) == plan


def test_no_plan_is_the_default() -> None:
    assert read_plan("", 5, CONFIG) == BySize()
