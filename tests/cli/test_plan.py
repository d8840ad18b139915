"""`distd plan`, and the same by the API."""

import base64
import json
import math
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime

import pytest
import trio

from distd.core.errors import BadInput
from distd.model.plan import Goal
from distd.model.reading import read_by, read_goal
from distd.origin import operators
from distd.store.catalogue import open_catalogue
from loadtests.processes import distd_serve

WEDNESDAY = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
HOUR_S, DAY_S = 3600.0, 86_400.0


def populate(site, package_id, count=60, assigned=40):
    """Computers in two subnets, some Windows; the package is assigned to the first ones."""
    agents = ("OCS-NG_WINDOWS_AGENT_v2.10", "OCS-NG_unified_unix_agent_v2.10.0")
    with sqlite3.connect(site.data / "catalogue.db") as database:
        for number in range(count):
            row = (f"pc-{number}", agents[number % 2], f"10.0.{number % 4 // 3}.0")
            database.execute(
                "INSERT INTO computers (device_id, user_agent, subnets, first_seen_at_us, last_seen_at_us)"
                " VALUES (?, ?, ?, 1, 1)",
                row,
            )
    database.close()
    chosen = [part for number in range(assigned) for part in ("--computer", f"pc-{number}")]
    assert site("package", "activate", package_id).status == 0
    assert not chosen or site("assign", package_id, *chosen).status == 0


@pytest.fixture
def package_id(site):
    return site.build("--fragment-size", "1KiB")


def test_a_forecast_for_the_computers_it_is_assigned_to(site, package_id):
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


def test_without_assignments_for_all_that_are_known(site, package_id):
    populate(site, package_id, assigned=0)
    assert site("plan", package_id, "--json").json["agents"] == 60


def test_what_to_set(site, package_id):
    done = site("plan", package_id, "--site", "paris=2000:4Mbit/s", "--by", "3d", "--most", "1MB/s", "--json")
    answer = done.json["answer"]
    assert answer["is_met"]
    assert answer["finish_s"] <= 3 * DAY_S
    assert answer["peak_bytes_per_s"] <= 1_000_000
    shown = site("plan", package_id, "--site", "paris=2000", "--by", "3d", "--most", "1MB/s")
    assert "95 % of the computers within 3 d 0 h, no line over 1 MB/s: can be met." in shown.out
    assert f"download.frag_latency_s    {answer['config']['frag_latency_s']}" in shown.out
    assert "--priority                 5" in shown.out
    never = site("plan", package_id, "--site", "paris=2000000", "--by", "26h", "--most", "1kB/s")
    assert never.status == 0
    assert "cannot be met; this comes nearest" in never.out


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--by", "soon"), "--by"),
        (("--by", "1min", "--site", "a=3"), "--by"),
        (("--most", "1MB/s"), "--most"),
        (("--by", "3d", "--most", "much"), "--most"),
        (("--by", "3d", "--share", "3"), "--share"),
        (("--site", "paris"), "--site"),
        (("--line", "fast"), "--line"),
        ((), "--site"),
    ],
)
def test_bad_input(site, package_id, arguments, field):
    done = site("plan", package_id, *arguments)
    assert done.status == 2
    assert done.err.startswith(f"distd: {field}: expected ")
    assert done.err.count("\n") == 1


def test_an_unknown_package(site):
    assert site("plan", "17").status == 2


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("fri 18:00", 2 * DAY_S + 7.5 * HOUR_S),
        ("Friday 18", 2 * DAY_S + 7.5 * HOUR_S),
        ("wed 10:30", 7 * DAY_S),
        ("wed 10:31", 60.0),
        ("mon", 4 * DAY_S + 13.5 * HOUR_S),
        ("2026-11-27 18:00", 2 * DAY_S + 7.5 * HOUR_S),
        ("2026-11-26", 13.5 * HOUR_S),
        ("3d", 3 * DAY_S),
        ("90min", 5400.0),
    ],
)
def test_times_to_be_through_by(text, expected_s):
    assert read_by(text, WEDNESDAY) == expected_s


@pytest.mark.parametrize("text", ["", "soon", "fri 25:00", "2026-11-25 10:00", "2026-13-01", "-3d"])
def test_what_is_no_such_time(text):
    with pytest.raises(BadInput) as caught:
        read_by(text, WEDNESDAY)
    assert caught.value.field == "--by"


def test_goals():
    assert read_goal(None, "95%", None, WEDNESDAY) is None
    assert read_goal("1d", "95%", None, WEDNESDAY) == Goal(0.95, DAY_S, math.inf)
    assert read_goal("1d", "50%", "8Mbit/s", WEDNESDAY) == Goal(0.5, DAY_S, 1_000_000)


async def test_the_api_tells_the_same(site, package_id, tmp_path):
    populate(site, package_id)
    with open_catalogue(site.data / "catalogue.db") as catalogue, catalogue.write() as conn:
        operators.create(conn, "eve", "secret")
    async with distd_serve(site.data) as server:

        def get(query, *, login=True):
            url = f"http://{server.http}/api/v1/packages/{package_id}/plan?{urllib.parse.urlencode(query)}"
            proof = base64.b64encode(b"eve:secret").decode()
            request = urllib.request.Request(url, headers={"Authorization": f"Basic {proof}"} if login else {})
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        async def ask(query, **options):
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
