"""The bench of attacks, with a real server: an attack, its honest client, what is seen of both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loadtests.attack import Plan, run_round
from loadtests.attacked_site import open_site
from loadtests.attacks.table import BY_NAME

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_round(tmp_path: Path) -> None:
    async with open_site(tmp_path, 2, operators=4, within=()) as site:
        round_ = await run_round(site, BY_NAME["unknown paths"], Plan(0.5, 1, 0.02), tmp_path / "log")
        assert site.lost() == round_.lost == []
        site.deployed.append(site.to_deploy[1])  # which it has not
        assert site.lost() == [f"result of {site.to_deploy[1]}"]
    assert len(site.deployed) == 2
    assert round_.connections > 0
    assert round_.sent_bytes > 0
    assert round_.statuses["200"] >= 50
    assert round_.failures == round_.quiet_failures == {}
    assert len(round_.quiet_s) == len(round_.attacked_s) == 50
    assert len(round_.log_ins_s) == 1
    assert all(0 < seconds < math.inf for seconds in (*round_.quiet_s, *round_.attacked_s))
