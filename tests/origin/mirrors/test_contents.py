"""Which packages mirrors are to have, and have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.catalogue import mirrors_schema, schema
from distd.catalogue.event_log import Kind
from distd.origin.mirrors import contents
from distd.origin.packages import packages
from tests.fixtures.mirrors import add_mirror

if TYPE_CHECKING:
    from distd.origin.mirrors.identity import MirrorIdentity
    from tests.fixtures.origin import TestOrigin


def held(origin: TestOrigin, mirror: MirrorIdentity) -> dict[str, int]:
    rows = origin.rows(mirrors_schema.mirror_packages)
    return {row["package_id"]: row["version"] for row in rows if row["mirror_id"] == mirror.id}


def test_a_superseded_package_is_wanted_while_a_computer_waits_for_it(origin: TestOrigin) -> None:
    origin.package("17")
    origin.package("18")
    origin.prolog()
    origin.assign("17")
    replaced = schema.packages.update().where(schema.packages.c.id == "17").values(superseded_by="18")
    origin.write(lambda conn: conn.execute(replaced))
    origin.act(packages.deactivate, "17", origin.now_s)
    wanted = origin.read(contents.list_wanted)
    assert {package.package_id: package.needed for package in wanted} == {"17": True, "18": True}
    origin.unassign("17")
    assert [package.package_id for package in origin.read(contents.list_wanted)] == ["18"]


def test_what_has_no_fragments_or_is_deleted_is_not_wanted(origin: TestOrigin) -> None:
    origin.package("17", fragments=0)
    origin.package("18", fragments=1)
    origin.package("19", active=False)
    origin.package("20")
    gone = schema.packages.update().where(schema.packages.c.id == "20").values(deleted_at_us=1)
    origin.write(lambda conn: conn.execute(gone))
    wanted = [(package.package_id, package.needed) for package in origin.read(contents.list_wanted)]
    assert wanted == [("18", True), ("19", False)]


def test_what_a_mirror_has_changes_by_what_it_says(origin: TestOrigin) -> None:
    for package_id in ("17", "18", "19"):
        origin.package(package_id)
    a, b = add_mirror(origin, "a"), add_mirror(origin, "b")
    origin.write(contents.replace, a, [("17", 1), ("18", 1), ("99", 1)], origin.now_s)
    origin.write(contents.replace, b, [("17", 1)], origin.now_s)
    origin.write(contents.add_ready, a, [("17", 2), ("19", 1)], origin.now_s)
    origin.write(contents.remove, a, ["18", "99"], origin.now_s)
    assert held(origin, a) == {"17": 2, "19": 1}
    assert held(origin, b) == {"17": 1}
    gone = [(event.package_id, event.detail) for event in origin.events(Kind.MIRROR_GONE)]
    assert gone == [("18", {"mirror": "a"})]


def test_only_what_has_changed_is_an_event(origin: TestOrigin) -> None:
    origin.package("17")
    origin.package("18")
    mirror = add_mirror(origin, "a")
    origin.write(contents.replace, mirror, [("17", 1)], origin.now_s)
    origin.write(contents.replace, mirror, [("17", 1), ("18", 3)], origin.now_s)
    ready = [(event.package_id, event.detail["version"]) for event in origin.events(Kind.MIRROR_READY)]
    assert ready == [("17", 1), ("18", 3)]


def test_what_a_mirror_does_not_name_among_all_that_it_has_is_gone(origin: TestOrigin) -> None:
    for package_id in ("17", "18", "19"):
        origin.package(package_id)
    a, b = add_mirror(origin, "a"), add_mirror(origin, "b")
    for mirror in (a, b):
        origin.write(contents.replace, mirror, [("17", 1), ("18", 1), ("19", 1)], origin.now_s)
    origin.write(contents.replace, a, [("18", 1)], origin.now_s)
    assert held(origin, a) == {"18": 1}
    assert held(origin, b) == {"17": 1, "18": 1, "19": 1}
    gone = [(event.package_id, event.detail) for event in origin.events(Kind.MIRROR_GONE)]
    assert gone == [("17", {"mirror": "a"}), ("19", {"mirror": "a"})]
