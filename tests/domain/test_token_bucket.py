"""The arithmetic of token buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distd.domain.token_bucket import TokenBucket, refill, wait_s

BURST_S = 0.25


def threshold(rate: float) -> float:
    """As the pacer has it."""
    return min(4096, rate * BURST_S / 2)


@given(
    st.floats(100, 1e9),
    st.lists(st.tuples(st.floats(0.001, 0.2), st.floats(0, 1)), min_size=50, max_size=200),
)
def test_never_more_than_the_rate_and_one_burst(rate: float, steps: list[tuple[float, float]]) -> None:
    level, elapsed_s, sent = 0.0, 0.0, 0.0
    for step_s, share in steps:
        level = refill(level, step_s, rate, rate * BURST_S)
        elapsed_s += step_s
        if level >= threshold(rate):
            taken = level * share
            level -= taken
            sent += taken
    assert sent <= rate * (elapsed_s + BURST_S) * 1.000001


@given(st.floats(100, 1e9), st.floats(0.01, BURST_S / 2))
def test_taking_all_of_it_each_time_gives_the_rate(rate: float, step_s: float) -> None:
    level, sent = 0.0, 0.0
    for _ in range(200):
        level = refill(level, step_s, rate, rate * BURST_S)
        if level >= threshold(rate):
            sent += level
            level = 0
    missing_s = step_s + threshold(rate) / rate
    assert sent >= rate * (200 * step_s - missing_s) * 0.999999


@given(st.floats(1, 1e9), st.floats(-1e6, 1e6))
def test_after_the_wait_there_is_enough(rate: float, level: float) -> None:
    capacity = rate * BURST_S
    after = refill(min(level, capacity), wait_s(level, threshold(rate), rate), rate, capacity)
    assert after >= threshold(rate) * 0.999 - 1e-3


def test_a_clock_that_runs_backwards_adds_and_takes_nothing() -> None:
    assert refill(5.0, -3.0, 100.0, 25.0) == 5.0


def test_a_bucket_is_full_at_first_and_refills_up_to_its_capacity() -> None:
    bucket = TokenBucket(10, 20, now_s=100)
    assert [bucket.take(8, 100) for _ in range(3)] == [True, True, False]
    assert bucket.take(8, 100.5)
    assert not bucket.take(2, 100.5)
    assert bucket.take(20, 1000)
    assert not bucket.take(1, 1000)


def test_what_was_spent_into_debt_is_waited_for() -> None:
    bucket = TokenBucket(10, 20, now_s=0)
    bucket.spend(50)
    assert bucket.level == -30
    assert bucket.wait_s(5, 1) == 2.5
    assert bucket.wait_s(5, 3.5) == 0
