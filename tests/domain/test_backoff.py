"""Pauses between tries."""

from __future__ import annotations

from distd.domain.backoff import Backoff


def test_pauses_grow_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 3)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3, 3]


def test_another_factor() -> None:
    backoff = Backoff(0.2, 60, factor=4)
    assert [round(backoff.next_s(), 6) for _ in range(3)] == [0.2, 0.8, 3.2]


def test_after_a_success_it_begins_again() -> None:
    backoff = Backoff(1, 60)
    assert [backoff.next_s(), backoff.next_s()] == [1, 2]
    backoff.reset()
    assert backoff.next_s() == 1


def test_jitter_spreads_each_pause_around_itself() -> None:
    draws = iter([0.0, 1.0, 0.5])
    backoff = Backoff(2, 60, jitter=lambda: next(draws))
    assert [backoff.next_s() for _ in range(3)] == [1, 6, 8]
