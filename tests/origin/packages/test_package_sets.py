"""Sets of packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import EVERYTHING
from distd.origin.packages import package_sets, packages, references
from distd.origin.packages.package_sets import MAX_PACKAGES, SetChanges, SetContent

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    for number in (17, 18, 19):
        origin.package(str(number))
    return origin


def make(site: TestOrigin, name: str = "Office", *ids: str, chain: bool = False) -> package_sets.PackageSet:
    made: package_sets.PackageSet = site.act(package_sets.create, SetContent(name, ids or ("18", "17"), chain), 5.0)
    return made


def test_a_set_from_its_creation_to_its_end(site: TestOrigin) -> None:
    made = make(site)
    assert [(each.package_id, each.name, each.active) for each in made.packages] == [
        ("18", "package 18", True),
        ("17", "package 17", True),
    ]
    assert (made.created_by, made.created_at_s) == ("operator:admin", 5.0)
    site.act(packages.deactivate, "17", 6.0)
    assert [each.active for each in site.read(package_sets.show, "OFFICE").packages] == [True, False]
    changed = site.act(package_sets.edit, "office", SetChanges("Room", ("19",), True, "for all"), 7.0)
    assert (changed.name, changed.chain, changed.description) == ("Room", True, "for all")
    assert site.act(package_sets.edit, "room", SetChanges(), 8.0) == changed
    make(site, "Another")
    assert [each.name for each in site.read(package_sets.list_sets, EVERYTHING).items] == ["Another", "Room"]
    assert site.act(package_sets.delete, "room", 9.0) == changed
    with pytest.raises(NotFound):
        site.read(package_sets.show, "room")
    kinds = [event.kind for event in site.events(Kind.SET_CREATED, Kind.SET_CHANGED, Kind.SET_DELETED)]
    assert kinds == [Kind.SET_CREATED, Kind.SET_CHANGED, Kind.SET_CREATED, Kind.SET_DELETED]
    (event,) = site.events(Kind.SET_CHANGED)
    assert event.detail["before"]["package_ids"] == ["18", "17"]


@pytest.mark.parametrize(
    ("content", "error", "field"),
    [
        (SetContent("", ("17",)), BadInput, "name"),
        (SetContent("a/b", ("17",)), BadInput, "name"),
        (SetContent("x", ()), BadInput, "packages"),
        (SetContent("x", ("17", "17")), BadInput, "packages"),
        (SetContent("x", tuple(map(str, range(MAX_PACKAGES + 1)))), BadInput, "packages"),
        (SetContent("x", ("17", "99")), NotFound, "packages"),
        (SetContent("x", ("17",), description="\0"), BadInput, "description"),
        (SetContent("OFFICE", ("17",)), Conflict, "name"),
    ],
)
def test_what_cannot_be(site: TestOrigin, content: SetContent, error: type[Exception], field: str) -> None:
    make(site)
    with pytest.raises(error) as raised:
        site.act(package_sets.create, content, 5.0)
    assert getattr(raised.value, "field", "") == field


def test_there_are_not_too_many(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_sets, "MAX_SETS", 1)
    make(site)
    with pytest.raises(Conflict, match="1 sets already"):
        make(site, "B")


def test_they_follow_their_packages(site: TestOrigin) -> None:
    make(site)
    site.write(references.follow_package, "17", "19")
    assert [each.package_id for each in site.read(package_sets.show, "office").packages] == ["18", "19"]
    site.write(references.forget_package, "18")
    assert [each.package_id for each in site.read(package_sets.show, "office").packages] == ["19"]
