"""Mirrors as operators see them: added, revoked, how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import mirrors_schema
from distd.catalogue.event_log import Kind
from distd.domain.actor import Actor, ActorKind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.mirror_rules import MAX_NETWORKS
from distd.domain.page import EVERYTHING
from distd.origin.mirrors import mirrors, presence
from distd.origin.mirrors.mirrors import NewMirror
from tests.fixtures.mirrors import add_mirror, join_mirror, report
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"url": "https://a"}, "url"),
        ({"url": "http://a:0"}, "url"),
        ({"url": "http://a/path"}, "url"),
        ({"networks": ("10.0.0.0/33",)}, "networks"),
        ({"url": "http://a:65536"}, "url"),
        ({"url": "http://"}, "url"),
        ({"url": "http://a_b!"}, "url"),
        ({"address": "10.0.0"}, "address"),
        ({"networks": ("10.0.0.0/8",) * (MAX_NETWORKS + 1)}, "networks"),
        ({"location": "x" * 256}, "location"),
        ({"tag": "a\nb"}, "tag"),
    ],
)
def test_a_mirror_with_a_bad_value_is_refused(origin: TestOrigin, values: dict[str, Any], field: str) -> None:
    new: dict[str, Any] = {"name": "a", "url": "http://a"} | values
    with pytest.raises(BadInput) as caught:
        origin.act(mirrors.add, NewMirror(**new), 0)
    assert caught.value.field == field


def test_a_mirror_with_all_that_there_may_be(origin: TestOrigin) -> None:
    new = NewMirror(
        "a" * 63,
        "http://a:65535/",
        address="10.0.0.5",
        networks=("10.0.0.0/8",) * MAX_NETWORKS,
        location="x" * 255,
        workgroup="w",
        userid="u",
        tag="t",
        local=True,
    )
    origin.act(mirrors.add, new, 0)
    origin.act(mirrors.add, NewMirror("b", "http://b:1"), 0)
    (row, other) = origin.rows(mirrors_schema.mirrors)
    assert (row["http"], row["https"], other["http"], other["https"]) == ("a:65535", "a:8443", "b:1", "b:8443")
    assert (row["address"], row["location"], row["workgroup"], row["userid"], row["tag"], row["local"]) == (
        "10.0.0.5",
        "x" * 255,
        "w",
        "u",
        "t",
        True,
    )
    assert (other["address"], other["location"], other["local"]) == (None, None, False)
    assert row["networks"].split() == ["10.0.0.0/8"] * MAX_NETWORKS


def test_the_name_of_a_mirror_that_has_joined_is_in_use(origin: TestOrigin) -> None:
    add_mirror(origin, "a")
    with pytest.raises(Conflict):
        origin.act(mirrors.add, NewMirror("a", "http://a"), origin.now_s)


def test_a_revoked_mirror_has_nothing_and_may_join_again(origin: TestOrigin) -> None:
    origin.package("17")
    mirror = add_mirror(origin, "a")
    report(origin, mirror, have=[["17", 1]])
    origin.act(mirrors.revoke, "a", origin.now_s)
    assert origin.rows(mirrors_schema.mirror_packages) == []
    assert origin.read(mirrors.show, "a", origin.now_s).state == "REVOKED"
    with pytest.raises(Conflict):
        origin.act(mirrors.revoke, "a", origin.now_s)
    with pytest.raises(NotFound):
        origin.act(mirrors.revoke, "b", origin.now_s)
    add_mirror(origin, "a")
    assert origin.read(mirrors.show, "a", origin.now_s).state == "JOINED"


def test_what_operators_do_to_mirrors_is_an_event(origin: TestOrigin) -> None:
    add_mirror(origin, "a")
    origin.act(mirrors.revoke, "a", origin.now_s)
    mine = origin.events(Kind.MIRROR_ADDED, Kind.MIRROR_JOINED, Kind.MIRROR_REVOKED)
    assert [(event.kind, event.actor, event.detail, event.at_s) for event in mine] == [
        (Kind.MIRROR_ADDED, ADMIN, {"mirror": "a"}, origin.now_s),
        (Kind.MIRROR_JOINED, Actor(ActorKind.MIRROR, "a"), {"mirror": "a"}, origin.now_s),
        (Kind.MIRROR_REVOKED, ADMIN, {"mirror": "a"}, origin.now_s),
    ]


def test_a_mirror_that_joins_again_begins_anew(origin: TestOrigin) -> None:
    origin.package("17")
    mirror = add_mirror(origin, "a", https_port=9443, location="Paris", tag="R1")
    report(origin, mirror, seq=1000, have=[["17", 1]], status={"agents": 3})
    origin.act(mirrors.revoke, "a", origin.now_s)
    origin.act(mirrors.add, NewMirror("a", "http://[fd00::1]"), origin.now_s)
    waiting = origin.read(mirrors.show, "a", origin.now_s)
    assert (waiting.state, waiting.lag_events) == ("WAITING", 0)
    assert (waiting.http, waiting.https, waiting.location) == ("[fd00::1]:80", "[fd00::1]:8443", "")
    origin.act(mirrors.add, NewMirror("a", "http://a:8080/"), origin.now_s)  # its token was lost
    join_mirror(origin, "b")
    add_mirror(origin, "a")
    found = origin.read(mirrors.show, "a", origin.now_s)
    assert (found.state, found.lag_events, found.ready, found.status) == ("JOINED", 1, 0, {})
    assert origin.read(mirrors.show, "b", origin.now_s).seen_at_s is None


def test_how_far_a_mirror_is(origin: TestOrigin) -> None:
    origin.package("17")
    origin.package("18")
    a, b = add_mirror(origin, "a"), add_mirror(origin, "b")
    newest = origin.events()[-1].seq
    status = {"agents": 7, "version": "1", "x": 2}
    report(origin, a, seq=newest, have=[["17", 1], ["18", 1], ["99", 1]], status=status)
    report(origin, b, have=[["17", 2]])  # a version that there is not: not ready
    first, second = origin.read(mirrors.list_mirrors, None, EVERYTHING, origin.now_s).items
    assert (first.ready, first.wanted, first.lag_events) == (2, 2, 0)
    assert first.status == {"agents": 7, "version": "1"}
    assert (second.ready, second.wanted, second.lag_events) == (0, 2, 2)
    assert first.alive
    assert not origin.read(mirrors.show, "a", origin.now_s + presence.OFFLINE_AFTER_S).alive


def test_an_unknown_mirror_is_not_found(origin: TestOrigin) -> None:
    with pytest.raises(NotFound):
        origin.read(mirrors.show, "a", 0.0)
