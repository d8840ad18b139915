"""The commands that list: what a terminal shows, filters, and acts on many."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from distd.catalogue.schema import assignments
from distd.terminal import lists

if TYPE_CHECKING:
    from pathlib import Path

NAME = "pc-2026-01-01-00-00-{:02}"


@pytest.fixture
def deployed(site: Any) -> Any:
    """Three packages, the oldest of them on sixty computers. `site.ids`: of the packages, in their order."""
    site.ids = [site.build("--name", f"Package {number}") for number in range(3)]
    site.computers = site.computers_seen([NAME.format(number) for number in range(60)])
    site("package", "activate", site.ids[0])
    file = site.folder / "computers"
    file.write_text("\n".join(site.computers))
    assert site("assign", site.ids[0], "--computers", file).status == 0
    return site


def succeed(site: Any, count: int) -> None:
    """The first computers say that they have the package; nothing was sent to them."""
    reported = {"notified_at_us": 1, "result": "SUCCESS", "result_at_us": 2, "unproven_at_us": 2}
    reported |= {"state": "SUCCESS", "unproven": True}
    with site.write() as conn:
        conn.execute(update(assignments).where(assignments.c.id <= count).values(reported))
    assert site("package", "recount").status == 1
    assert site("package", "recount").out == "All numbers are right.\n"


def test_what_is_unproven_is_listed_and_accepted(deployed: Any) -> None:
    package, first, second = deployed.ids[0], deployed.computers[0], deployed.computers[1]
    succeed(deployed, 4)
    found = rows(deployed("results", package, "--unproven").out)
    assert [row[1] for row in found] == ["State", *["SUCCESS, unproven"] * 4]
    assert deployed("package", "show", package, "--json").json["unproven"] == 4
    done = deployed("accept", package, "--computer", first, "--json")
    assert done.json == {"package_id": package, "accepted": [first]}
    assert deployed("accept", package, "--computer", first).status == 1
    file = deployed.folder / "some"
    file.write_text(f"{first}\n{second}\n{deployed.computers[-1]}\n")
    assert deployed("accept", package, "--computers", file).out == f"1 computer: {package} counts as deployed.\n"
    assert deployed("accept", package, "--all").out == f"2 computers: {package} counts as deployed.\n"
    assert deployed("results", package, "--unproven").out == "No computer is in that state.\n"
    assert deployed("accept", package).status == 2


def rows(text: str) -> list[list[str]]:
    return [re.split(r"  +", line) for line in text.splitlines()]


def test_packages_and_their_counters(deployed: Any) -> None:
    head, *found = rows(deployed("package", "list").out)
    assert head[:4] == ["Package", "Name", "State", "Waiting"]
    assert "Success" not in head  # nobody has succeeded yet
    assert [row[:3] for row in found] == [
        [deployed.ids[2], "Package 2", "inactive"],
        [deployed.ids[1], "Package 1", "inactive"],
        [deployed.ids[0], "Package 0", "active"],
    ]
    assert found[2][3] == "60"
    assert rows(deployed("package", "list", "--active").out)[1][0] == deployed.ids[0]
    assert len(rows(deployed("package", "list", "--inactive").out)) == 3
    assert rows(deployed("package", "list", "--name", "package ?").out)[1:] == found
    assert deployed("package", "list", "--name", "nothing").out == "No such packages.\n"
    deployed("package", "delete", deployed.ids[1])
    assert rows(deployed("package", "list", "--deleted").out)[1][:3] == [deployed.ids[1], "Package 1", "deleted"]
    assert deployed("results", deployed.ids[1]).out == "This package is deleted; no computer had it.\n"


@pytest.mark.parametrize("command", [["computer", "list"], ["results", "PACKAGE"]])
def test_fifty_rows_then_how_many_there_are(deployed: Any, command: list[str]) -> None:
    words = [deployed.ids[0] if word == "PACKAGE" else word for word in command]
    done = deployed(*words)
    together = "Together: 60 waiting.\n" if "PACKAGE" in command else ""
    assert (len(rows(done.out)), done.err) == (51, f"50 of 60; --all shows the rest.\n{together}")
    whole = deployed(*words, "--all")
    assert (len(rows(whole.out)), whole.err) == (61, together)
    assert len(rows(deployed(*words, "--limit", 3).out)) == 4
    page = deployed(*words, "--limit", 3, "--json").json
    assert ([row["device_id"] for row in page["items"]], page["total"]) == (deployed.computers[:3], 60)
    table = list(csv.DictReader(io.StringIO(deployed(*words, "--all", "--csv").out)))
    assert [row["device_id"] for row in table] == deployed.computers


@pytest.mark.parametrize(
    "words", [["package", "list"], ["computer", "list"], ["results", "PACKAGE"], ["mirror", "list"]]
)
def test_a_row_is_one_line_of_80_and_the_identifier_is_whole(
    deployed: Any, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed("mirror", "add", "m" * 40, "--url", "http://a-long-name-of-a-mirror.example.org:8080")
    monkeypatch.setattr(lists, "terminal_width", lambda: 80)
    done = deployed(*[deployed.ids[0] if word == "PACKAGE" else word for word in words])
    assert max(map(len, done.out.splitlines())) <= 80
    names = {"package": deployed.ids, "mirror": ["m" * 40]}.get(words[0], deployed.computers[:50])
    assert all(any(line.startswith(f"{name} ") for line in done.out.splitlines()) for name in names)


def test_what_a_usage_error_says_leads_to_the_command(deployed: Any) -> None:
    refused = deployed("assign", deployed.ids[0], "--data", "x", "--computer", data=False)
    assert refused.err == "distd assign: Option '--computer' requires an argument. See `distd assign --help`.\n"


def test_all_unknown_lines_of_a_file_are_named(deployed: Any, tmp_path: Path) -> None:
    file = tmp_path / "computers"
    file.write_text("\n".join([deployed.computers[0], "a", "b", "c", "d"]))
    refused = deployed("assign", deployed.ids[0], "--computers", file)
    assert refused.err.startswith("distd: --computers: expected the DEVICEID of a computer, got a, b, c and 1 more; ")


def test_what_comes_next_is_told(deployed: Any) -> None:
    assert (
        f"\nNext: distd assign {deployed.ids[1]} --computer DEVICEID"
        in deployed("package", "activate", deployed.ids[1]).out
    )


def test_results_by_state(deployed: Any) -> None:
    assert len(rows(deployed("results", deployed.ids[0], "--state", "waiting", "--all").out)) == 61
    assert deployed("results", deployed.ids[0], "--state", "FAILED").out == "No computer is in that state.\n"
    assert deployed("results", deployed.ids[1]).out == "No computer has this package assigned.\n"


def test_computers_by_name(deployed: Any) -> None:
    assert [row[0] for row in rows(deployed("computer", "list", "--name", "*-0?").out)[1:]] == deployed.computers[:10]
    assert deployed("computer", "list", "--tag", "x").out == "No such computers.\n"


def test_computers_are_deleted(deployed: Any) -> None:
    first, second = deployed.computers[:2]
    refused = deployed("computer", "delete", first, "nobody")
    assert (refused.status, refused.out) == (2, "")
    assert (
        refused.err == "distd: DEVICEID: expected the DEVICEID of a computer, got nobody; see `distd computer list`\n"
    )
    done = deployed("computer", "delete", first, second, first)
    assert done.out == f"Computer {first} is deleted.\nComputer {second} is deleted.\n"
    assert deployed("results", deployed.ids[0], "--json").json["total"] == 58


def test_many_are_unassigned(deployed: Any, tmp_path: Path) -> None:
    package_id = deployed.ids[0]
    file = tmp_path / "two"
    file.write_text("\n".join(deployed.computers[:2]))
    removed = "the assignment is removed; the agent did not know of it."
    assert deployed("unassign", package_id, "--computers", file).out == f"2 computers: {removed}\n"
    again = deployed("unassign", package_id, "--computers", file, "--json").json
    assert again == {"package_id": package_id, "items": []}
    assert deployed("unassign", package_id, "--state", "waiting").out == f"58 computers: {removed}\n"
    nobody = deployed("unassign", package_id, "--state", "notified")
    assert nobody.out == f"No computer of those has {package_id} assigned without a result.\n"
    refused = deployed("unassign", package_id)
    assert (
        refused.err == "distd: --computer: expected computers, here or by --computers, --state or --group, got none\n"
    )


def test_a_planned_activation_is_told(deployed: Any) -> None:
    package_id = deployed.ids[1]
    planned = deployed("package", "activate", package_id, "--at", "2h").out
    assert planned.startswith(f"`distd serve` activates package {package_id} not before 2")
    assert re.search(r"\nstate +planned: not before 2.* \(in 2 h 0 min\)", deployed("package", "show", package_id).out)
    assert deployed("package", "show", package_id, "--json").json["planned"]["needed"] == 0
    assert rows(deployed("package", "list", "--name", "1").out)[1][2] == "planned"
    again = deployed("package", "activate", package_id, "--at", "2026-12-31 18x00").err
    assert "expected a time such as 18:00, fri 18:00, 2026-11-27 18:00 or 2h" in again
    again = deployed("package", "activate", package_id, "--at", "18h30").out
    assert re.search(r"not before 2.* 18:30:00 \(in .*\); until now: not before 2", again)
    refused = deployed("package", "activate", deployed.ids[0], "--at", "fri 18:00")
    assert (refused.status, refused.err) == (
        1,
        f"distd: PACKAGE: {deployed.ids[0]} is active already, on this server; deactivate it first\n",
    )
    assert re.search(r"\ncomputers +60 waiting\n", deployed("package", "show", deployed.ids[0]).out)


def test_a_schedule_is_told_to_agents_in_their_form(deployed: Any) -> None:
    computer = deployed.computer("new")
    done = deployed("assign", deployed.ids[0], "--computer", computer, "--schedule", "2099-12-01 18:00")
    assert done.status == 0
    assert "'2099/12/01 18:00'" in repr(deployed.snapshot()[1])
    for text in ("someday", "2020-01-01"):
        refused = deployed("assign", deployed.ids[1], "--computer", computer, "--schedule", text)
        assert (refused.status, refused.err.startswith("distd: --schedule: expected a time ")) == (2, True)
