from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from distd.catalogue import event_log, schema
from distd.catalogue.event_log import Kind
from distd.domain.actor import AGENT, SYSTEM, operator
from distd.domain.errors import BadInput
from distd.domain.page import Window, read_window
from distd.domain.permissions import Role
from distd.origin.computers import saved_filters
from distd.origin.computers.saved_filters import NewFilter
from distd.origin.mirrors import mirrors
from distd.origin.mirrors.mirrors import NewMirror
from distd.origin.operators import api_tokens, events, operators
from distd.origin.operators.api_tokens import NewToken
from distd.origin.operators.events import ALL, PLACE, Wanted
from distd.origin.packages import packages, planned_activations
from distd.origin.packages.planned_activations import Conditions
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def busy(origin: TestOrigin) -> TestOrigin:
    """Two packages, of which a computer gets one; a mirror."""
    origin.package("17")
    origin.package("18", active=False)
    origin.prolog()
    origin.assign("17")
    origin.now_s += 60
    origin.prolog()
    origin.act(mirrors.add, NewMirror("paris", "http://paris"), origin.now_s)
    return origin


def found(origin: TestOrigin, wanted: Wanted) -> list[tuple[str, str]]:
    page = origin.read(events.newest, wanted, Window(100))
    assert page.total == len(page.items)
    return [(entry.kind, entry.actor) for entry in page.items]


OPERATORS = [
    ("MIRROR_ADDED", "operator:admin"),
    ("ASSIGNED", "operator:admin"),
    ("PACKAGE_ACTIVATED", "operator:admin"),
]
AGENTS = [("NOTIFIED", "agent"), ("COMPUTER_SEEN", "agent")]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(package_id="17"), [AGENTS[0], OPERATORS[1], OPERATORS[2]]),
        (Wanted(device_id="pc"), [AGENTS[0], OPERATORS[1], AGENTS[1]]),
        (Wanted(device_id="pc", package_id="17"), [AGENTS[0], OPERATORS[1]]),
        (Wanted(device_id="nobody"), []),
        (Wanted(package_id="99"), []),
        (Wanted(actor="operator:admin"), OPERATORS),
        (Wanted(actor="admin"), OPERATORS),
        (Wanted(actor="operator"), OPERATORS),
        (Wanted(actor="agent"), AGENTS),
        (Wanted(actor="operator:eve"), []),
        (Wanted(actor="operator:"), []),
        (Wanted(actor="eve:admin"), []),
        (Wanted(actor="agent:"), AGENTS),
        (Wanted(actor=""), AGENTS),
        (Wanted(actor="mirror:admin"), []),
        (Wanted(by_people=True), OPERATORS),
        (Wanted(kinds=(Kind.ASSIGNED, Kind.NOTIFIED)), [AGENTS[0], OPERATORS[1]]),
        (Wanted(since_s=1_700_000_060.0), [OPERATORS[0], AGENTS[0]]),
    ],
)
def test_events_are_found(busy: TestOrigin, wanted: Wanted, expected: Any) -> None:
    assert found(busy, wanted) == expected
    everything = busy.read(events.newest, ALL, Window(100)).items
    assert [(entry.kind, entry.actor) for entry in everything if events.matches(wanted, entry)] == expected


def test_an_entry_names_its_package_and_its_computer(busy: TestOrigin) -> None:
    busy.inventory(hardware={"NAME": "PC17"})
    (entry,) = busy.read(events.newest, Wanted(kinds=(Kind.NOTIFIED,)), Window()).items
    assert (entry.package_id, entry.package_name) == ("17", "package 17")
    assert (entry.device_id, entry.computer_name, entry.at_s) == ("pc", "PC17", 1_700_000_060.0)


