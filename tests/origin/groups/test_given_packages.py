"""Packages that groups give their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.catalogue.groups_schema import group_packages
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.groups import given_packages, groups
from distd.origin.groups.groups import GroupChanges
from distd.origin.packages import packages, versions
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.origin.groups.conftest import Site


def take(site: Site, package_id: str, group: str, *, dry_run: bool = False) -> Any:
    chosen, now_s = ChosenAssignments(group=group), site.origin.now_s
    return site.origin.act(given_packages.take_from_group, package_id, group, chosen, now_s, dry_run=dry_run)


def windows(site: Site) -> None:
    site.inventory("a", "Windows 10")
    site.inventory("b", "Windows 11")
    site.inventory("c", "Debian")
    site.create("Windows", "os ~ windows")
    site.origin.package("17")


def test_members_have_it_now_and_who_comes_later_at_that_contact(site: Site) -> None:
    windows(site)
    done = site.give("17", "Windows")
    assert done.assigned == ["a", "b"]
    assert site.holders("17") == {"a": "WAITING", "b": "WAITING"}
    site.create("there", "address = 10.0.0.8")
    site.origin.package("18")
    site.give("18", "there")
    site.origin.address = "10.0.0.8"
    assert site.origin.listed("c") == ["18"]  # the contact that makes it a member
    site.inventory("c", "Windows 12")
    assert site.holders("17") == {"a": "WAITING", "b": "WAITING", "c": "WAITING"}
    (result,) = site.origin.results("18")
    assert (result.origin_kind, result.origin_name, result.assigned_by) == ("group", "there", "system")


def test_who_leaves_loses_what_its_agent_was_not_told_of(site: Site) -> None:
    windows(site)
    site.give("17", "Windows")
    assert site.origin.listed("a") == ["17"]
    site.inventory("a", "Debian")
    site.inventory("b", "Debian")
    assert site.holders("17") == {"a": "NOTIFIED"}
    assert site.origin.listed("a") == ["17"]  # trap 3: it stays listed
    site.inventory("b", "Windows 11")
    assert site.holders("17") == {"a": "NOTIFIED", "b": "WAITING"}
    (left,) = site.origin.events(Kind.UNASSIGNED)
    assert left.detail == {"listed": False, "left": "Windows"}


def test_another_group_gives_it_too(site: Site) -> None:
    windows(site)
    site.create("all", 'device_id ~ "*"')
    site.give("17", "Windows")
    assert site.give("17", "all").already == ["a", "b"]
    site.inventory("a", "Debian")
    origins = {each.device_id: each.origin_name for each in site.origin.results("17")}
    assert origins == {"a": "all", "b": "Windows", "c": "all"}
    assert take(site, "17", "Windows").computers == ["b"]
    assert {each.device_id: each.origin_name for each in site.origin.results("17")} == dict.fromkeys("abc", "all")


def test_what_others_have_assigned_is_theirs(site: Site) -> None:
    windows(site)
    site.origin.assign("17", "a")
    site.give("17", "Windows")
    assert take(site, "17", "Windows").computers == ["b"]
    assert site.holders("17") == {"a": "WAITING"}
    assert site.origin.rows(group_packages) == []
    site.inventory("c", "Windows 12")
    assert site.holders("17") == {"a": "WAITING"}


def test_to_try_it_first(site: Site) -> None:
    windows(site)
    site.give("17", "Windows")
    assert take(site, "17", "Windows", dry_run=True).computers == ["a", "b"]
    assert len(site.origin.rows(group_packages)) == 1
    with pytest.raises(NotFound, match="got Linux"):
        take(site, "17", "Linux")


def test_each_member_gets_it_once(site: Site) -> None:
    windows(site)
    site.give("17", "Windows")
    site.origin.listed("a")
    site.origin.report("17", "ERR_TIMEOUT", "a")
    site.inventory("a", "Debian")
    site.inventory("a", "Windows 10")
    assert site.holders("17")["a"] == "FAILED"
    site.origin.now_s += 10
    assert site.give("17", "Windows").assigned == ["a"]  # assigned again: another attempt


def test_computers_of_another_system_are_passed_over(site: Site) -> None:
    windows(site)
    site.origin.write(lambda conn: conn.exec_driver_sql("UPDATE packages SET os = 'WINDOWS' WHERE id = '17'"))
    site.create("all", 'device_id ~ "*"')
    done = site.give("17", "all")
    assert (done.assigned, sorted(each.device_id for each in done.skipped)) == (["a", "b"], ["c"])
    site.inventory("d", "Windows 10")
    site.inventory("e", "Debian")
    assert sorted(site.holders("17")) == ["a", "b", "d"]


def catch_up(site: Site) -> None:
    """As the server does it."""
    for late in site.origin.read(given_packages.find_late):
        for computer_id in site.origin.read(given_packages.members_for, late):
            site.origin.write(given_packages.give_late, late, [computer_id], site.origin.now_s)
        site.origin.write(given_packages.end_late, late)


def test_what_is_not_active_is_given_when_it_is(site: Site) -> None:
    windows(site)
    site.give("17", "Windows")
    site.origin.act(packages.deactivate, "17", site.origin.now_s)
    site.inventory("c", "Windows 12")
    assert sorted(site.holders("17")) == ["a", "b"]
    site.origin.now_s += 10
    site.origin.act(packages.activate, "17", None, None, site.origin.now_s)
    for _ in range(2):
        catch_up(site)
        assert sorted(site.holders("17")) == ["a", "b", "c"]
    assert len(site.origin.events(Kind.ASSIGNED)) == 3


def test_who_has_left_meanwhile_gets_nothing_late(site: Site) -> None:
    windows(site)
    site.give("17", "Windows")
    site.origin.act(packages.deactivate, "17", site.origin.now_s)
    site.inventory("c", "Windows 12")
    site.origin.now_s += 10
    site.origin.act(packages.activate, "17", None, None, site.origin.now_s)
    (late,) = site.origin.read(given_packages.find_late)
    members = site.origin.read(given_packages.members_for, late)
    site.inventory("c", "Debian")
    site.origin.write(given_packages.give_late, late, members, site.origin.now_s)
    assert sorted(site.holders("17")) == ["a", "b"]


def test_what_is_activated_again_meanwhile_is_given_again(site: Site) -> None:
    windows(site)
    site.give("17", "Windows")
    site.origin.act(packages.deactivate, "17", site.origin.now_s)
    site.origin.now_s += 10
    site.origin.act(packages.activate, "17", None, None, site.origin.now_s)
    (late,) = site.origin.read(given_packages.find_late)
    site.origin.act(packages.deactivate, "17", site.origin.now_s)
    site.inventory("c", "Windows 12")
    site.origin.now_s += 10
    site.origin.act(packages.activate, "17", None, None, site.origin.now_s)
    site.origin.write(given_packages.end_late, late)
    catch_up(site)
    assert sorted(site.holders("17")) == ["a", "b", "c"]
    assert site.origin.read(given_packages.find_late) == []


def test_what_cannot_be_given_is_told(site: Site) -> None:
    windows(site)
    site.origin.package("18")
    site.give("17", "Windows", after="18")
    site.origin.assign("18", "c", after="17")
    site.inventory("c", "Windows 12")
    (event,) = site.origin.events(Kind.GROUP_CANNOT_GIVE)
    assert (event.detail["group"], event.detail["computers"]) == ("Windows", 1)
    assert "would wait for itself" in event.detail["why"]


def test_terms_go_along_and_end(site: Site) -> None:
    windows(site)
    site.give("17", "Windows", force=True, postcmd="echo", not_after_s=site.origin.now_s + 50)
    site.inventory("c", "Windows 12")
    site.origin.now_s += 100
    site.inventory("d", "Windows 12")
    found = {each.device_id: (each.force, each.postcmd) for each in site.origin.results("17")}
    assert found == dict.fromkeys("abc", (True, "echo"))


def test_groups_that_ask_for_the_package_cannot_give_it(site: Site) -> None:
    windows(site)
    site.create("without", 'NOT package("package 1?")')
    site.create("by id", "package(18) = FAILED")
    with pytest.raises(Conflict, match="without asks for 17, so who gets it may leave at once"):
        site.give("17", "without")
    site.give("17", "by id")
    assert site.holders("17") == {}


def test_a_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    windows(site)
    monkeypatch.setattr(given_packages, "MAX_GIVEN", 1)
    site.give("17", "Windows")
    site.give("17", "Windows")
    site.origin.package("18")
    with pytest.raises(Conflict, match="gives 1 packages already"):
        site.give("18", "Windows")
    with pytest.raises(NotFound, match=r"to\.group: expected the name of a group, got Linux"):
        site.give("18", "Linux")


def test_a_filter_that_changes_gives_and_takes(site: Site) -> None:
    windows(site)
    site.give("17", "Windows")
    site.origin.act(groups.edit, "Windows", GroupChanges(filter="os ~ debian"), site.origin.now_s)
    assert site.holders("17") == {"c": "WAITING"}


def test_a_successor_is_given(site: Site, publish: Any, package_store: Any, tmp_path: Any) -> None:
    site.inventory("a", "Debian GNU/Linux 13")
    site.create("linux", "os ~ debian")
    old = publish().id
    site.origin.act(packages.activate, old, None, None, site.origin.now_s)
    site.give(old, "linux")
    source = tmp_path / "new"
    source.write_bytes(b"new")
    successor = versions.Successor(source, with_assignments=True)
    new = versions.supersede(package_store, ADMIN, old, successor, site.origin.now_s + 5).id
    site.inventory("b", "Debian GNU/Linux 13")
    assert sorted(site.holders(new)) == ["a", "b"]
    with pytest.raises(BadInput):
        site.give("99", "linux")
