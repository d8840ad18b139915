"""Emulated agents against a server that does what it is told to, also the wrong thing."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agentsim.fleet.counters import State
from agentsim.fleet.options import Arrival, Arrivals, Order
from agentsim.fleet.shard import Shard
from agentsim.fleet.totals import Picture
from distd.domain.records import Action, Dialect, Pack

CONTENT = random.Random(1).randbytes(9000)
FRAGMENT = "/download/17/17-2"
UNIX, WINDOWS, NATIVE = Dialect.UNIX, Dialect.WINDOWS, Dialect.NATIVE


async def run(site: Any, dialect: Any, agents: Any = 1, **values: Any) -> Any:
    """Agents that check everything, until they are through."""
    order = Order(
        f"https://{site.https}/ocsinventory",
        site.authority.file.read_text(),
        agents,
        **({"dialects": {dialect: 1.0}, "verify": 1.0} | values),
    )
    picture = Picture(agents)
    await Shard(order).run(lambda message: picture.hear("here", message))
    return picture


def add(site: Any, **values: Any) -> None:
    site.add("17", CONTENT, Action.STORE, "/tmp/x", **({"fragments": 3} | values))


@pytest.mark.parametrize("dialect", Dialect)
async def test_all_goes_well(site: Any, dialect: Any) -> None:
    add(site)
    picture = await run(site, dialect)
    figures = picture.figures()
    assert site.results == [("17", "SUCCESS")]
    assert (figures["done"], figures["verified"], figures["bad"], figures["fragments"]) == (1, 1, 0, 3)
    assert figures["verified_bytes"] == figures["bytes"] == len(CONTENT)
    assert not picture.errors
    manifests = 1 if dialect is NATIVE else 0
    assert site.count("manifest") == manifests
    assert site.history == frozenset()


@pytest.mark.parametrize(
    ("dialect", "faults", "errors", "code"),
    [
        (UNIX, [503], {"fragment: HTTP 503": 1}, "SUCCESS"),
        (UNIX, [404, 404], {"fragment: HTTP 404": 2}, "SUCCESS"),
        (WINDOWS, [503] * 5, {"fragment: HTTP 503": 5}, "SUCCESS"),
        (UNIX, ["cut 1000"], {"fragment: closed within a body": 1}, "SUCCESS"),
        (NATIVE, ["cut 1000"], {"fragment: closed within a body": 1}, "SUCCESS"),
        (UNIX, ["flip"], {}, "ERR_BAD_DIGEST"),
        (WINDOWS, ["short"], {}, "ERR_BAD_DIGEST"),
        (NATIVE, ["flip"], {"fragment: corrupt": 1}, "SUCCESS"),
        (NATIVE, ["short", "flip"], {"fragment: corrupt": 2}, "SUCCESS"),
        (UNIX, ["to /download/17/17-2"], {}, "SUCCESS"),
        (NATIVE, ["to /download/17/17-2"] * 3, {}, "SUCCESS"),
        (UNIX, ["to /download/17/17-2"] * 6, {"fragment: too many redirects": 1}, "SUCCESS"),
        (UNIX, ["to ftp://h/x"], {"fragment: a redirect to nowhere": 1}, "SUCCESS"),
        (UNIX, ["to /nowhere"], {"fragment: HTTP 404": 1}, "SUCCESS"),
    ],
)
async def test_faults_of_a_fragment(site: Any, dialect: Any, faults: Any, errors: Any, code: Any) -> None:
    add(site)
    site.faults[FRAGMENT] = list(faults)
    picture = await run(site, dialect)
    assert dict(picture.errors) == errors
    assert site.results == [("17", code)]
    assert picture.states[State.DONE if code == "SUCCESS" else State.FAILED] == 1
    figures = picture.figures()
    assert figures["bad"] == (code != "SUCCESS")
    # Whatever failed is one exchange and one error, and no fragment.
    assert figures["fragments"] == picture.packages["17"].fragments == 3
    assert figures["requests"] == sum(late.get_total_count() for late in picture.late.values())
    assert figures["errors"] == sum(errors.values()) / figures["requests"]
    assert sum(row.fragments for row in picture.rows.values()) == 3
    assert picture.total("redirects") == sum(str(one).startswith("to ") for one in faults)


async def test_who_does_not_check_does_not_notice(site: Any) -> None:
    add(site)
    site.faults[FRAGMENT] = ["flip"]
    picture = await run(site, UNIX, verify=0.0)
    assert site.results == [("17", "SUCCESS")]
    assert picture.figures()["verified"] == 0


@pytest.mark.parametrize(
    ("path", "faults", "errors", "results"),
    [
        ("/ocsinventory", [500], {"prolog: HTTP 500": 1}, []),
        ("/download/17/info", [404], {"info: HTTP 404": 1}, [("17", "ERR_DOWNLOAD_INFO")]),
        ("/download/17/info", ["flip"], {"info: unreadable: BadInput": 1}, [("17", "ERR_DOWNLOAD_INFO")]),
    ],
)
async def test_faults_of_a_contact(site: Any, path: Any, faults: Any, errors: Any, results: Any) -> None:
    add(site)
    site.faults[path] = list(faults)
    picture = await run(site, UNIX)
    assert dict(picture.errors) == errors
    assert site.results == results
    assert picture.states[State.FAILED] == 1


async def test_a_native_agent_goes_on_inside_a_fragment_at_its_next_place(site: Any) -> None:
    add(site)
    site.files |= {path.replace("download", "near"): content for path, content in site.files.items()}
    far, near = f"{site.http}/download", f"{site.http}/near"
    site.packs["17"] = Pack("17", f"{site.https}/download", far, mirrors=(near,))
    site.faults["/near/17/17-1"] = ["cut 1000"]
    picture = await run(site, NATIVE)
    assert site.results == [("17", "SUCCESS")]
    assert "GET /download/17/17-1 bytes=1000-" in site.requests
    # It stays where it was quicker.
    assert site.count("/download/17/17-2") == 1
    assert picture.total("retries") == 1
    assert picture.figures()["verified"] == 1


async def test_a_package_without_a_file(site: Any) -> None:
    site.add("17", b"", Action.EXECUTE, "true", fragments=0)
    picture = await run(site, UNIX)
    assert site.results == [("17", "SUCCESS")]
    assert picture.figures()["fragments"] == 0


async def test_one_that_can_have_no_turn_does_not_hold_the_others_up(site: Any) -> None:
    """Without pauses, its periods follow each other for ever; the others of the process go on."""
    add(site, priority=1)
    site.add("18", CONTENT, Action.STORE, "/tmp/x", priority=11)
    picture = await run(site, WINDOWS, agents=3, duration_s=1.5)
    assert picture.packages["17"].good >= 1
    assert picture.packages["18"].good == 0


async def test_the_time_that_a_run_will_take(site: Any) -> None:
    add(site)
    at_once = await run(site, UNIX, time_scale=1000)
    arriving = await run(site, UNIX, 5, arrival=Arrival(Arrivals.WINDOW, 600.0), time_scale=1000)
    within = await run(site, UNIX, duration_s=0.2)
    nobody = await run(site, UNIX, 1, shard=1, shards=2)
    assert 0 < at_once.expected_s < arriving.expected_s < 1
    assert within.expected_s == pytest.approx(0.2)
    assert nobody.figures()["done"] == 0
