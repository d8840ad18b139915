"""The schedulers against the log of the stock agent, turn by turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.domain.records import Dialect
from distd.domain.settings import DownloadConfig
from tests.programs.stock_agent_log import differences, logged_steps

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise, Server

ALL = tuple(Dialect)
CASES = {
    "one package": (((1, 3),), ALL),
    "more than a period": (((2, 12),), ALL),
    "a priority that does not divide the period": (((3, 7),), ALL),
    "only the last cycle": (((10, 2),), ALL),
    "two of the same priority": (((1, 2), (1, 4)), ALL),
    "two priorities": (((1, 12), (4, 3)), ALL),
    "three": (((2, 6), (3, 2), (5, 1)), ALL),
    "without a file": (((2, 0),), ALL),
    # Here the dialects differ, and the stock agent is the Unix one.
    "absolute priority": (((0, 3),), (Dialect.UNIX,)),
    "absolute priority for periods": (((0, 35),), (Dialect.UNIX,)),
}
CONFIG = DownloadConfig(frag_latency_s=0, cycle_latency_s=0, period_latency_s=0, period_length=10)


@pytest.mark.parametrize("name", CASES)
async def test_turn_by_turn(
    name: str, operator: Operator, server: Server, new_computer: NewComputer, noise: Noise, tmp_path: Path
) -> None:
    shapes, dialects = CASES[name]
    packages = {}
    for number, (priority, fragments) in enumerate(shapes):
        if fragments:
            where = ("--path", tmp_path / "stored", "--fragments", fragments)
            source = noise(fragments * 1024, f"{number}.bin")
            package_id = operator.publish("STORE", *where, source=source, priority=priority)
        else:
            package_id = operator.publish("EXECUTE", "--command", "true", priority=priority)
        packages[package_id] = (priority, fragments)
    computer = new_computer(operator, server)
    await computer.run()  # an inventory: before it no more than one package is listed
    for package_id in packages:
        operator.assign(package_id, computer)
    report = await computer.run()
    assert {code for _, code in report.codes} <= {"SUCCESS", "SUCCESS_0"}
    assert len(report.codes) == len(packages)
    for dialect in dialects:
        assert differences(report.log, dialect, CONFIG, packages) == [], logged_steps(report.log)


def test_a_difference_is_found() -> None:
    log = "New period\nDownloading 17-1\nNow pausing for a fragment latency => 0 seconds\n"
    (found,) = differences(log, Dialect.UNIX, CONFIG, {"17": (2, 1)})
    assert found == "step 2: expected ['cycle 0', '17', 'fragment 0', 'cycle 0', 'cycle 0'], got ['17', 'fragment 0']"
