"""Groups: made, changed, deleted; members by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.catalogue.groups_schema import group_packages, group_picks
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import EVERYTHING
from distd.domain.parameters import Level
from distd.origin.computers import computer_settings, computers, merging, parameters
from distd.origin.computers.parameters import Subject
from distd.origin.groups import groups
from distd.origin.groups.groups import GroupChanges, MembersChanged, NewComputerGroup
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.origin.groups.conftest import Site


def show(site: Site, name: str) -> Any:
    return site.origin.read(groups.show, ADMIN, name)


def edit(site: Site, group: str, **changes: Any) -> Any:
    return site.origin.act(groups.edit, group, GroupChanges(**changes), site.origin.now_s)


def delete(site: Site, name: str) -> Any:
    return site.origin.act(groups.delete, name, site.origin.now_s)


def three(site: Site) -> None:
    site.inventory("a", "Windows 10", TAG="room 1")
    site.inventory("b", "Windows 11", TAG="room 2")
    site.inventory("c", "Debian GNU/Linux 13", TAG="room 1")


def test_a_static_and_a_dynamic_group(site: Site) -> None:
    three(site)
    made = site.create("Class A", None, "a", "c")
    assert (made.name, made.filter, made.members, made.created_by) == ("Class A", None, 2, "operator:admin")
    assert site.create("Windows", "os ~ windows").members == 2
    assert (site.members("Class A"), site.members("Windows")) == (["a", "c"], ["a", "b"])
    page = site.origin.read(groups.list_groups, ADMIN, None, EVERYTHING)
    assert [(each.name, each.members) for each in page.items] == [("Class A", 2), ("Windows", 2)]
    assert site.origin.read(groups.list_groups, ADMIN, "CLASS", EVERYTHING).total == 1
    created = site.origin.events(Kind.GROUP_CREATED)
    assert [event.detail["members"] for event in created] == [2, 2]


def test_what_no_group_can_be(site: Site) -> None:
    three(site)
    site.create("Class A", None, "a")
    for name in ("", " ", "a/b", "x" * 256, "a\nb"):
        with pytest.raises(BadInput, match=r"^name: "):
            site.create(name)
    with pytest.raises(Conflict, match="there is a group class a already"):
        site.create("class a")
    with pytest.raises(BadInput, match=r"^filter: "):
        site.create("x", "memory > much")
    with pytest.raises(BadInput, match=r"^filter: expected a filter"):
        site.create("x", " ")
    with pytest.raises(NotFound, match=r"^computers: "):
        site.create("x", None, "nobody")
    with pytest.raises(NotFound, match="got Clas A; perhaps Class A"):
        show(site, "Clas A")
    with pytest.raises(Conflict, match="no group may ask for itself"):
        site.create("x", 'group("x")')
    assert [each.name for each in site.origin.read(groups.list_groups, ADMIN, None, EVERYTHING).items] == ["Class A"]


def test_there_is_a_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_GROUPS", 1)
    site.create("a")
    with pytest.raises(Conflict, match="there are 1 groups already"):
        site.create("b")


def test_members_by_hand_of_a_static_group(site: Site) -> None:
    three(site)
    site.create("Class A")
    assert site.set_members("class a", add=["a", "b"]) == MembersChanged(2, 0)
    assert site.set_members("Class A", add=["a", "c"], remove=["b"]) == MembersChanged(1, 1)
    assert site.members("Class A") == ["a", "c"]
    for lists in ({}, {"add": ["a"], "remove": ["a"]}, {"reset": ["a"]}, {"add": ["nobody"]}):
        with pytest.raises(BadInput):
            site.set_members("Class A", **lists)
    assert site.members("Class A") == ["a", "c"]


def test_members_by_hand_of_a_dynamic_group(site: Site) -> None:
    three(site)
    site.create("Windows", "os ~ windows", "c")
    assert site.members("Windows") == ["a", "b", "c"]
    assert site.set_members("Windows", remove=["a"]) == MembersChanged(0, 1)
    found = show(site, "Windows")
    assert (found.included, found.excluded) == (["c"], ["a"])
    site.inventory("a", "Windows 12")
    assert site.members("Windows") == ["b", "c"]
    assert site.set_members("Windows", reset=["a", "c"]) == MembersChanged(1, 1)
    assert (site.members("Windows"), show(site, "Windows").excluded) == (["a", "b"], [])


def test_a_filter_is_changed(site: Site) -> None:
    three(site)
    site.create("g", "os ~ windows")
    assert edit(site, "g", filter='tag = "room 1"', description="of the first floor") == MembersChanged(1, 1)
    assert (site.members("g"), show(site, "g").group.description) == (["a", "c"], "of the first floor")
    assert edit(site, "g", filter='tag = "room 1"') == MembersChanged(0, 0)
    (event,) = site.origin.events(Kind.GROUP_CHANGED)
    assert event.detail["before"]["filter"] == 'os ~ "windows"'
    site.create("static")
    with pytest.raises(Conflict, match="static is static"):
        edit(site, "static", filter="os ~ windows")


def test_nested_groups_follow_at_once(site: Site) -> None:
    three(site)
    site.create("inner", None, "a")
    site.create("outer", 'NOT group("inn*") AND os ~ windows')
    site.create("third", 'group("outer")')
    assert (site.members("outer"), site.members("third")) == (["b"], ["b"])
    site.set_members("inner", add=["b"], remove=["a"])
    assert (site.members("outer"), site.members("third")) == (["a"], ["a"])
    assert (show(site, "outer").asks_for, show(site, "inner").asked_by) == (["inner"], ["outer"])
    site.create("inner 2", None, "a")
    assert (site.members("outer"), site.members("third")) == ([], [])
    edit(site, "inner 2", name="another")
    assert (site.members("outer"), site.members("third")) == (["a"], ["a"])
    with pytest.raises(Conflict, match="no group may ask for itself"):
        site.create("inner 3", 'group("third")')


def test_a_name_is_changed(site: Site) -> None:
    three(site)
    site.create("a", None, "a")
    site.create("b")
    site.origin.package("17")
    site.give("17", "a")
    edit(site, "a", name="A")
    assert show(site, "a").group.name == "A"
    with pytest.raises(Conflict, match="there is a group b already"):
        edit(site, "a", name="b")
    edit(site, "a", name="c")
    (result,) = site.origin.results("17")
    assert (result.origin_kind, result.origin_name) == ("group", "c")


def test_a_group_is_deleted_with_what_it_gave(site: Site) -> None:
    three(site)
    site.create("a", "os ~ windows", "c")
    site.origin.package("17")
    site.give("17", "a", any_os=True)
    assert site.origin.listed("a") == ["17"]
    site.origin.act(parameters.set_values, Subject(Level.GROUP, "a"), {"download.on": 0}, site.origin.now_s)
    site.create("asking", 'group("a")')
    with pytest.raises(Conflict, match="a is asked for by asking"):
        delete(site, "a")
    delete(site, "asking")
    assert delete(site, "a").members == 3
    assert site.holders("17") == {"a": "NOTIFIED"}
    assert site.origin.rows(group_packages) == site.origin.rows(group_picks) == []
    with pytest.raises(NotFound):
        show(site, "a")


def test_what_an_operator_changes_counts_at_once(site: Site) -> None:
    three(site)
    site.create("g", 'tag = "room 9"')
    site.origin.act(computer_settings.change, ["a"], {"tag": "room 9"}, site.origin.now_s)
    assert site.members("g") == ["a"]


def test_computers_that_go_are_in_no_group(site: Site) -> None:
    three(site)
    site.create("g", None, "a", "b")
    site.create("h", "os ~ windows", "c")
    site.set_members("h", remove=["a"])
    site.origin.act(computers.delete, ["a", "c"], site.origin.now_s)
    assert (site.members("g"), site.members("h"), site.origin.rows(group_picks)) == (["b"], ["b"], [])


def test_two_computers_become_one(site: Site) -> None:
    three(site)
    site.create("g", None, "a")
    site.create("h", "os ~ windows", "c")
    site.set_members("h", remove=["a"])
    site.origin.act(merging.merge, "a", "c", site.origin.now_s)
    assert (site.members("g"), site.members("h")) == (["c"], ["b", "c"])


def test_who_sees_only_some_sees_only_these(site: Site) -> None:
    three(site)
    site.create("g", None, "a", "b", "c")
    eve = site.origin.write(_operator, 'tag = "room 1"')
    assert site.origin.read(groups.show, eve, "g").group.members == 2


def _operator(conn: Any, text: str) -> Any:
    from sqlalchemy import insert

    from distd.catalogue import schema
    from distd.domain.actor import Actor, ActorKind

    row = {"name": "eve", "password_hash": "", "role": "viewer", "filter": text}
    conn.execute(insert(schema.operators).values(**row))
    return Actor(ActorKind.OPERATOR, "eve")


def test_nothing_is_done_where_something_is_wrong(site: Site) -> None:
    new = NewComputerGroup("x", "a\nb")
    with pytest.raises(BadInput, match=r"^description: "):
        site.origin.act(groups.create, new, site.origin.now_s)
    assert site.origin.events(Kind.GROUP_CREATED) == []


def test_the_groups_of_a_computer(site: Site) -> None:
    for device_id in ("pc1", "pc2"):
        site.inventory(device_id)
    site.create("B", None, "pc1")
    site.create("a", None, "pc1", "pc2")
    assert [site.origin.read(groups.names_of, each) for each in ("pc1", "pc2", "nobody")] == [["a", "B"], ["a"], []]
