"""Emulated agents against a server that does what it is told to, also the wrong thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentsim.fleet.counters import State
from agentsim.fleet.options import Arrival, Arrivals
from distd.domain.records import Action, Dialect, Pack
from tests.agentsim.fleet.conftest import CONTENT

if TYPE_CHECKING:
    from tests.agentsim.fleet.conftest import VirtualFleet

FRAGMENT = "/download/17/17-2"
UNIX, WINDOWS, NATIVE = Dialect.UNIX, Dialect.WINDOWS, Dialect.NATIVE


@pytest.mark.parametrize("dialect", Dialect)
async def test_success(fleet: VirtualFleet, dialect: Dialect) -> None:
    fleet.add()
    totals = await fleet.run(dialect)
    figures = totals.figures()
    assert fleet.server.results == [("17", "SUCCESS")]
    assert (figures["done"], figures["verified"], figures["bad"], figures["fragments"]) == (1, 1, 0, 3)
    assert figures["verified_bytes"] == figures["bytes"] == len(CONTENT)
    assert not totals.errors
    assert fleet.server.history == frozenset()
    assert fleet.server.count("manifest") == (1 if dialect is NATIVE else 0)


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
        (UNIX, ["to ftp://h/x"], {"fragment: a redirect without a usable address": 1}, "SUCCESS"),
        (UNIX, ["to /nowhere"], {"fragment: HTTP 404": 1}, "SUCCESS"),
    ],
)
async def test_faults_of_a_fragment(
    fleet: VirtualFleet, dialect: Dialect, faults: list[int | str], errors: dict[str, int], code: str
) -> None:
    fleet.add()
    fleet.server.faults[FRAGMENT] = list(faults)
    totals = await fleet.run(dialect)
    assert dict(totals.errors) == errors
    assert fleet.server.results == [("17", code)]
    assert totals.states[State.DONE if code == "SUCCESS" else State.FAILED] == 1
    figures = totals.figures()
    assert figures["bad"] == (code != "SUCCESS")
    # Whatever failed is one exchange and one error, and no fragment.
    assert figures["fragments"] == totals.packages["17"].fragments == 3
    assert figures["requests"] == sum(latency.get_total_count() for latency in totals.latency.values())
    assert figures["errors"] == sum(errors.values()) / figures["requests"]
    assert sum(interval.fragments for interval in totals.intervals.values()) == 3
    assert figures["redirects"] == sum(str(fault).startswith("to ") for fault in faults)


async def test_an_agent_that_does_not_verify_does_not_notice(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.server.faults[FRAGMENT] = ["flip"]
    totals = await fleet.run(UNIX, verify=0.0)
    assert fleet.server.results == [("17", "SUCCESS")]
    assert totals.figures()["verified"] == 0


@pytest.mark.parametrize(
    ("path", "faults", "errors", "results"),
    [
        ("/ocsinventory", [500], {"prolog: HTTP 500": 1}, []),
        ("/download/17/info", [404], {"info: HTTP 404": 1}, [("17", "ERR_DOWNLOAD_INFO")]),
        ("/download/17/info", ["flip"], {"info: unreadable: BadInput": 1}, [("17", "ERR_DOWNLOAD_INFO")]),
    ],
)
async def test_faults_of_a_contact(
    fleet: VirtualFleet,
    path: str,
    faults: list[int | str],
    errors: dict[str, int],
    results: list[tuple[str, str]],
) -> None:
    fleet.add()
    fleet.server.faults[path] = list(faults)
    totals = await fleet.run(UNIX)
    assert dict(totals.errors) == errors
    assert fleet.server.results == results
    assert totals.states[State.FAILED] == 1


async def test_a_native_agent_resumes_a_fragment_at_its_next_place(fleet: VirtualFleet) -> None:
    fleet.add()
    server = fleet.server
    server.files |= {path.replace("download", "near"): content for path, content in server.files.items()}
    far, near = f"{server.http}/download", f"{server.http}/near"
    server.packs["17"] = Pack("17", f"{server.https}/download", far, mirrors=(near,))
    server.faults["/near/17/17-1"] = ["cut 1000"]
    totals = await fleet.run(NATIVE)
    assert server.results == [("17", "SUCCESS")]
    assert "GET /download/17/17-1 bytes=1000-" in server.requests
    # It stays where it was quicker.
    assert server.count("/download/17/17-2") == 1
    assert totals.total(lambda last: last.retries) == 1
    assert totals.figures()["verified"] == 1


async def test_a_package_without_a_file(fleet: VirtualFleet) -> None:
    fleet.server.add("17", b"", Action.EXECUTE, "true", fragments=0)
    totals = await fleet.run(UNIX)
    assert fleet.server.results == [("17", "SUCCESS")]
    assert totals.figures()["fragments"] == 0


async def test_the_time_that_a_run_will_take(fleet: VirtualFleet) -> None:
    fleet.add()
    at_once = await fleet.run(UNIX, time_scale=1000.0)
    arriving = await fleet.run(UNIX, 5, arrival=Arrival(Arrivals.WINDOW, 600.0), time_scale=1000.0)
    within = await fleet.run(UNIX, duration_s=0.2)
    empty_shard = await fleet.run(UNIX, 1, shard=1, shards=2)
    assert 0 < at_once.expected_s < arriving.expected_s < 1
    assert within.expected_s == pytest.approx(0.2)
    assert empty_shard.figures()["done"] == 0
