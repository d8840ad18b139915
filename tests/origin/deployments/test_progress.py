"""Fragments that were served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.origin.deployments.progress import Fetched, record
from distd.wire.number_ranges import parse, render

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

RANGES = [([], ""), ([1], "1"), ([1, 2], "1-2"), ([3, 1, 2, 7], "1-3,7"), ([7, 7, 9], "7,9"), ([10, 11, 12, 9], "9-12")]


@pytest.mark.parametrize(("numbers", "text"), RANGES)
def test_ranges_are_compact(numbers: Any, text: Any) -> None:
    assert render(numbers) == text


@given(st.sets(st.integers(1, 10_000)))
def test_ranges_come_back(numbers: Any) -> None:
    assert parse(render(numbers)) == numbers


def test_fetches_add_up_and_a_repeated_fragment_counts_once(pc: TestOrigin) -> None:
    pc.package("17")
    pc.write(record, [Fetched(1, "17", [1, 2], 20)], 100.0)
    pc.write(record, [Fetched(1, "17", [2, 3], 20)], 101.5)
    assert pc.rows(schema.progress) == [
        {
            "computer_id": 1,
            "package_id": "17",
            "fragments": 3,
            "ranges": "1-3",
            "sent_bytes": 40,
            "mirror": "",
            "first_at_us": 100_000_000,
            "last_at_us": 101_500_000,
            "repeated": 1,
        }
    ]
    (told,) = pc.events(Kind.FRAGMENTS_FETCHED)
    assert (told.at_s, told.computer_id, told.detail) == (100.0, 1, {"numbers": "1-2", "bytes": 20})


def test_very_many_at_once(pc: TestOrigin) -> None:
    """More than a statement of PostgreSQL takes; nearly all are of computers that are gone."""
    pc.package("17")
    pc.write(record, [Fetched(number, "17", [1], 10) for number in range(1, 12_001)], 100.0)
    assert [(row["computer_id"], row["fragments"]) for row in pc.rows(schema.progress)] == [(1, 1)]


def test_what_was_sent_of_a_package_is_a_sum(pc: TestOrigin) -> None:
    pc.package("17")
    pc.package("18")
    pc.prolog("b")
    pc.write(record, [Fetched(1, "17", [1, 2], 20), Fetched(2, "17", [1], 10), Fetched(2, "18", [1], 5)], 100.0)
    pc.write(record, [Fetched(1, "17", [2, 2], 20), Fetched(0, "17", [3], 7, "10.0.0.9", "lyon")], 101.0)
    names = ("package_id", "fragments", "sent_bytes", "repeated", "last_at_us")
    assert [[row[name] for name in names] for row in pc.rows(schema.package_progress)] == [
        ["17", 5, 50, 2, 101_000_000],
        ["18", 1, 5, 0, 100_000_000],
    ]


def test_another_mirror_is_an_event(pc: TestOrigin) -> None:
    pc.package("17")
    for number, mirror in enumerate(("", "", "lyon", "lyon", ""), 1):
        pc.write(record, [Fetched(1, "17", [number], 10, "10.0.0.1", mirror)], 100.0)
    numbers = [event.detail["numbers"] for event in pc.events(Kind.FRAGMENTS_FETCHED)]
    assert numbers == ["1", "3", "5"]


def test_many_computers_at_once(origin: TestOrigin) -> None:
    origin.package("17")
    origin.package("18")
    for number in range(5):
        origin.prolog(f"pc{number}")
    fetches = [Fetched(number, package_id, [number], 1) for number in range(1, 6) for package_id in ("17", "18")]
    origin.write(record, fetches, 100.0)
    assert len(origin.rows(schema.progress)) == len(origin.events(Kind.FRAGMENTS_FETCHED)) == 10


def test_the_unknown_is_dropped(pc: TestOrigin) -> None:
    pc.package("17")
    pc.write(record, [Fetched(99, "17", [1], 1), Fetched(1, "99", [1], 1)], 100.0)
    pc.write(record, [], 100.0)
    assert pc.rows(schema.progress) == []
    assert pc.events(Kind.FRAGMENTS_FETCHED) == []
