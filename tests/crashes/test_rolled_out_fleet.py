"""A roll-out that halts and goes on, beside kill -9 of server and agents: `make bench-rollout` does it with 2,000."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.cli.main import run
from tests.programs.rolled_out_fleet import run_rolled_out_fleet

if TYPE_CHECKING:
    from pathlib import Path

AGENTS = 40
KILLS = 3
WAVES = [("WAVE_OPENED", number) for number in (1, 2, 3, 4)]


async def test_it_halts_goes_on_with_the_successor_and_ends(tmp_path: Path) -> None:
    data = tmp_path / "site"
    assert run(["init", "--data", str(data), "--host", "localhost"]) == 0
    result = await run_rolled_out_fleet(data, AGENTS, KILLS, seed=1)
    assert result.faults == []
    assert (result.server_kills, result.agent_kills) == (KILLS // 3, 2 * KILLS // 3)
    assert (result.halted["cause"], result.halted["wave"], result.halted["limit_percent"]) == ("errors", 2, 5)
    expected = [("STARTED", None), *WAVES[:2], ("HALTED", 2), ("RESTARTED", None), ("RESUMED", None), *WAVES]
    assert sorted(result.decisions) == sorted([*expected, ("FINISHED", None)])
    assert result.decisions[-1] == ("FINISHED", None)
