"""`distd plan`, and the same by the API."""

from __future__ import annotations

import base64
import json
import random
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio
from sqlalchemy import insert

from distd.catalogue.schema import computers
from distd.domain.actor import SYSTEM
from distd.origin.operators import operators
from distd.simulation import goals
from distd.simulation.goals import solve
from distd.simulation.records import Goal
from distd.simulation.world import Package, Site, World
from tests.fixtures.databases import sqlite_database
from tests.programs.processes import distd_serve

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["sqlite_database"]  # what is tested here is the same on each

HOUR_S, DAY_S = 3600.0, 86_400.0


def populate(site: Any, package_id: Any, count: Any = 60, assigned: Any = 40) -> None:
    """Computers in two subnets, some Windows; the package is assigned to the first ones."""
    agents = ("OCS-NG_WINDOWS_AGENT_v2.10", "OCS-NG_unified_unix_agent_v2.10.0")
    seen = {"first_seen_at_us": 1, "last_seen_at_us": 1}
    with site.write() as conn:
        for number in range(count):
            row = {"user_agent": agents[number % 2], "subnets": f"10.0.{number % 4 // 3}.0"}
            conn.execute(insert(computers).values(device_id=f"pc-{number}", **row, **seen))
    chosen = [part for number in range(assigned) for part in ("--computer", f"pc-{number}")]
    assert site("package", "activate", package_id).status == 0
    assert not chosen or site("assign", package_id, *chosen, "--any-os").status == 0


@pytest.fixture
def package_id(site: Any) -> Any:
    return site.build("--fragment-size", "1KiB")


def test_a_forecast_for_the_computers_it_is_assigned_to(site: Any, package_id: Any) -> None:
    populate(site, package_id)
    found = site("plan", package_id, "--json").json
    assert (found["agents"], found["answer"]) == (40, None)
    assert {line["name"] for line in found["forecast"]["lines"]} == {"10.0.0.0", "10.0.1.0"}
    finish = found["forecast"]["finish_s"]
    # Contacts over a day, and half a minute of fetching.
    assert 0.4 * DAY_S < finish["50"][0] <= finish["50"][2] < 0.6 * DAY_S + HOUR_S
    shown = site("plan", package_id)
    assert shown.status == 0
    assert "for 40 computers" in shown.out
    assert "line of 10.0.1.0" in shown.out


def test_without_assignments_for_all_that_are_known(site: Any, package_id: Any) -> None:
    populate(site, package_id, assigned=0)
    assert site("plan", package_id, "--json").json["agents"] == 60


@pytest.fixture
def noise_id(site: Any) -> Any:
    """A package that does not get smaller: with it some thousand computers are many."""
    source = site.folder / "noise"
    source.write_bytes(random.Random(1).randbytes(100_000))
    return site.build("--fragment-size", "16KiB", source=source)


# Long pauses: a simulation costs by the pauses that its hours have.
GENTLE = tuple(part for name in ("frag", "cycle", "period") for part in ("--set", f"download.{name}_latency_s=600"))


def test_what_to_set(site: Any, package_id: Any, noise_id: Any) -> None:
    done = site("plan", package_id, "--site", "paris=2000:4Mbit/s", "--by", "3d", "--most", "1MB/s", "--json")
    answer = done.json["answer"]
    assert answer["is_met"]
    assert answer["finish_s"] <= 3 * DAY_S
    assert answer["peak_bytes_per_s"] <= 1_000_000
    shown = site("plan", package_id, "--site", "paris=2000", "--by", "3d", "--most", "1MB/s")
    assert "95 % of the computers within 3 d 0 h, no line over 1 MB/s: is met without any change." in shown.out
    assert done.json["is_met"]
    slow = ("--set", "download.cycle_latency_s=80000")
    shown_slow = site("plan", package_id, "--site", "paris=2000", "--by", "3d", "--most", "1MB/s", *slow)
    assert "95 % of the computers within 3 d 0 h, no line over 1 MB/s: these settings meet it." in shown_slow.out
    assert shown_slow.status == 0
    assert re.search(rf"download.frag_latency_s +{answer['config']['frag_latency_s']}\n", shown.out)
    assert re.search(r"--priority +5\n", shown.out)
    late = site("plan", package_id, "--site", "paris=200", "--by", "8h")
    assert late.status == 1
    assert "no setting can meet this. 95 % have made a contact after 22 h" in late.out
    assert "download." not in late.out
    never = site("plan", noise_id, "--site", "paris=3000", "--by", "26h", "--most", "1kB/s", *GENTLE)
    assert never.status == 1
    assert "no settings were found that meet it; these come nearest" in never.out


