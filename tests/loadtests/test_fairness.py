"""The bench of crowds, in small: every kind of connection is made, borne, and ended at its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loadtests import fairness
from loadtests.servers import make_site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def site(tmp_path: Path) -> Any:
    made = await make_site(tmp_path, fairness.SIZES)
    return made.data, {size: f"/download{path}" for size, path in made.paths.items()}


async def test_idle_connections(site: Any) -> None:
    rows = await fairness.idle(*site, 50, 1, 0.2)
    assert [figure.split()[-1] for _, figure, *_ in rows[:3]] == ["KiB", "µs", "µs"]


async def test_slow_connections_are_ended(site: Any) -> None:
    rows = await fairness.nuisances(*site, 20, 1, 0.2)
    assert [goal for *_, goal, _ in rows[-4:]] == ["≤ 5 s", "≤ 5 s", "≤ 5 s", "≤ 12 s"]
    # How long each took is the bench's to say; here it is enough that all were ended, which it asserts.
    assert all(float(figure.split()[0]) >= fairness.HEAD_TIMEOUT_S - 1 for _, figure, *_ in rows[-4:])
