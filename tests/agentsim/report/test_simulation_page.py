"""The page of a simulated deployment; its tables are tested with the command."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentsim.report.simulation_page import page, verdict
from distd.report.page import Tone
from distd.simulation.records import Finish, Load, Summary
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import Line, Package, Site, World
from tests.report.parsed_page import ParsedPage

AFTER: dict[int, float | None] = {50: 60.0, 90: 100.0, 95: 110.0, 99: 200.0, 100: 300.0}
SUMMARY = Summary(
    agents=2000,
    contact_wait_s={},
    all=Finish(2000, 0, AFTER),
    packages={},
    curve=[],
    origin=Load("origin", 10, 1.0, 0.0),
    lines=[Load("paris", 10, 5e5, 120.0), Load("lyon", 10, 3e6, 60.0)],
    mirrors=[],
)
BUSIEST = "The busiest line is that of lyon: 3 MB/s, after 1 min 0 s."


@pytest.mark.parametrize(
    ("summary", "tone", "sentence"),
    [
        pytest.param(
            SUMMARY,
            Tone.GOOD,
            "95 % of 2,000 agents have all packages after 1 min 50 s, and all after 5 min 0 s.",
            id="all",
        ),
        pytest.param(
            replace(SUMMARY, all=Finish(1900, 100, AFTER | {99: None, 100: None})),
            Tone.BAD,
            "100 of 2,000 agents never get all packages; 95 % have them after 1 min 50 s.",
            id="some never",
        ),
        pytest.param(
            replace(SUMMARY, all=Finish(0, 2000, dict.fromkeys(AFTER))),
            Tone.BAD,
            "2,000 of 2,000 agents never get all packages.",
            id="none",
        ),
        pytest.param(
            replace(SUMMARY, agents=3, all=Finish(3, 0, AFTER | {95: 300.0})),
            Tone.GOOD,
            "All 3 agents have all packages after 5 min 0 s.",
            id="few agents",
        ),
        pytest.param(
            replace(SUMMARY, agents=1, all=Finish(1, 0, AFTER)),
            Tone.GOOD,
            "The agent has all packages after 5 min 0 s.",
            id="one agent",
        ),
    ],
)
def test_the_verdict(summary: Summary, tone: Tone, sentence: str) -> None:
    found = verdict(summary)
    assert (found.tone, found.sentence, found.more) == (tone, sentence, BUSIEST)


def test_the_page_has_plots_in_units_that_suit_them() -> None:
    sites = (Site("paris", 40), Site("<b>lyon", 20, Line.read("64kbit/s")))
    world = World((Package.from_sizes("p", 5, 200_000, 65_536),), sites, contact_s=3600.0)
    outcome = simulate(world, 0)
    written = ParsedPage(page(world, outcome, summarise(world, outcome)))
    finished, sent = written.data
    assert finished["x_title"] == sent["x_title"] == "Time since the first contact was due, min"
    assert finished["curves"][0]["y"][-1] == 100
    assert sent["y_title"] == "Rate by the minute, kB/s"
    assert [curve["name"] for curve in sent["curves"]] == ["origin"]
    rows = written.tables["Peak of each line"]
    assert {row[0] for row in rows} >= {"paris", "<b>lyon"}
    assert rows[-1][1].endswith("kB/s")
    assert "Most in a minute" in written.tables


def test_a_deployment_that_reaches_nobody_has_a_page() -> None:
    world = World((Package.from_sizes("p", 5, 200_000, 65_536),), (Site("a", 3),), contact_s=0.0)
    outcome = simulate(world, 0)
    nobody = Finish(0, 3, dict.fromkeys(AFTER))
    written = ParsedPage(page(world, outcome, replace(summarise(world, outcome), all=nobody, curve=[])))
    assert written.texts["strong"] == ["3 of 3 agents never get all packages."]
    assert [plot["label"] for plot in written.data] == ["Sent"]