def test_what_is_met_already_and_by_nothing_gentler(
    site: Any, package_id: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that finds nothing takes nothing back of what holds."""
    found = solve(World((Package.from_sizes("p", 5, 10, 10),), (Site("s", 1),)), 10, 5, Goal(0.95, 2 * DAY_S))
    monkeypatch.setattr(goals, "solve", lambda *_: replace(found, is_met=False))
    shown = site("plan", package_id, "--site", "paris=20", "--by", "2d")
    assert shown.status == 0
    assert "is met without any change; no settings with longer pauses were found." in shown.out
    assert "download." not in shown.out


def test_the_servers_own_limit_is_in_the_way(site: Any, noise_id: Any) -> None:
    """`bandwidth.rules` are the origin's; those for some network are not for all."""
    wish = ("--site", "paris=3000", "--by", "2d", *GENTLE, "--json")
    free, thin, others = (
        site("plan", noise_id, *wish, *(("--set", f"bandwidth.rules={rules}") if rules else ())).json
        for rules in ("", "1kB/s", "1kB/s 10.0.0.0/8")
    )
    assert free["answer"]["is_met"]
    assert not thin["answer"]["is_met"]
    assert others["answer"]["is_met"]
    assert thin["forecast"]["origin"]["peak_bytes_per_s"] <= 1000 < free["forecast"]["origin"]["peak_bytes_per_s"]


def test_a_command_has_no_lines(site: Any) -> None:
    done = site(
        "package", "build", "--name", "C", "--os", "LINUX", "--action", "EXECUTE", "--command", "true", "--json"
    )
    shown = site("plan", done.json["id"], "--site", "paris=20", "--by", "2d")
    assert "is met without any change" in shown.out
    assert "(no file)" in shown.out


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--by", "soon"), "--by"),
        (("--by", "3d", "--most", "5MB/s mon-fri"), "--most"),
        (("--by", "3d", "--share", "0%"), "--share"),
        (("--most", "1MB/s"), "--most"),
        (("--by", "3d", "--most", "much"), "--most"),
        (("--by", "3d", "--share", "3"), "--share"),
        (("--site", "paris"), "--site"),
        (("--line", "fast"), "--line"),
        (("--line", "1MB/s 10.0.0.0/8"), "--line"),
        (("--line", "40000Mbit/s"), "--line"),
        ((), "--site"),
    ],
)
def test_bad_input(site: Any, package_id: Any, arguments: Any, field: Any) -> None:
    done = site("plan", package_id, *arguments)
    assert done.status == 2
    assert done.err.startswith(f"distd: {field}: expected ")
    assert done.err.count("\n") == 1


def test_an_unknown_package(site: Any) -> None:
    assert site("plan", "17").status == 2


async def test_the_api_tells_the_same(site: Any, package_id: Any, tmp_path: Path) -> None:
    populate(site, package_id)
    with site.write() as conn:
        operators.create(conn, SYSTEM, "eve", "secret", 0.0)
    async with distd_serve(site.data) as server:

        def get(query: Any, *, login: Any = True) -> Any:
            url = f"http://{server.http}/api/v1/packages/{package_id}/plan?{urllib.parse.urlencode(query)}"
            proof = base64.b64encode(b"eve:secret").decode()
            request = urllib.request.Request(url, headers={"Authorization": f"Basic {proof}"} if login else {})
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        async def ask(query: Any, **options: Any) -> Any:
            return await trio.to_thread.run_sync(lambda: get(query, **options))

        status, found = await ask({"by": "3d", "most": "1MB/s"})
        assert status == 200
        assert found["agents"] == 40
        assert found["answer"]["is_met"]
        assert len(found["forecast"]["curve"]) == 200
        assert (await ask({}))[1]["answer"] is None
        status, said = await ask({"by": "soon"})
        assert status == 400
        assert "fri 18:00" in said
        assert (await ask({}, login=False))[0] == 401
