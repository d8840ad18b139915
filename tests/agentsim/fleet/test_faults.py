"""Which agents are drawn for which faults."""

from __future__ import annotations

from typing import Any

import pytest

from agentsim.fleet.faults import draw_fault
from agentsim.fleet.options import FaultShares, FleetOptions


def options(agents: int = 1000, **values: Any) -> FleetOptions:
    return FleetOptions("https://h/", "", agents, **values)


def test_faults_are_drawn_by_their_shares_and_stay() -> None:
    chosen = options(shares=FaultShares(vanish=0.2, sleep=0.3, slow=0.1, corrupt=0.05, stale=0.4), agents=4000)
    faults = [draw_fault(chosen, number) for number in range(4000)]
    shares = [
        sum(bool(getattr(fault, name)) for fault in faults) / 4000
        for name in ("vanish", "sleep", "limit_bytes_per_s", "corrupt", "stale")
    ]
    assert shares == pytest.approx([0.2, 0.3, 0.1, 0.05, 0.4], abs=0.03)
    again = draw_fault(chosen, 17)
    assert again is not None
    assert all(getattr(again, name) == getattr(faults[17], name) for name in again.__slots__)
    assert draw_fault(options(), 17) is None
