"""Parameters of the site, of groups, of computers: set, shown, foreseen; and what agents are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, insert

from distd.catalogue import access_schema, groups_schema, schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import NotFound
from distd.domain.parameters import Effective, Level
from distd.domain.settings import settings_of
from distd.origin.computers import computers, parameters
from distd.origin.computers.parameters import SITE, Subject, ValueChange
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

FRAG, LENGTH, FREQ = "download.frag_latency_s", "download.period_length", "agents.prolog_freq_h"


def add_group(origin: TestOrigin, name: str, *device_ids: str) -> Subject:
    ids = {row["device_id"]: row["id"] for row in origin.rows(schema.computers)}

    def add(conn: Any) -> None:
        (group_id,) = conn.execute(
            insert(groups_schema.groups).values(name=name, name_key=name.lower())
        ).inserted_primary_key
        rows = [{"group_id": group_id, "computer_id": ids[each]} for each in device_ids]
        conn.execute(insert(groups_schema.group_members), rows)

    origin.write(add)
    return Subject(Level.GROUP, name)


def set_(origin: TestOrigin, subject: Subject, **values: Any) -> None:
    names = {"frag": FRAG, "length": LENGTH, "freq": FREQ, "on": "download.on"}
    origin.act(parameters.set_values, subject, {names[key]: value for key, value in values.items()}, 9.0)


def show(origin: TestOrigin, subject: Subject) -> Any:
    return origin.read(parameters.show, ADMIN, settings_of(origin.values), subject)


def foresee(origin: TestOrigin, subject: Subject, values: Any) -> Any:
    return origin.read(parameters.foresee, ADMIN, settings_of(origin.values), subject, values)


@pytest.fixture
def room(origin: TestOrigin) -> TestOrigin:
    """Three computers: a in both groups, b in one, c in none."""
    for device_id in "abc":
        origin.prolog(device_id)
    add_group(origin, "A", "a", "b")
    add_group(origin, "B", "a")
    return origin


def test_the_next_reply_has_what_holds(room: TestOrigin) -> None:
    set_(room, SITE, length=7)
    set_(room, Subject(Level.GROUP, "A"), frag=20, freq=12)
    set_(room, Subject(Level.GROUP, "B"), frag=30, freq=48)
    set_(room, Subject(Level.COMPUTER, "b"), frag=1)
    replies = {device_id: room.prolog(device_id) for device_id in "abc"}
    assert {key: reply.config.frag_latency_s for key, reply in replies.items()} == {"a": 30, "b": 1, "c": 0}
    assert {key: reply.prolog_freq_h for key, reply in replies.items()} == {"a": 12, "b": 12, "c": 24}
    assert {reply.config.period_length for reply in replies.values()} == {7}


def test_a_computer_that_is_off_gets_nothing_new(room: TestOrigin) -> None:
    room.inventory(device_id="a")
    room.package("17", plan="x")
    room.assign("17", "a")
    set_(room, Subject(Level.GROUP, "B"), on=0)
    set_(room, Subject(Level.COMPUTER, "a"), on=1)
    reply = room.prolog("a")
    assert (reply.config.on, reply.packs) == (False, ())
    set_(room, Subject(Level.GROUP, "B"), on=None)
    reply = room.prolog("a")
    assert (reply.config.on, [pack.id for pack in reply.packs]) == (True, ["17"])


def test_each_value_is_shown_with_its_origin(room: TestOrigin) -> None:
    set_(room, SITE, length=7)
    set_(room, Subject(Level.GROUP, "A"), frag=20)
    found = show(room, Subject(Level.COMPUTER, "a"))
    assert found[FRAG] == Effective(20, "group A")
    assert found[LENGTH] == Effective(7, "site")
    assert found[FREQ] == Effective(24, "settings")
    assert show(room, Subject(Level.GROUP, "B"))[FRAG] == Effective(0, "settings")
    assert show(room, Subject(Level.GROUP, "A"))[FRAG] == Effective(20, "group A")
    assert show(room, SITE)[LENGTH] == Effective(7, "site")


def test_what_would_change_is_foreseen_and_then_happens(room: TestOrigin) -> None:
    set_(room, Subject(Level.GROUP, "B"), frag=30)
    wanted = {FRAG: 20, LENGTH: 10}
    changes = foresee(room, Subject(Level.GROUP, "A"), wanted)
    assert changes == [ValueChange(FRAG, Effective(0, "settings"), Effective(20, "group A"), 1)]
    assert show(room, Subject(Level.COMPUTER, "b"))[FRAG] == Effective(0, "settings")
    found = foresee(room, SITE, {FRAG: 5})
    assert found == [ValueChange(FRAG, Effective(0, "settings"), Effective(5, "site"), 2)]
    assert foresee(room, Subject(Level.COMPUTER, "a"), {FRAG: None}) == []


def test_a_change_is_an_event_with_before_and_after(room: TestOrigin) -> None:
    subject = Subject(Level.GROUP, "A")
    set_(room, subject, frag=20, on=0)
    set_(room, subject, frag=None, on=0)
    set_(room, subject, on=0)
    set_(room, Subject(Level.COMPUTER, "c"), frag=3)
    of_group, again, of_computer = room.events(Kind.PARAMETERS_SET)
    values = {FRAG: 20, "download.on": False}
    assert of_group.detail == {"level": "group", "group": "A", "before": dict.fromkeys(values), "after": values}
    assert (again.detail["before"], again.detail["after"]) == ({FRAG: 20}, {FRAG: None})
    assert of_computer.computer_id is not None


def test_what_is_unknown_is_told(room: TestOrigin) -> None:
    for subject in (Subject(Level.GROUP, "C"), Subject(Level.COMPUTER, "z")):
        with pytest.raises(NotFound, match=f"got {subject.name}"):
            set_(room, subject, frag=1)


def test_a_deleted_computer_leaves_nothing(room: TestOrigin) -> None:
    set_(room, Subject(Level.COMPUTER, "a"), frag=3)
    room.act(computers.delete, ["a"], 1.0)
    assert room.rows(access_schema.parameters) == []
    assert len(room.rows(groups_schema.group_members)) == 1


def test_computers_get_the_same_of_their_own(room: TestOrigin) -> None:
    set_(room, Subject(Level.COMPUTER, "a"), frag=5)
    set_(room, Subject(Level.COMPUTER, "b"), frag=3, length=7)
    values = {FRAG: 5, LENGTH: None}
    asked = (ADMIN, settings_of(room.values), ["c", "b", "a"], values)
    of_c, of_b = ((Effective(0, "settings"), 1), (Effective(3, "computer"), 1))
    changes = room.read(parameters.foresee_of_computers, *asked)
    assert {(each.before, each.computers) for each in changes if each.parameter == FRAG} == {of_c, of_b}
    assert [each.after for each in changes if each.parameter == LENGTH] == [Effective(10, "settings")]
    room.act(parameters.set_of_computers, ["c", "b", "a"], values, 9.0)
    for name in "abc":
        found = show(room, Subject(Level.COMPUTER, name))
        assert (found[FRAG].value, found[LENGTH].origin) == (5, "settings")
    ids = {row["device_id"]: row["id"] for row in room.rows(schema.computers)}
    told = {each.computer_id: each.detail["before"] for each in room.events(Kind.PARAMETERS_SET)[2:]}
    assert told == {ids["c"]: {FRAG: None}, ids["b"]: {FRAG: 3, LENGTH: 7}}
    with pytest.raises(NotFound):
        room.act(parameters.set_of_computers, ["a", "nobody"], values, 9.0)


def test_many_are_foreseen_by_as_few_statements_as_one(room: TestOrigin) -> None:
    counts = []
    for names in (["a"], ["a", "b", "c"]):
        statements: list[Any] = []

        def note(*args: Any, statements: list[Any] = statements) -> None:
            statements.append(args[2])

        engine = room.catalogue._engine
        event.listen(engine, "before_cursor_execute", note)
        room.read(parameters.foresee_of_computers, ADMIN, settings_of(room.values), names, {FRAG: 5})
        room.act(parameters.set_of_computers, names, {FRAG: 5}, 9.0)
        event.remove(engine, "before_cursor_execute", note)
        counts.append(len(statements))
    assert counts[0] == counts[1]
