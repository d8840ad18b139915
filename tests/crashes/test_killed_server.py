"""kill -9 of a server at random moments under load: `make bench-kills` does it 100 times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.cli.main import run
from tests.fixtures.databases import BOTH
from tests.programs.killed_server import OF_ROUND, run_kills

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 5


@pytest.mark.parametrize("kind", BOTH)
async def test_nothing_that_was_acknowledged_is_lost(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    options: list[str] = []
    if kind == "postgresql":
        cluster: Any = request.getfixturevalue("postgresql_cluster")
        options = ["--database", cluster.url(cluster.create_database())]
    data = tmp_path / "site"
    assert run(["init", "--data", str(data), "--host", "localhost", *options]) == 0
    result = await run_kills(data, KILLS, seed=1)
    assert result.faults == []
    assert (result.kills, result.failed > 0, result.reports) == (KILLS, True, KILLS * OF_ROUND)
