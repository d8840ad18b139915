"""The scenarios in their small forms: real servers, mirrors and fleets."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from distd.report.page import Table
from loadtests import results
from loadtests.scenario import MirrorLoss, loss_rows, mirror_rows, run, served
from loadtests.scenarios import TABLE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", TABLE)
async def test_a_scenario_in_its_small_form(tmp_path: Path, name: str) -> None:
    scenario = TABLE[name]
    result = await run(replace(scenario, **scenario.small), tmp_path)
    assert result.is_met, "\n".join(" | ".join(row) for row in result.rows)
    assert result.report["figures"]["done"] == (scenario.small or {}).get("agents", scenario.agents)
    goals = [text for text in scenario.thresholds if re.match(r"success>=", text)]
    assert goals == ["success>=100%"]


async def test_a_mirror_that_is_lost_too_late_proves_nothing(tmp_path: Path) -> None:
    scenario = TABLE["mirror-lost"]
    options = ("--arrival", "window=1min", "--time-scale", "1000")
    few = {"agents": 10, "options": options, "lost_after_s": 600.0}
    result = await run(replace(scenario, **{**scenario.small, **few}), tmp_path)
    assert not result.is_met
    assert results.missed(result.rows) == ["the first mirror was killed"]


NEAR, FAR, ORIGIN = (f"127.0.0.1:{port}" for port in (8001, 8002, 8000))


@pytest.mark.parametrize(
    ("fragments", "missed"),
    [
        pytest.param({NEAR: 300, FAR: 400}, [], id="by both"),
        pytest.param({NEAR: 300, FAR: 400, ORIGIN: 7}, [], id="a few by the origin"),
        pytest.param({NEAR: 300, FAR: 400, ORIGIN: 8}, ["… from elsewhere, of all"], id="too many by the origin"),
        pytest.param({FAR: 700}, ["fragments that agents had from each mirror"], id="one is idle"),
        pytest.param(
            {ORIGIN: 700}, ["fragments that agents had from each mirror", "… from elsewhere, of all"], id="via=origin"
        ),
        pytest.param({}, ["fragments that agents had from each mirror"], id="no fragments"),
    ],
)
def test_mirrors_must_be_used(fragments: dict[str, int], missed: list[str]) -> None:
    report = {"places": {place: {"fragments": count, "bytes": count * 1000} for place, count in fragments.items()}}
    assert results.missed(mirror_rows(report, served(report, [NEAR, FAR]))) == missed


@pytest.mark.parametrize(
    ("loss", "sent", "missed"),
    [
        pytest.param(MirrorLoss(2.0, 40), [33, 607], [], id="in the middle"),
        pytest.param(None, [320, 320], ["the first mirror was killed"], id="too late"),
        pytest.param(
            MirrorLoss(2.0, 40), [0, 640], ["… fragments that agents had from it before"], id="not used before"
        ),
        pytest.param(MirrorLoss(2.0, 607), [33, 607], ["… from the other mirrors afterwards"], id="nothing came after"),
    ],
)
def test_a_mirror_is_lost_in_the_middle(loss: MirrorLoss | None, sent: list[int], missed: list[str]) -> None:
    assert results.missed(loss_rows(loss, sent)) == missed


def test_a_section_is_put_in_its_place() -> None:
    table = Table("T", ("what", "figure"), [["a|b", "1"]])
    facts = {"date": "d", "machine": "m", "system": "s", "versions": "v", "commit": "c"}
    first = results.put_section("# Head\n", "one", results.section("One", "make one", facts, [table]))
    assert "| a\\|b | 1 |" in first
    assert "`make one`, d, m, s, v, commit c." in first
    second = results.put_section(first, "two", "## Two")
    again = results.put_section(second, "one", "## One anew")
    assert (
        again
        == "# Head\n\n<!-- one -->\n## One anew\n<!-- end of one -->\n\n<!-- two -->\n## Two\n<!-- end of two -->\n"
    )
    with pytest.raises(ValueError, match="end of one"):
        results.put_section("<!-- one -->\n", "one", "")