def test_pages_follow_each_other_while_events_come(busy: TestOrigin) -> None:
    everything = [entry.seq for entry in busy.read(events.newest, ALL, Window()).items]
    seen: list[int] = []
    cursor = None
    while True:
        page = busy.read(events.newest, ALL, read_window(2, cursor, PLACE))
        seen += [entry.seq for entry in page.items]
        busy.prolog("another")  # newer events do not shift the older ones
        busy.inventory(device_id="another")
        cursor = page.next
        if cursor is None:
            break
    assert seen == everything


def test_those_that_follow_a_number_come_in_their_order(busy: TestOrigin) -> None:
    seqs = [entry.seq for entry in busy.read(events.newest, ALL, Window()).items][::-1]
    assert [entry.seq for entry in busy.read(events.following, ALL, 0, 100)] == seqs
    assert [entry.seq for entry in busy.read(events.following, ALL, seqs[1], 2)] == seqs[2:4]
    wanted = Wanted(actor="agent")
    assert [entry.kind for entry in busy.read(events.following, wanted, 0, 100)] == ["COMPUTER_SEEN", "NOTIFIED"]


def test_kinds_are_read() -> None:
    assert events.read_kinds(("notified", "PACKAGE-EDITED"), "kind") == (Kind.NOTIFIED, Kind.PACKAGE_EDITED)
    with pytest.raises(BadInput, match=r"kind: expected one of PACKAGE_PUBLISHED, .* got sent"):
        events.read_kinds(("notified", "sent"), "kind")


def test_what_is_done_as_planned_is_of_the_system(origin: TestOrigin) -> None:
    origin.package("17", active=False)
    origin.act(planned_activations.plan, "17", None, Conditions(0, origin.now_s), origin.now_s)
    origin.write(planned_activations.activate_due, origin.now_s)
    planned, activated = origin.events()
    assert (planned.actor, activated.actor) == (ADMIN, SYSTEM)
    assert not origin.act(planned_activations.cancel, "17", origin.now_s)
    origin.act(packages.deactivate, "17", origin.now_s)
    origin.act(planned_activations.plan, "17", None, Conditions(0, origin.now_s), origin.now_s)
    assert origin.act(planned_activations.cancel, "17", origin.now_s)
    assert (origin.events()[-1].kind, origin.events()[-1].actor) == (Kind.ACTIVATION_CANCELLED, ADMIN)


def test_an_event_of_an_earlier_version_has_no_actor(origin: TestOrigin) -> None:
    row = {"at_us": 1, "kind": "NOTIFIED", "detail": {}}
    origin.write(lambda conn: conn.execute(insert(schema.events).values(**row)))
    assert found(origin, ALL) == [("NOTIFIED", "")]
    assert origin.events()[0].actor is None
    assert found(origin, Wanted(actor=str(AGENT))) == []


def test_what_is_of_the_audit_trail_is_only_for_who_may_read_it(origin: TestOrigin) -> None:
    eve, bob = operator("eve"), operator("bob")
    for name in ("eve", "bob"):
        origin.act(operators.create, name, "secret word", 0.0)
    origin.write(api_tokens.create, bob, NewToken("t", Role.VIEWER), b"x" * 32, 0.0)
    for who, name, shared in ((eve, "mine", False), (bob, "secret", False), (bob, "ours", True)):
        origin.write(saved_filters.save, who, NewFilter(name, "windows", shared=shared), 1.0)
    origin.write(saved_filters.delete, bob, "secret", 2.0)
    origin.prolog()
    origin.write(event_log.append, Kind.LOG_IN_FAILED, SYSTEM, at_s=3.0, names=["my password"])
    for_eve = Wanted(reader=eve, audit=False)
    expected = [("FILTER_SAVED", "mine"), ("FILTER_SAVED", "ours"), ("COMPUTER_SEEN", None)]
    listed = origin.read(events.following, for_eve, 0, 100)
    assert [(each.kind, each.detail.get("name")) for each in listed] == expected
    everything = origin.read(events.following, ALL, 0, 100)
    assert [each for each in everything if events.matches(for_eve, each)] == listed
    assert origin.read(events.following_page, for_eve, 0, 1).total == len(listed)
    assert len(everything) > len(listed) + 4
