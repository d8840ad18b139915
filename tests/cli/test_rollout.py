"""`distd rollout`: made, started, paused, stopped by the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.report.parsed_page import ParsedPage

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"pc-2026-01-01-00-00-{number:02}" for number in range(5)]
WAVES = ("--wave", "pilot: 2; success 95%", "--wave", "rest; by hand")


@pytest.fixture
def room(site: Any) -> Any:
    """A package that is active, five computers. `site.id`: the package."""
    site.id = site.build()
    for name in NAMES:
        site.computer(name)
    assert site("package", "activate", site.id).status == 0
    return site


def test_from_made_to_stopped(room: Any) -> None:
    made = room("rollout", "create", "putty", room.id, *WAVES, "--halt-errors", "5", "--rate", "5MB/s", "--after", "2h")
    assert (made.status, made.err) == (0, "")
    assert "DRAFT" in made.out.split()
    lines = [" ".join(line.split()) for line in made.out.splitlines()]
    assert {"At most 5 MB/s", "Halts at 5 % failed", "2 rest by hand 3 3 0 0 0 0"} <= set(lines)
    started = room("rollout", "start", "putty", "--json").json
    waves = [(wave["who"], wave["members"], wave["active"]) for wave in started["waves"]]
    assert waves == [("2", 2, 2), ("rest", 3, 0)]
    plan = room("rollout", "show", "Putty", "--json").json["plan"]
    assert (plan["halts"]["error_percent"], plan["limits"]["bytes_per_s"]) == (5, 5e6)
    assert [wave["success_percent"] for wave in plan["waves"]] == [95, 90]
    assert room("rollout", "open", "putty", "--json").json["opened"] == 2
    for act, phase, active in (("pause", "PAUSED", 0), ("resume", "RUNNING", 5), ("stop", "STOPPED", 0)):
        done = room("rollout", act, "putty", "--json").json
        assert (done["phase"], sum(wave["active"] for wave in done["waves"])) == (phase, active)
    (listed,) = room("rollout", "list", "--json").json["items"]
    assert (listed["name"], listed["phase"]) == ("putty", "STOPPED")
    assert room("rollout", "list").out.splitlines()[1].split()[:3] == ["putty", room.id, "STOPPED"]
    again = room("rollout", "start", "putty")
    assert (again.status, len(again.err.splitlines())) == (1, 1)


def test_the_plan_of_all_waves(room: Any) -> None:
    assert room("rollout", "create", "putty", room.id, *WAVES).status == 0
    planned = room("rollout", "plan", "putty", "--line", "1MB/s")
    assert (planned.status, planned.err) == (0, "")
    lines = planned.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("Roll-out putty, DRAFT: 5 computers; would begin: ")
    titles = "Wave Computers Opens after 90 % 100 %"
    assert [" ".join(line.split()) for line in lines[2:3]] == [titles]
    assert any(line.startswith("line of elsewhere") for line in lines)
    found = room("rollout", "plan", "putty", "--json").json
    assert (found["is_kept"], found["measured"], found["forecast"]["agents"]) == (False, None, 5)
    room("rollout", "start", "putty")
    shown = room("rollout", "plan", "putty")
    assert "opened" in shown.out.splitlines()[2].split()
    assert "0 computers with success, planned by now: 0" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    bad = room("rollout", "plan", "putty", "--line", "fast")
    assert (bad.status, bad.err.startswith("distd: --line:")) == (2, True), bad.err
    assert room("rollout", "plan", "none").status == 2


def test_the_plan_as_a_page(room: Any, tmp_path: Path) -> None:
    room("rollout", "create", "putty", room.id, *WAVES)
    file = tmp_path / "plan.html"
    found = room("rollout", "plan", "putty", "--html", str(file), "--json")
    assert (found.status, found.json["computers"]) == (0, 5)
    shown = ParsedPage(file.read_text("utf-8"))
    assert shown.texts["h1"] == ["Plan of the roll-out putty"]
    assert shown.texts["strong"][0].startswith("By the plan 5 computers have the package after ")
    assert [row[:2] for row in shown.tables["Waves"]] == [["Wave", "Computers"], ["1. pilot", "2"], ["2", "3"]]
    room("rollout", "start", "putty")
    assert room("rollout", "plan", "putty", "--html", str(file)).status == 0
    assert "opened" in ParsedPage(file.read_text("utf-8")).tables["Waves"][0]
    for place, why in ((tmp_path / "no" / "plan.html", "a file in a folder that is there"), ("/dev/full", "No space")):
        refused = room("rollout", "plan", "putty", "--html", str(place))
        assert (refused.status != 0, "--html" in refused.err, why in refused.err) == (True, True, True)


def test_whom_it_is_for(room: Any) -> None:
    some = room("rollout", "create", "a", room.id, "--filter", "cores is empty", "--wave", "1", "--json").json
    assert [wave["members"] for wave in some["waves"]] == [1]
    few = room("rollout", "create", "b", room.id, "--wave", "1")
    assert few.err == "distd: note: 4 computers are in no wave\n"


@pytest.mark.parametrize(
    "words",
    [
        ("--wave", "some"),
        ("--wave", "rest", "--wave", "5"),
        ("--windows", "noon"),
        ("--rate", "5"),
        ("--filter", "memroy > 1"),
        ("--group", "none"),
        ("--tag", "a", "--group", "b"),
        ("--halt-errors", "0"),
        ("--roll-back-to", "99"),
        ("--start-at", "never"),
    ],
)
def test_what_is_refused(room: Any, words: tuple[str, ...]) -> None:
    done = room("rollout", "create", "a", room.id, *words)
    assert (done.status, len(done.err.splitlines()), done.out) == (2, 1, ""), done.err
    assert room("rollout", "list").out == "No roll-outs.\n"


def test_another_operator_approves(room: Any) -> None:
    assert room("rollout", "create", "a", room.id, "--approval").status == 0
    assert room("rollout", "start", "a", "--json").json["phase"] == "AWAITING_APPROVAL"
    refused = room("rollout", "approve", "a")
    assert (refused.status, "another operator has to approve it" in refused.err) == (1, True)


def test_roll_back(room: Any) -> None:
    other = room.build("--priority", "4")
    assert room("package", "activate", other).status == 0
    assert room("rollout", "create", "a", room.id, "--roll-back-to", other).status == 0
    assert room("rollout", "start", "a").status == 0
    assert room("rollout", "rollback", "a", "--json").json["phase"] == "STOPPED"
