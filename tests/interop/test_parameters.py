"""A stock agent keeps the parameters of its computer, not those of the site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.interop.conftest import Operator
    from tests.interop.fixture_types import NewComputer, Noise, Server
    from tests.programs.stock_agent import StockAgent


def kept(computer: StockAgent) -> dict[str, int]:
    """What the agent has written down of the CONF line of its last contact."""
    (file,) = computer.state.rglob("config")
    return {name: int(value) for name, value in re.findall(r'(\w+)="(\d+)"', file.read_text())}


async def test_changed_latencies_of_one_computer_are_kept_by_its_agent(
    operator: Operator, server: Server, new_computer: NewComputer, noise: Noise
) -> None:
    package_id = operator.publish("STORE", "--path", "INSTALL_PATH/stored", "--fragments", 2, source=noise(5000))
    own, other = (new_computer(operator, server) for _ in range(2))
    operator.assign(package_id, own, other)
    values = ("download.frag_latency_s=1", "download.cycle_latency_s=1", "download.period_length=4")
    operator.distd("computer", "set", own.device_id, *values)

    reports = [await computer.run() for computer in (own, other)]

    assert [report.codes for report in reports] == [((package_id, "SUCCESS"),)] * 2
    wanted = {"FRAG_LATENCY": 1, "CYCLE_LATENCY": 1, "PERIOD_LENGTH": 4, "PERIOD_LATENCY": 0}
    assert {name: kept(own)[name] for name in wanted} == wanted
    assert (kept(other)["FRAG_LATENCY"], kept(other)["PERIOD_LENGTH"]) == (0, 10)
    shown = operator.distd("computer", "show", own.device_id)["parameters"]
    assert shown["download.frag_latency_s"] == {"value": 1, "origin": "computer"}

    operator.distd("computer", "set", own.device_id, "download.frag_latency_s=")
    await own.run()

    assert kept(own)["FRAG_LATENCY"] == 0
