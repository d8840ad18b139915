"""Each attack connects where it says, and sends what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from loadtests.attack_figures import ATTACKS_GOAL
from loadtests.attacks.attacker import Attacker
from loadtests.attacks.table import ALL, BY_NAME
from tests.loadtests.attacks.recording_site import RecordingSite
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from loadtests.attacks.table import Attack

SHARE = 0.02


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
async def test_an_attack_sends_what_it_says(tmp_path: Path, attack: Attack) -> None:
    site = RecordingSite(tmp_path)
    async with site.serve() as facts, trio.open_nursery() as nursery:
        attacker = Attacker(facts, SHARE)
        nursery.start_soon(attack.run, attacker)
        await await_until(lambda: site.has_seen(attack.at, attack.sends), f"it has sent {attack.sends!r}")
        await await_until(lambda: attacker.connected, "it has counted its connection")
        nursery.cancel_scope.cancel()


def test_there_are_attacks_enough_each_of_its_own() -> None:
    assert len(BY_NAME) == len(ALL) >= ATTACKS_GOAL
    assert len({attack.run for attack in ALL}) == len(ALL)
    assert [attack.name for attack in ALL if not attack.sends] == ["1,100 silent connections"]
