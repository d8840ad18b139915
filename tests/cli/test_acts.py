"""Assigning with what-if, acts on many, statistics, by the command line."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from sqlalchemy import update

from distd.catalogue.schema import assignments, computers

NAME = "pc-2026-01-01-00-00-{:02}"


@pytest.fixture
def deployed(site: Any) -> Any:
    """A package on six computers: two of them failed, one succeeded, one is fetching it. `site.id`: the package."""
    site.id = site.build()
    site.computers = [site.computer(NAME.format(number)) for number in range(6)]
    site("package", "activate", site.id)
    assert site("assign", site.id, *(word for name in site.computers for word in ("--computer", name))).status == 0
    reports = [("FAILED", "ERR_BUILD"), ("FAILED", "ERR_ABORTED"), ("SUCCESS", "SUCCESS"), ("DOWNLOADING", None)]
    with site.write() as conn:
        for number, (state, code) in enumerate(reports, 1):
            values = {"state": state, "result": code, "result_at_us": None if code is None else 5}
            values |= {"notified_at_us": 3, "first_fragment_at_us": 4}
            conn.execute(update(assignments).where(assignments.c.id == number).values(values))
    assert site("package", "recount").status == 1
    return site


def test_what_if(deployed: Any) -> None:
    other = deployed.computer("other")
    before = deployed.snapshot()
    order = ("assign", deployed.id, "--computer", other, "--computers", file_of(deployed, deployed.computers))
    tried = deployed(*order, "--dry-run")
    assert tried.out.splitlines() == [
        f"3 computers would be assigned {deployed.id}; nothing is done.",
        "4 computers: have it already.",
    ]
    found = deployed(*order, "--dry-run", "--json").json
    assert (len(found["assigned"]), len(found["already"]), found["refusal"]) == (3, 4, None)
    assert deployed.snapshot() == before
    with deployed.write() as conn:
        conn.execute(update(computers).where(computers.c.device_id == "other").values(os_name="Windows 11"))
    tried = deployed(*order, "--dry-run").out.splitlines()
    assert tried[2] == "1 computer cannot take it: other has Windows 11."
    assert tried[3].startswith("It would be refused: any_os: ")
    assert deployed(*order).status == 1
    done = deployed(*order, "--skip-unfit", "--not-after", "2h", "--not-before", "1h")
    assert done.out.splitlines()[-1] == "1 computer skipped: other has Windows 11."
    assert deployed("assign", deployed.id, "--computer", other, "--after", deployed.id).status == 1


def file_of(site: Any, names: list[str]) -> Any:
    """As `computer list --csv` prints it."""
    file = site.folder / "list.csv"
    file.write_text("name,device_id\n" + "".join(f"x,{name}\n" for name in names))
    return file


def test_by_tag(deployed: Any) -> None:
    with deployed.write() as conn:
        conn.execute(update(computers).where(computers.c.id <= 3).values(tag="room 1"))
    done = deployed("assign", deployed.id, "--tag", "room*")
    assert done.out.splitlines() == [
        "room*: 2 computers will be notified at the next contact.",
        "room*: 1 computer skipped: they have it already.",
    ]
    (row, *_) = deployed("results", deployed.id, "--json").json["items"]
    assert (row["origin_kind"], row["origin_name"], row["attempt"]) == ("tag", "room*", 2)
    assert row["assigned_by"].startswith("cli:")


def test_validate_notify_again_cancel(deployed: Any) -> None:
    tried = deployed("archive", deployed.id, "--state", "success", "--dry-run").out
    assert tried == "1 computer: would be archived.\n"
    assert deployed("archive", deployed.id, "--state", "success").out == "1 computer: archived.\n"
    again = deployed("renotify", deployed.id, "--code", "ERR_BUILD")
    assert again.out == "1 computer: notified again at the next contact.\n"
    done = deployed("cancel", deployed.id, "--computer", deployed.computers[3], "--computer", deployed.computers[0])
    assert done.out.splitlines() == [
        "1 computer: told to end it.",
        "1 computer: passed over, it is in no such state there.",
    ]
    assert deployed("unassign", deployed.id, "--state", "waiting", "--dry-run").out.startswith("3 computers: would be")
    tried = deployed("unassign", deployed.id, "--computer", deployed.computers[0], "--dry-run", "--json").json
    assert tried["items"] == [{"device_id": deployed.computers[0]}]
    attempts = deployed("results", deployed.id, "--attempts", "--json").json["items"]
    assert [(row["attempt"], row["code"]) for row in attempts[:2]] == [(1, "ERR_BUILD"), (2, None)]
    assert deployed("renotify", deployed.id, "--state", "failed", "--json").json["items"] == [deployed.computers[1]]
    assert deployed("package", "recount").status == 0
    refused = deployed("archive", deployed.id)
    assert "expected computers, here or by --computers, --state or --code, got none" in refused.err


def test_statistics(deployed: Any) -> None:
    shown = deployed("statistics", deployed.id).out
    assert shown.startswith("Hello: 2 waiting, 1 downloading, 1 success, 2 failed.\n")
    assert "ERR_ABORTED  1          The user refused the package.\n" in shown
    found = deployed("statistics", deployed.id, "--json").json
    assert (found["total"], found["by_class"]["USER_CHOICE"]) == (6, 1)
    rows = list(csv.DictReader(io.StringIO(deployed("statistics", deployed.id, "--csv").out)))
    assert (rows[0]["kind"], rows[0]["total"], rows[0]["failed"]) == ("all", "6", "2")
    assert deployed("statistics", "99").status == 2
