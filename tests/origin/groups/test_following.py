"""Memberships at contacts, after inventories, by the clock."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.parameters import Level
from distd.domain.records import DownloadRequest, PrologRequest
from distd.origin.computers import parameters
from distd.origin.computers.parameters import Subject
from distd.origin.groups import following, membership
from distd.origin.groups.directory import GroupDirectory, compiled

if TYPE_CHECKING:
    from tests.origin.groups.conftest import Site

DAY_S = 86_400


def follow(site: Site, *, whole: bool = False) -> dict[int, set[int]]:
    """As the server does every minute; gives what was found to be otherwise."""
    dynamic = site.origin.read(compiled)
    which = dynamic.all if whole else dynamic.volatile
    found: dict[int, set[int]] = site.origin.read(following.find_others, dynamic, which, site.origin.now_s)
    site.origin.write(following.follow_found, dynamic, found, site.origin.now_s)
    assert site.origin.read(following.find_others, dynamic, which, site.origin.now_s) == {}
    return found


def test_an_inventory_puts_a_computer_in_and_takes_it_out(site: Site) -> None:
    site.create("Windows", "os ~ windows")
    site.inventory("a", "Windows 10")
    assert site.members("Windows") == ["a"]
    site.inventory("a", "Debian GNU/Linux 13")
    assert site.members("Windows") == []
    assert [event.kind for event in site.origin.events(Kind.GROUP_JOINED, Kind.GROUP_LEFT)] == [
        Kind.GROUP_JOINED,
        Kind.GROUP_LEFT,
    ]


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ('tag = "room 1"', {"TAG": "room 2"}, {"TAG": "room 1"}),
        ('account.OWNER = "eve"', {"TAG": "x"}, {"TAG": "x", "Owner": "Eve"}),
    ],
)
def test_account_info(site: Site, text: str, before: dict[str, str], after: dict[str, str]) -> None:
    site.create("g", text)
    site.inventory("a", **before)
    assert site.members("g") == []
    site.inventory("a", **after)
    assert site.members("g") == ["a"]


def test_software(site: Site) -> None:
    site.create("has", 'software("firefox*")')
    site.create("has not", 'NOT software("firefox*") AND os ~ windows')
    site.inventory("a", "Windows 10", "7-Zip")
    assert (site.members("has"), site.members("has not")) == ([], ["a"])
    site.inventory("a", "Windows 10", "7-Zip", "Firefox ESR")
    assert (site.members("has"), site.members("has not")) == (["a"], [])
    site.inventory("a", "Debian", "7-Zip", "Firefox ESR")
    site.inventory("a", "Debian", "7-Zip")
    assert (site.members("has"), site.members("has not")) == ([], [])
    site.inventory("a", "Windows 10", "7-Zip")  # the software is as it was
    assert site.members("has not") == ["a"]


def test_only_groups_that_read_what_has_changed_are_judged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.create("Windows", "os ~ windows")
    site.create("rooms", 'tag ~ "room*"')
    site.create("software", 'software("firefox*")')
    others = [random.Random(number).randbytes(12).hex() for number in range(60)]  # no small body
    site.inventory("a", "Windows 10", "Firefox", *others, TAG="room 1")
    names = {each.id: each.name for each in site.origin.read(compiled).groups}
    judged: list[set[str]] = []
    judge = membership.judge

    def noted(conn: Any, dynamic: Any, wanted: Any, *more: Any) -> None:
        judged.extend({names[each] for each in which} for which in wanted.values() if which)
        judge(conn, dynamic, wanted, *more)

    monkeypatch.setattr(membership, "judge", noted)
    site.inventory("a", "Windows 10", "Firefox", *others, TAG="room 1")
    site.origin.prolog("a")
    assert judged == []
    site.inventory("a", "Windows 10", "Firefox", *others, TAG="room 2")
    site.inventory("a", "Windows 11", "Firefox", *others, TAG="room 2")
    site.inventory("a", "Windows 11", *others, TAG="room 2")
    assert judged == [{"rooms"}, {"Windows"}, {"software"}]


def test_a_new_computer_is_judged_by_all(site: Site) -> None:
    site.create("others", "NOT os ~ windows")
    site.create("inner", 'group("others")')
    site.origin.prolog("a")
    assert (site.members("others"), site.members("inner")) == (["a"], ["a"])


@pytest.mark.parametrize("text", ["address = 10.0.0.8", "agent_version = 2.11.0", 'agent ~ "*windows*"'])
def test_what_a_contact_changes(site: Site, text: str) -> None:
    site.create("g", text)
    site.origin.prolog("a")
    assert site.members("g") == []
    site.origin.address, site.origin.user_agent = "10.0.0.8", "OCS-NG_WINDOWS_AGENT_v2.11.0"
    site.origin.prolog("a")
    assert site.members("g") == ["a"]


def test_by_the_clock_at_a_contact_and_without_one(site: Site) -> None:
    site.create("old", "first_contact < 7d")
    site.create("lost", "last_contact < 30d")
    site.inventory("a")
    site.inventory("b")
    site.origin.now_s += 8 * DAY_S
    site.origin.prolog("a")
    assert site.members("old") == ["a"]
    follow(site)
    assert site.members("old") == ["a", "b"]
    site.origin.now_s += 25 * DAY_S
    follow(site)
    assert site.members("lost") == ["b"]
    site.origin.now_s += 8 * DAY_S
    follow(site)
    assert site.members("lost") == ["a", "b"]
    site.origin.prolog("b")
    assert site.members("lost") == ["a"]


def test_states_of_packages_at_the_next_contact(site: Site) -> None:
    site.inventory("a")
    site.origin.package("17", plan="size:10")
    site.create("failed", "package(17) = FAILED")
    site.create("told", "package(17) in (NOTIFIED, DOWNLOADING)")
    site.origin.assign("17", "a")
    assert site.origin.listed("a") == ["17"]
    site.origin.prolog("a")
    assert (site.members("failed"), site.members("told")) == ([], ["a"])
    site.origin.post(DownloadRequest("a", "17", "ERR_TIMEOUT"))
    site.origin.prolog("a")
    assert (site.members("failed"), site.members("told")) == (["a"], [])
    assert follow(site, whole=True) == {}


def test_a_group_gives_its_parameters_at_that_same_contact(site: Site) -> None:
    site.create("g", "address = 10.0.0.8")
    site.origin.act(parameters.set_values, Subject(Level.GROUP, "g"), {"download.frag_latency_s": 99}, 1.0)
    assert site.origin.prolog("a").config.frag_latency_s == 0
    site.origin.address = "10.0.0.8"
    assert site.origin.prolog("a").config.frag_latency_s == 99
    site.origin.address = "10.0.0.9"
    assert site.origin.prolog("a").config.frag_latency_s == 0


def test_many_in_one_batch(site: Site) -> None:
    site.create("even", 'device_id ~ "*0"')
    names = [f"pc{number}" for number in range(40)]
    site.origin.post_all(*map(PrologRequest, names))
    assert site.members("even") == ["pc0", "pc10", "pc20", "pc30"]


def test_what_went_wrong_is_found(site: Site) -> None:
    """Should ever a computer be forgotten, the comparison of all groups finds it."""
    site.create("Windows", "os ~ windows")
    site.inventory("a")
    site.origin.write(lambda conn: membership.change(conn, {}, {1: [1]}, 5.0))
    assert site.members("Windows") == []
    assert follow(site) == {}
    assert follow(site, whole=True) == {1: {1}}
    assert site.members("Windows") == ["a"]


def test_filters_are_compiled_when_they_change(site: Site) -> None:
    directory = GroupDirectory()
    assert site.origin.read(directory.current).groups == ()
    site.create("a", "os ~ windows")
    first = site.origin.read(directory.current)
    assert [each.name for each in first.groups] == ["a"]
    assert site.origin.read(directory.current) is first
    site.create("b")
    assert site.origin.read(directory.current) is not first


def test_software_of_a_transaction_that_fails_is_not_remembered(site: Site) -> None:
    site.create("has", 'software("firefox*")')
    site.inventory("a", "Windows 10", "7-Zip")
    shared = site.origin.groups._groups.software
    assert shared.unknown([1]) == {1}  # it was new in that transaction
    site.inventory("b", "Windows 10", "7-Zip", "Paint")
    assert (shared.unknown([1]), shared.unknown([2])) == (set(), {2})
