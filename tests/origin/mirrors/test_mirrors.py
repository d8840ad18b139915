"""Mirrors as the catalogue has them: joining, reports, what waits for them, what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.mirror_rules import Via
from distd.origin.mirrors import mirrors, reports
from distd.origin.mirrors.mirrors import NewMirror
from distd.origin.packages import packages, planned_activations
from distd.server import mirror_streams
from distd.server.mirror_streams import Waves
from distd.wire import tokens

if TYPE_CHECKING:
    from tests.fixtures.origin import House

KEY = b"k" * 32


def add(house: Any, name: Any, **values: Any) -> Any:
    """A mirror that has joined and is on the line: (id, name)."""
    secret = house.write(mirrors.add, NewMirror(name, f"http://{name}:8080", **values), house.now_s)
    key = house.write(mirrors.join, secret, house.now_s)[2]
    identity = house.read(mirrors.identify, key)
    house.write(mirrors.connected, identity, house.now_s)
    return identity


def report(house: Any, mirror: Any, **values: Any) -> None:
    house.write(reports.take, mirror, reports.read({"seq": 0, **values}), KEY, house.now_s)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "a b"}, "NAME"),
        ({"url": "https://a"}, "--url"),
        ({"url": "http://a:0"}, "--url"),
        ({"url": "http://a/path"}, "--url"),
        ({"networks": ("10.0.0.0/33",)}, "--network"),
        ({"location": "x" * 300}, "--location"),
        ({"tag": "a\nb"}, "--tag"),
    ],
)
def test_a_mirror_that_cannot_be_is_refused(house: House, values: Any, field: Any) -> None:
    with pytest.raises(BadInput) as caught:
        house.write(mirrors.add, NewMirror(**({"name": "a", "url": "http://a"} | values)), 0)
    assert caught.value.field == field


def test_a_token_is_good_once_and_not_for_ever(house: House) -> None:
    secret = house.write(mirrors.add, NewMirror("a", "http://[::1]:81"), house.now_s)
    name, hosts, _ = house.write(mirrors.join, secret, house.now_s + mirrors.TOKEN_S - 1)
    assert (name, hosts) == ("a", ["::1"])
    with pytest.raises(BadInput):
        house.write(mirrors.join, secret, house.now_s)
    late = house.write(mirrors.add, NewMirror("b", "http://b"), house.now_s)
    with pytest.raises(BadInput):
        house.write(mirrors.join, late, house.now_s + mirrors.TOKEN_S + 1)
    with pytest.raises(Conflict):
        house.write(mirrors.add, NewMirror("a", "http://a"), house.now_s)


def test_a_revoked_one_has_nothing_and_may_be_given_another_chance(house: House) -> None:
    house.package("17")
    identity = add(house, "a")
    report(house, identity, have=[["17", 1]])
    house.write(mirrors.revoke, "a", house.now_s)
    assert house.rows(schema.mirror_packages) == []
    assert house.read(mirrors.show, "a", house.now_s).state == "REVOKED"
    with pytest.raises(Conflict):
        house.write(mirrors.revoke, "a", house.now_s)
    with pytest.raises(NotFound):
        house.write(mirrors.revoke, "b", house.now_s)
    add(house, "a")
    assert house.read(mirrors.show, "a", house.now_s).state == "JOINED"


def test_how_far_a_mirror_is(house: House) -> None:
    house.package("17")
    house.package("18")
    a, b = add(house, "a"), add(house, "b")
    newest = house.events()[-1].seq
    report(house, a, seq=newest, have=[["17", 1], ["18", 1], ["99", 1]], status={"agents": 7, "version": "1", "x": 2})
    report(house, b, have=[["17", 2]])  # a version that is none: not ready
    one, two = house.read(mirrors.list_mirrors, house.now_s)
    assert (one.ready, one.wanted, one.lag_events, one.status) == (2, 2, 0, {"agents": 7, "version": "1"})
    assert (two.ready, two.wanted, two.lag_events) == (0, 2, 2)
    assert one.alive
    assert not house.read(mirrors.show, "a", house.now_s + mirrors.DEAD_S).alive
    house.write(mirrors.lost, a, house.now_s)
    assert house.read(mirrors.on_the_line, house.now_s) == ["b:8080"]
    # Only what has changed is said afterwards.
    report(house, a, ready=[], gone=["17"])
    assert [row["package_id"] for row in house.rows(schema.mirror_packages) if row["mirror_id"] == a[0]] == ["18"]


def test_who_fetched_what_counts_once_and_as_long_ago_as_it_was(house: House) -> None:
    house.package("17", fragments=5)
    house.prolog()
    house.assign("17")
    computer_id = house.rows(schema.computers)[0]["id"]
    mirror = add(house, "a")
    token = tokens.make(KEY, computer_id)
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
        report(house, mirror, batch="b1", at_s=house.now_s + 3600, now_s=house.now_s + 3630, access=access)
    (row,) = house.rows(schema.progress)
    assert (row["ranges"], row["fragments"], row["sent_bytes"]) == ("1-2,4", 3, 500)
    assert row["last_at_us"] == (house.now_s - 30) * 1_000_000
    known, unknown = house.events(Kind.FRAGMENTS_FETCHED)
    assert known.detail == {"numbers": "1-2,4", "bytes": 500, "mirror": "a", "address": "10.0.0.1"}
    assert (unknown.computer_id, unknown.detail["address"]) == (None, "10.0.0.9")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"seq": -1}, "report/seq"),
        ({"seq": "1"}, "report/seq"),
        ({"have": [["17"]]}, "report/have"),
        ({"ready": [["17", 1]] * (reports.MAX_ROWS + 1)}, "report/ready"),
        ({"gone": [1]}, "report/gone"),
        ({"batch": "x" * 65}, "report/batch"),
        ({"access": [["t", "a", "17", 1, 1]]}, "report/access"),
        ({"faults": "x"}, "report/faults"),
    ],
)
def test_what_is_no_report(message: Any, field: Any) -> None:
    with pytest.raises(BadInput) as caught:
        reports.read({"seq": 0, **message})
    assert caught.value.field == field


def test_what_was_healed_is_an_event(house: House) -> None:
    house.package("17")
    mirror = add(house, "a")
    report(house, mirror, faults=[["17", "17-1", True], ["17", "17-2", False]])
    healed, bad = house.events(Kind.MIRROR_HEALED, Kind.MIRROR_BAD)
    assert (healed.kind, bad.kind, bad.detail) == (Kind.MIRROR_HEALED, Kind.MIRROR_BAD, {"mirror": "a", "name": "17-2"})


# --- activations that wait -------------------------------------------------------------------------------------------


def plan(
    house: Any, package_id: Any = "17", *, percent: Any = 90, sites: Any = (), at_s: Any = None, latest_s: Any = None
) -> Any:
    return house.write(
        planned_activations.plan,
        package_id,
        Via.STEER,
        ready_percent=percent,
        sites=sites,
        not_before_s=house.now_s if at_s is None else at_s,
        latest_s=latest_s,
        now_s=house.now_s,
    )


def is_active(house: Any) -> Any:
    return house.read(packages.show, "17").active


def test_it_waits_for_the_share_of_mirrors(house: House) -> None:
    house.package("17", active=False)
    three = [add(house, name, location="FR") for name in "abc"] + [add(house, "d", location="DE")]
    one = plan(house, percent=50, sites=("fr",))
    assert (one.ready, one.count, one.needed) == (0, 3, 2)
    report(house, three[3], have=[["17", 1]])  # of another site
    report(house, three[0], have=[["17", 1]])
    assert house.write(planned_activations.activate_due, house.now_s) == []
    report(house, three[1], have=[["17", 1]])
    assert house.write(planned_activations.activate_due, house.now_s) == ["17"]
    assert is_active(house)
    assert house.read(planned_activations.list_planned) == []


def test_it_waits_no_longer_than_it_may(house: House) -> None:
    house.package("17", active=False)
    add(house, "a")
    plan(house, latest_s=house.now_s + 60)
    assert house.write(planned_activations.activate_due, house.now_s + 59) == []
    assert house.write(planned_activations.activate_due, house.now_s + 60) == ["17"]


def test_a_date_needs_no_mirrors(house: House) -> None:
    house.package("17", active=False)
    plan(house, percent=0, at_s=house.now_s + 60)
    assert house.write(planned_activations.activate_due, house.now_s + 59) == []
    assert house.write(planned_activations.activate_due, house.now_s + 60) == ["17"]


def test_a_plan_that_cannot_be(house: House) -> None:
    house.package("17", active=False)
    for values in ({}, {"percent": 0, "latest_s": 1.0}, {"percent": 0, "sites": ("x" * 100_000,)}):
        with pytest.raises(BadInput):
            plan(house, **values)


# --- what they are told ----------------------------------------------------------------------------------------------


def test_who_was_away_for_long_is_told_everything(house: House) -> None:
    house.package("17")
    house.package("18")
    before = house.events()[-1].seq
    house.write(packages.deactivate, "17", house.now_s)
    state = house.read(mirror_streams._welcome, 0)
    assert (state["kind"], sorted(row[0] for row in state["packages"])) == ("state", ["17", "18"])
    assert house.read(mirror_streams._welcome, before + 10_000)["kind"] == "state"  # it followed another catalogue
    since = house.read(mirror_streams._welcome, before)
    assert (since["kind"], [row[0] for row in since["packages"]], since["gone"]) == ("package", ["17"], [])
    deleted = house.write(lambda conn: conn.execute(schema.packages.update().values(deleted_at_us=1)))
    assert deleted.rowcount == 2
    assert house.read(mirror_streams._welcome, before)["gone"] == ["17"]


def test_what_lies_too_far_back_is_compared(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_streams, "REPLAYED", 2)
    for number in range(17, 27):
        house.package(str(number))
    newest = house.events()[-1].seq
    assert house.read(mirror_streams._welcome, newest - 2)["kind"] == "package"
    assert house.read(mirror_streams._welcome, newest - 3)["kind"] == "state"


def test_waves() -> None:
    waves = Waves(3, 10)
    assert [waves.wait_s(place) for place in range(8)] == [0, 0, 0, 10, 10, 10, 20, 20]


def test_what_was_superseded_is_wanted_while_somebody_waits(house: House) -> None:
    house.package("17")
    house.package("18")
    house.prolog()
    house.assign("17")
    replaced = schema.packages.update().where(schema.packages.c.id == "17").values(superseded_by="18")
    house.write(lambda conn: conn.execute(replaced))
    house.write(packages.deactivate, "17", house.now_s)
    assert {one.package_id: one.needed for one in house.read(mirrors.wanted)} == {"17": True, "18": True}
    house.unassign("17")
    assert [one.package_id for one in house.read(mirrors.wanted)] == ["18"]
