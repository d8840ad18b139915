"""The reports of mirrors: what they change, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput
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
    assert [row["package_id"] for row in origin.rows(schema.mirror_packages)] == ["18"]
    report(origin, mirror, ready=[["17", 2]])
    assert {row["package_id"]: row["version"] for row in origin.rows(schema.mirror_packages)} == {"17": 2, "18": 1}


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
    token = tokens.make(TOKEN_KEY, computer_id)
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
    assert (row["ranges"], row["fragments"], row["sent_bytes"]) == ("1-2,4", 3, 500)
    assert row["last_at_us"] == (origin.now_s - 30) * 1_000_000
    known, unknown = origin.events(Kind.FRAGMENTS_FETCHED)
    assert known.detail == {"numbers": "1-2,4", "bytes": 500, "mirror": "a", "address": "10.0.0.1"}
    assert (unknown.computer_id, unknown.detail["address"]) == (None, "10.0.0.9")


def test_fetches_of_what_is_no_package_do_not_count(origin: TestOrigin) -> None:
    mirror = add_mirror(origin, "a")
    for package_id in ("1" * 21, "2" * 20):
        origin.package(package_id)
    access = [["", "10.0.0.9", package_id, "1", 100] for package_id in ("", "x", "1" * 21, "2" * 20)]
    report(origin, mirror, batch="b1", access=access)
    assert [event.package_id for event in origin.events(Kind.FRAGMENTS_FETCHED)] == ["2" * 20]


def test_a_report_says_how_far_its_mirror_is(origin: TestOrigin) -> None:
    assert reports.read({}).seq == 0
    mirror = add_mirror(origin, "a")
    report(origin, mirror, seq=7)
    report(origin, mirror, seq=3)  # one that came late
    (row,) = origin.rows(schema.mirrors)
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
    report(origin, mirror, faults=[["1" * 30, "x" * 100, False]])
    long = origin.events(Kind.MIRROR_BAD)[-1]
    assert (long.package_id, long.detail["name"]) == ("1" * 20, "x" * 64)
    assert (healed.kind, bad.kind, bad.detail) == (Kind.MIRROR_HEALED, Kind.MIRROR_BAD, {"mirror": "a", "name": "17-2"})
