"""The scenarios in their small forms: real servers, mirrors and fleets."""

import re
from dataclasses import replace

import pytest

from agentsim.page import Table
from loadtests import results
from loadtests.scenario import run
from loadtests.scenarios import TABLE


@pytest.mark.parametrize("name", TABLE)
async def test_a_scenario_in_its_small_form(tmp_path, name):
    scenario = TABLE[name]
    outcome = await run(replace(scenario, **scenario.small), tmp_path)
    assert outcome.is_met, "\n".join(" | ".join(row) for row in outcome.rows)
    assert outcome.told["figures"]["done"] == (scenario.small or {}).get("agents", scenario.agents)
    goals = [text for text in scenario.thresholds if re.match(r"success>=", text)]
    assert goals == ["success>=100%"]


def test_a_section_is_put_in_its_place():
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
