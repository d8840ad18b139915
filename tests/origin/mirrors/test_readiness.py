"""Which mirrors have a package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select, update

from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.domain.page import EVERYTHING, Window
from distd.origin.mirrors import mirrors as use_cases
from distd.origin.mirrors.mirrors import NewMirror
from distd.origin.mirrors.readiness import MirrorReadiness, packages_of, readiness

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_only_the_present_version_counts(origin: TestOrigin) -> None:
    origin.package("17")
    for name in ("a", "b", "c", "d"):
        origin.act(use_cases.add, NewMirror(name, f"http://{name}.example:80", location=name.upper()), 0.0)

    def join(conn: Any) -> None:
        conn.execute(update(mirrors).where(mirrors.c.name != "d").values(joined_at_us=1))
        ids = {row.name: row.id for row in conn.execute(select(mirrors))}
        for name, version in (("a", 1), ("b", 2), ("d", 1)):
            row = {"mirror_id": ids[name], "package_id": "17", "version": version, "ready_at_us": 5_000_000}
            conn.execute(insert(mirror_packages).values(**row))

    origin.write(join)
    found = origin.read(readiness, "17", 10.0)
    assert [(each.name, each.location, each.ready_at_s) for each in found] == [
        ("a", "A", 5.0),
        ("b", "B", None),
        ("c", "C", None),
    ]
    assert not any(each.alive for each in found)


@pytest.mark.parametrize(
    ("missing_bytes", "ready_at_s", "percent"),
    [(None, None, 0), (0, None, 0), (100, None, 0), (25, None, 75), (101, None, 0), (None, 5.0, 100), (60, 5.0, 100)],
)
def test_how_much_of_a_package_it_has_at_least(
    missing_bytes: int | None, ready_at_s: float | None, percent: int
) -> None:
    assert MirrorReadiness("a", "", True, ready_at_s, missing_bytes).percent(100) == percent


def test_what_it_misses_counts_from_when_it_knows_the_package(origin: TestOrigin) -> None:
    origin.package("17")
    origin.act(use_cases.add, NewMirror("a", "http://a.example"), 0.0)

    def heard(conn: Any, seq: int) -> None:
        conn.execute(update(mirrors).values(joined_at_us=1, heard_seq=seq, status={"missing_bytes": 9}))

    (told,) = (event.seq for event in origin.events() if event.package_id == "17")
    for seq, missing_bytes in ((told - 1, None), (told, 9)):
        origin.write(heard, seq)
        assert [each.missing_bytes for each in origin.read(readiness, "17", 10.0)] == [missing_bytes]


def test_the_packages_that_a_mirror_is_to_have(origin: TestOrigin) -> None:
    for package_id in ("17", "18", "19"):
        origin.package(package_id)
    for name in ("a", "b"):
        origin.act(use_cases.add, NewMirror(name, f"http://{name}.example"), 0.0)

    def has(conn: Any) -> None:
        ids = {row.name: row.id for row in conn.execute(select(mirrors))}
        for name, package_id, version in (("a", "17", 1), ("a", "18", 2), ("b", "19", 1)):
            row = {"mirror_id": ids[name], "package_id": package_id, "version": version, "ready_at_us": 5_000_000}
            conn.execute(insert(mirror_packages).values(**row))

    origin.write(has)
    found = origin.read(packages_of, "a", EVERYTHING)
    assert [(each.package_id, each.ready_at_s) for each in found.items] == [("19", None), ("18", None), ("17", 5.0)]
    part = origin.read(packages_of, "a", Window(2))
    assert (len(part.items), part.total, part.next is None) == (2, 3, False)
