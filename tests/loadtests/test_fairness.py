"""The bench of many connections, with few: every kind is opened, held, and closed at its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests import fairness
from loadtests.servers import make_data

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def served(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A data directory, and the path of a fragment of each size."""
    data = await make_data(tmp_path, fairness.SIZES)
    return data.data, {size: f"/download{path}" for size, path in data.paths.items()}


async def test_idle_connections(served: tuple[Path, dict[str, str]]) -> None:
    rows = await fairness.idle(*served, 50, 1, 0.2)
    assert [figure.split()[-1] for _, figure, *_ in rows[:3]] == ["KiB", "µs", "µs"]


async def test_slow_connections_are_closed(served: tuple[Path, dict[str, str]]) -> None:
    rows = await fairness.slow_peers(*served, 20, 1, 0.2)
    assert [goal for *_, goal, _ in rows[-4:]] == ["≤ 5 s", "≤ 5 s", "≤ 5 s", "≤ 12 s"]
    # That all were closed, the bench asserts; how long each took is measured by the bench, not here.
    assert all(float(figure.split()[0]) >= fairness.HEAD_TIMEOUT_S - 1 for _, figure, *_ in rows[-4:])
