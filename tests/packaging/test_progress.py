"""Progress: told seldom, and always of the last byte."""

from __future__ import annotations

import pytest

from distd.packaging.progress import STEPS, ProgressMeter


@pytest.mark.parametrize(("total_bytes", "piece_bytes"), [(10, 1), (100_000, 1), (1_000_000, 7), (100, 100)])
def test_it_is_told_of_the_last_byte_and_not_of_each(total_bytes: int, piece_bytes: int) -> None:
    told: list[tuple[int, int]] = []
    meter = ProgressMeter(lambda done, total: told.append((done, total)), total_bytes)
    left_bytes = total_bytes
    while left_bytes:
        meter.add(min(piece_bytes, left_bytes))
        left_bytes -= min(piece_bytes, left_bytes)
    assert told[-1] == (total_bytes, total_bytes)
    assert len(told) <= STEPS + 1
    assert told == sorted(told)
