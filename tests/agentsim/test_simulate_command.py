from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agentsim.cli import run
from distd.domain.records import Dialect
from distd.domain.schedule import start_s
from distd.domain.settings import load
from tests.programs import commands
from tests.report.parsed_page import ParsedPage

SITES = ("--site", "paris=40", "--site", "lyon=20:4Mbit/s", "--mirror", "lyon=10MB/s", "--mirror-down", "lyon=1-2.5")
PACKAGES = ("--package", "editor=5MB@5", "--package", "200kB@1/64KiB")


def invoke(*arguments: Any) -> Any:
    return commands.invoke(run, "simulate", *arguments)


def test_a_forecast_as_a_table_and_a_page(tmp_path: Path) -> None:
    done = invoke(*PACKAGES, *SITES, "--html", str(tmp_path / "page.html"))
    assert done.exit_code == 0
    assert [line.split()[:2] for line in done.stdout.splitlines() if line.startswith(("editor", "200kB", "all"))] == [
        ["editor", "60"],
        ["200kB", "60"],
        ["all", "60"],
    ]
    assert "mirror of lyon" in done.stdout
    page = ParsedPage((tmp_path / "page.html").read_text())
    assert [plot["label"] for plot in page.data] == ["Agents that have all packages", "Sent"]
    assert page.tables["Through after"][1][:2] == ["editor", "60"]
    assert "editor (priority 5, fragments: 5)" in page.words
    assert page.texts["strong"][0].startswith("95 % of 60 agents have all packages after ")


def test_the_same_seed_gives_the_same_course_on_any_number_of_processes() -> None:
    runs = [json.loads(invoke(*PACKAGES, *SITES, *rest, "--json").stdout) for rest in (
        (), ("--processes", "2"), ("--seed", "1"))]  # fmt: skip
    assert runs[0]["hash"] == runs[1]["hash"] != runs[2]["hash"]
    assert runs[0]["all"] == runs[1]["all"]
    assert runs[0]["lines"] == runs[1]["lines"]
    assert runs[0]["mirrors"] == runs[1]["mirrors"]


def test_a_server_that_holds_little() -> None:
    many = ("--agents", "600", "--package", "p=1kB@1", "--window", "0")
    done = invoke(*many, "--contacts-per-s", "10", "--requests-per-s", "5")
    (waits,) = (line.split() for line in done.stdout.splitlines() if line.startswith("answered within"))
    assert waits[2:4] == ["30.0", "s"]
    assert waits[-4:] == ["1", "min", "0", "s"]
    told = json.loads(invoke(*many, "--contacts-per-s", "10", "--requests-per-s", "5", "--json").stdout)
    assert told["contact_wait_s"]["100"] == 60
    latencies_s = 15 + 15  # of a fragment and a cycle, before it is assembled
    assert told["all"]["after_s"]["100"] == pytest.approx(600 / 5 + latencies_s, abs=0.5)
    assert "First contacts" not in invoke(*many).stdout


def test_a_page_that_cannot_be_written_does_not_cost_the_figures() -> None:
    done = invoke(*PACKAGES, "--html", "/dev/full")
    assert done.exit_code == 1
    assert "--html: /dev/full cannot be written" in done.stderr
    assert "Simulated in" in done.stdout


def test_a_site_of_nobody_on_two_processes() -> None:
    done = invoke(*PACKAGES, "--site", "a=10", "--site", "b=0", "--processes", "2", "--json")
    assert done.exit_code == 0
    assert (
        json.loads(done.stdout)["hash"]
        == json.loads(invoke(*PACKAGES, "--site", "a=10", "--site", "b=0", "--json").stdout)["hash"]
    )


def test_what_is_printed_stands_in_the_reference() -> None:
    reference = (Path(__file__).parents[2] / "distd/docs/reference/reports.md").read_text()
    (table,) = re.findall(r"With `--json` it prints\n\n(.*?)\n\n", reference, re.DOTALL)
    printed = json.loads(invoke("--agents", "1", "--package", "1kB", "--json").stdout)
    assert {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])} == set(
        printed
    )


def test_latencies_are_set_as_the_servers() -> None:
    """One agent, first contact at once, no line: the closed form and two round trips."""
    done = invoke("--agents", "1", "--package", "p=10kB@2/1kB", "--window", "0", "--set", "download.cycle_latency_s=3",
                  "--round-trip", "1", "--json")  # fmt: skip
    got_s = json.loads(done.stdout)["all"]["after_s"]["100"]
    config = load({}, {}, {"download.cycle_latency_s": "3"}).download
    assert got_s == pytest.approx(float(start_s(Dialect.UNIX, config, 2, 11, 1)) + 2, abs=0.001)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--package", "soon"), "--package"),
        (("--package", "1MB@5/0"), "--package"),
        (("--package", "999999999999999GB"), "--package"),
        (("--package", "5MB@11"), "--package"),
        ((*PACKAGES, "--line", "1kbit/s"), "--line"),
        ((*PACKAGES, "--html", "/nowhere/page.html"), "--html"),
        ((*PACKAGES, "--html", "/tmp"), "--html"),
        ((*PACKAGES, "--round-trip", "nan"), "round trip"),
        ((*PACKAGES, "--window", "99999d"), "--window"),
        ((*PACKAGES, "--line", "1MB/s 10.0.0.0/8"), "--line"),
        (("--package", "1TB/1"), "--package"),
        (("--package", "1MB", "--package", "1MB"), "--package"),
        ((*PACKAGES, "--site", "paris"), "--site"),
        ((*PACKAGES, "--site", "paris=3:fast"), "--site"),
        ((*PACKAGES, "--line", "fast"), "--line"),
        ((*PACKAGES, "--mirror", "rome"), "--mirror"),
        ((*PACKAGES, "--site", "rome=3", "--mirror-down", "rome=1-2"), "--mirror-down"),
        ((*PACKAGES, *SITES, "--mirror-down", "lyon=2-1"), "--mirror-down"),
        ((*PACKAGES, "--dialect", "perl"), "--dialect"),
        ((*PACKAGES, "--dialect", "unix=-1"), "--dialect"),
        ((*PACKAGES, "--start", "today"), "--start"),
        ((*PACKAGES, "--window", "soon"), "--window"),
        ((*PACKAGES, "--set", "download.frag_latency_s"), "--set"),
        ((*PACKAGES, "--set", "download.on"), "--set"),
        ((*PACKAGES, "--site", "a=1", "--site", "a=1"), "--site"),
        (("--package", "1MB", "--agents", "60000000"), "--agents"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments: Any, field: Any) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"agentsim: {field}: expected ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
