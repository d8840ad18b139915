"""The reports of mirrors: what they change, and what is refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import mirrors_schema, schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput
from distd.origin.computers import revocation
from distd.origin.mirrors import mirrors, reports
from distd.wire import tokens
from tests.fixtures.mirrors import TOKEN_KEY, add_mirror, report

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_only_changes_are_reported_after_the_first_report(origin: TestOrigin) -> None:
    origin.package("17")
    origin.package("18")
    mirror = add_mirror(origin, "a")
    report(origin, mirror, have=[["17", 1], ["18", 1]])
    report(origin, mirror, ready=[], gone=["17"])
    assert [row["package_id"] for row in origin.rows(mirrors_schema.mirror_packages)] == ["18"]
    report(origin, mirror, ready=[["17", 2]])
    assert {row["package_id"]: row["version"] for row in origin.rows(mirrors_schema.mirror_packages)} == {
        "17": 2,
        "18": 1,
    }


def test_a_status_keeps_the_values_that_a_report_leaves_out(origin: TestOrigin) -> None:
    mirror = add_mirror(origin, "a")
    report(origin, mirror, status={"agents": 7, "hits": 1})
    report(origin, mirror, status={"hits": 2, "newer": "ignored"})
    assert origin.read(mirrors.show, "a", origin.now_s).status == {"agents": 7, "hits": 2}


def test_fetches_count_once_and_at_the_time_when_they_were(origin: TestOrigin) -> None:
    origin.package("17", fragments=5)
    origin.prolog()
    origin.assign("17")
    computer_id = origin.rows(schema.computers)[0]["id"]
    mirror = add_mirror(origin, "a")
    token = tokens.make(TOKEN_KEY, computer_id, tokens.last_day(origin.now_s, 60))
    access = [
        [token, "10.0.0.1", "17", "1-2", 200],
        [token, "10.0.0.1", "17", "2,4", 200],
        ["", "10.0.0.9", "17", "1", 100],
        [token[:-1] + ("a" if token[-1] != "a" else "b"), "10.0.0.1", "17", "5", 100],
        [token, "10.0.0.1", "99", "1", 100],
        [token, "10.0.0.1", "17", "1-99999999999", 100],
    ]
    # The mirror's clock is an hour off, both times.
    for _ in range(2):
        report(origin, mirror, batch="b1", at_s=origin.now_s + 3600, now_s=origin.now_s + 3630, access=access)
    (row,) = origin.rows(schema.progress)
    assert (row["ranges"], row["fragments"], row["sent_bytes"]) == ("1-2,4", 3, 400)
    assert row["last_at_us"] == (origin.now_s - 30) * 1_000_000
    known, unknown = origin.events(Kind.FRAGMENTS_FETCHED)
    assert known.detail == {"numbers": "1-2,4", "bytes": 400, "mirror": "a", "address": "10.0.0.1"}
    assert (unknown.computer_id, unknown.detail["address"]) == (None, "10.0.0.9")


def test_a_token_that_had_ended_or_is_revoked_counts_for_nobody(origin: TestOrigin) -> None:
    """A mirror takes every token: it cannot tell."""
    origin.package("17", fragments=5)
    origin.prolog()
    mirror = add_mirror(origin, "a")
    day = tokens.day_of(origin.now_s)
    ended, good = (tokens.make(TOKEN_KEY, 1, last) for last in (day - 1, day))
    access = [[ended, "10.0.0.1", "17", "1", 100], [good, "10.0.0.1", "17", "2", 100]]
    report(origin, mirror, batch="b1", access=access)
    origin.act(revocation.revoke, ["pc"], origin.now_s)
    report(origin, mirror, batch="b2", access=[[good, "10.0.0.1", "17", "3", 100]])
    (row,) = origin.rows(schema.progress)
    assert row["ranges"] == "2"


def test_fetches_of_what_is_no_package_do_not_count(origin: TestOrigin) -> None:
    mirror = add_mirror(origin, "a")
    origin.package("2" * 20)
    access = [["", "10.0.0.9", package_id, "1", 100] for package_id in ("3" * 20, "2" * 20)]
    report(origin, mirror, batch="b1", access=access)
    assert [event.package_id for event in origin.events(Kind.FRAGMENTS_FETCHED)] == ["2" * 20]


def test_a_report_says_how_far_its_mirror_is(origin: TestOrigin) -> None:
    assert reports.read({}).seq == 0
    mirror = add_mirror(origin, "a")
    report(origin, mirror, seq=7)
    report(origin, mirror, seq=3)  # one that came late
    (row,) = origin.rows(mirrors_schema.mirrors)
    assert (row["heard_seq"], row["seen_at_us"]) == (7, origin.now_s * 1_000_000)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"seq": -1}, "report/seq"),
        ({"seq": "1"}, "report/seq"),
        ({"seq": True}, "report/seq"),
        ({"have": [["17"]]}, "report/have"),
        ({"ready": [["17", 1]] * (reports.MAX_ROWS + 1)}, "report/ready"),
        ({"gone": [1]}, "report/gone"),
        ({"batch": "x" * 65}, "report/batch"),
        ({"access": [["t", "a", "17", 1, 1]]}, "report/access"),
        ({"faults": "x"}, "report/faults"),
        ({"status": {"agents": "7"}}, "report/status/agents"),
        ({"status": {"agents": -1}}, "report/status/agents"),
        ({"status": {"free_bytes": 2**63}}, "report/status/free_bytes"),
        ({"status": {"version": "9" * 65}}, "report/status/version"),
        ({"seq": 2**63}, "report/seq"),
        ({"have": [["17", 2**63]]}, "report/have"),
        ({"ready": [["17", 2**31]]}, "report/ready"),
        ({"ready": [["17", -1]]}, "report/ready"),
        ({"ready": [["x", 1]]}, "report/ready"),
        ({"gone": ["../17"]}, "report/gone"),
        ({"faults": [["1" * 21, "info", True]]}, "report/faults"),
        ({"faults": [["17", "x" * 65, True]]}, "report/faults"),
        ({"at_s": math.nan}, "report/at_s"),
        ({"now_s": math.inf}, "report/now_s"),
        ({"now_s": -1.0}, "report/now_s"),
        ({"access": [["t" * 65, "a", "17", "1", 1]]}, "report/access"),
        ({"access": [["", "a" * 256, "17", "1", 1]]}, "report/access"),
        ({"access": [["", "a", "x", "1", 1]]}, "report/access"),
        ({"access": [["", "a", "17", "1," * 2**20, 1]]}, "report/access"),
        ({"access": [["", "a", "17", "1", 2**63]]}, "report/access"),
    ],
)
def test_a_bad_report_is_refused_by_its_field(message: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        reports.read({"seq": 0, **message})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("values", "age_s"),
    [
        ({}, 0.0),
        ({"now_s": 50.0}, 0.0),
        ({"at_s": 0.25}, 0.0),
        ({"at_s": 100.0, "now_s": 130.0}, 30.0),
        ({"at_s": 130.0, "now_s": 100.0}, 0.0),
        ({"at_s": 1.0, "now_s": 1e12}, reports.MAX_AGE_S),
    ],
)
def test_the_age_of_what_is_reported(values: dict[str, float], age_s: float) -> None:
    assert reports.read(values).age_s == age_s


def test_a_file_that_was_repaired_is_an_event(origin: TestOrigin) -> None:
    origin.package("17")
    mirror = add_mirror(origin, "a")
    report(origin, mirror, faults=[["17", "17-1", True], ["17", "17-2", False]])
    healed, bad = origin.events(Kind.MIRROR_HEALED, Kind.MIRROR_BAD)
    assert (healed.kind, bad.kind, bad.detail) == (Kind.MIRROR_HEALED, Kind.MIRROR_BAD, {"mirror": "a", "name": "17-2"})


def test_a_mirror_does_not_fill_the_event_log(origin: TestOrigin) -> None:
    """By a report of 10,000 bad files, nor by one of 10,000 addresses that have fetched a fragment."""
    origin.package("17")
    mirror = add_mirror(origin, "a")
    bad = [["17", f"17-{number}", False] for number in range(1, 5001)]
    report(origin, mirror, faults=[*([["17", "17-1", False]] * 1000), *([["18", "18-1", False]] * 1000), *bad])
    assert len(origin.events(Kind.MIRROR_BAD)) == reports.MAX_FAULT_EVENTS
    access = [["", f"10.0.{number // 250}.{number % 250}", "17", "1-2", 10] for number in range(5000)]
    report(origin, mirror, batch="b", access=access)
    events = origin.events(Kind.FRAGMENTS_FETCHED)
    assert len(events) == reports.MAX_UNNAMED + 1
    others = (5000 - reports.MAX_UNNAMED) * 10
    assert events[-1].detail == {"numbers": "1-2", "bytes": others, "address": "", "mirror": "a"}


def test_numbers_of_fragments_are_limited_in_all_rows_together(
    origin: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MAX_NUMBERS", 100)
    origin.package("17")
    mirror = add_mirror(origin, "a")
    rows = ["1-60", f"1-{10**30}", "41-90", "91-120", "121-140"]
    report(origin, mirror, batch="b", access=[["", "10.0.0.1", "17", ranges, 10] for ranges in rows])
    (event,) = origin.events(Kind.FRAGMENTS_FETCHED)
    assert event.detail["numbers"] == "1-60,91-120"


def test_what_a_mirror_has_already_is_no_event(origin: TestOrigin) -> None:
    origin.package("17")
    mirror = add_mirror(origin, "a")
    for version in (1, 1, 2, 2):
        report(origin, mirror, ready=[["17", version]])
    assert [event.detail["version"] for event in origin.events(Kind.MIRROR_READY)] == [1, 2]
