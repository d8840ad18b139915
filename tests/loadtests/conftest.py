from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.measure import Result, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadtests.measure import Cell

NGINX = ("nginx sendfile", "nginx read")


@pytest.fixture
def piece() -> Callable[..., Slice]:
    """A slice of so many requests in one second."""

    def make(requests: int, failure: str = "", **changes: Any) -> Slice:
        usual = Slice(
            requests=requests,
            answers=requests,
            received_bytes=requests * 5000,
            duration_s=1.0,
            p50_us=200,
            p99_us=1500,
            p999_us=9000,
            cpu_s=requests * 20e-6,
            load_cpu_s=0.5,
            pss_bytes=70_000_000,
            failure=failure,
        )
        return replace(usual, **changes)

    return make


@pytest.fixture
def result(piece: Callable[..., Slice]) -> Callable[..., Result]:
    """A cell with two rounds or more: the requests of distd, and those of nginx and Apache (1,000 by default)."""

    def make(cell: Cell, ours: Sequence[int | Slice], **others: Sequence[int | Slice]) -> Result:
        names = {"sendfile": "nginx sendfile", "read": "nginx read", "apache": "Apache"}
        given = {"distd": ours, **{name: others.get(key, [1000] * len(ours)) for key, name in names.items()}}
        slices = {
            name: [count if isinstance(count, Slice) else piece(count) for count in counts]
            for name, counts in given.items()
        }
        return Result(cell, slices, NGINX)

    return make
