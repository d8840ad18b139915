"""Which computers somebody may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select, update

from distd.catalogue import groups_schema, schema
from distd.catalogue.event_log import Kind
from distd.domain.actor import SYSTEM, Actor, ActorKind
from distd.domain.page import EVERYTHING
from distd.domain.permissions import Role
from distd.origin.operators import api_tokens, events, operators, restrictions
from distd.origin.operators.api_tokens import NewToken
from distd.origin.operators.events import Wanted
from distd.origin.operators.operators import Grant

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.fixtures.origin import TestOrigin

ADA = Actor(ActorKind.OPERATOR, "ada")
TOKEN = Actor(ActorKind.TOKEN, "t")
DAY_S = 86_400.0


@pytest.fixture
def room(origin: TestOrigin) -> TestOrigin:
    """pc-1 to pc-3; the second has 7-Zip, two addresses and the package, the third is in a group, and was in contact a
    week later."""
    origin.package("17")
    for number in (1, 2, 3):
        origin.now_s += 3.5 * DAY_S if number == 3 else 0.0
        origin.prolog(f"pc-{number}")
        hardware = {"NAME": f"lyon-{number}", "OSNAME": "Windows 10" if number < 3 else "Debian"}
        origin.inventory(device_id=f"pc-{number}", hardware=hardware, account={"TAG": "Site 4", "ROOM": f"B{number}"})
    origin.assign("17", "pc-2")
    with origin.catalogue.write() as conn:
        ids = {row.device_id: row.id for row in conn.execute(select(schema.computers))}
        row: dict[str, Any] = {"name": "7-Zip", "name_key": "7-zip", "version": "9", "version_key": "9"}
        row |= {"publisher": "", "publisher_key": "", "digest": b"x"}
        program = conn.execute(insert(schema.software).values(**row).returning(schema.software.c.id)).scalar_one()
        conn.execute(insert(schema.installed).values(computer_id=ids["pc-2"], software_id=program))
        conn.execute(insert(groups_schema.groups).values(id=1, name="Class A", name_key="class a"))
        conn.execute(insert(groups_schema.group_members).values(group_id=1, computer_id=ids["pc-3"]))
    origin.act(operators.create_hashed, "ada", "-", 0.0, Grant(Role.OPERATOR))
    return origin


def seen(origin: TestOrigin, who: Actor, now_s: float | None = None) -> set[int]:
    """The numbers of the computers that somebody sees."""
    clock: Any = {} if now_s is None else {"clock": lambda: now_s}
    with origin.catalogue.read() as conn:
        query = select(schema.computers.c.device_id).where(restrictions.visible(conn, who, **clock))
        return {int(name[-1]) for name in conn.scalars(query)}


def restrict(origin: TestOrigin, text: str) -> None:
    origin.act(operators.change, "ada", 1.0, filter_=text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", {1, 2, 3}),
        ('tag = "site 4"', {1, 2, 3}),
        ("tag in (a, b)", set()),
        ("os ~ windows* AND NOT account.ROOM = b1", {2}),
        ("debian", {3}),
        ('software("7-Zip*")', {2}),
        ('NOT software("7-zip")', {1, 3}),
        ('group("Class ?")', {3}),
        ('NOT group("Class A") NOT package(17)', {1}),
        ("package(17) = WAITING", {2}),
    ],
)
def test_a_restriction_is_any_filter(room: TestOrigin, text: str, numbers: Collection[int]) -> None:
    restrict(room, text)
    assert seen(room, ADA) == numbers
    assert room.read(restrictions.is_restricted, ADA) == bool(text)
    # Beside other conditions, on tables that the filter speaks of, too.
    with room.catalogue.read() as conn:
        may_see = restrictions.visible(conn, ADA)
        for table in (schema.installed, groups_schema.group_members, schema.assignments):
            joined = schema.computers.outerjoin(table, table.c.computer_id == schema.computers.c.id)
            query = select(schema.computers.c.device_id).select_from(joined).where(may_see)
            assert {int(name[-1]) for name in conn.scalars(query)} == numbers
    logged = room.read(events.newest, Wanted(kinds=(Kind.COMPUTER_SEEN, Kind.ASSIGNED), reader=ADA), EVERYTHING)
    assert {int(event.device_id[-1]) for event in logged.items} == numbers


def test_ages_count_from_when_somebody_asks(room: TestOrigin) -> None:
    restrict(room, "last_contact > 3d")
    assert seen(room, ADA, room.now_s) == {3}
    assert seen(room, ADA, room.now_s - 3 * DAY_S) == {1, 2, 3}
    assert seen(room, ADA, room.now_s + 3 * DAY_S) == set()


def test_a_token_sees_what_its_owner_sees_at_most(room: TestOrigin) -> None:
    room.write(api_tokens.create, ADA, NewToken("t", Role.VIEWER, filter="windows", days=90), b"s" * 32, 1.0)
    assert seen(room, TOKEN, 2.0) == {1, 2}
    restrict(room, "account.ROOM in (b2, b3)")
    assert seen(room, TOKEN, 2.0) == {2}
    assert seen(room, TOKEN, 1.0 + 91 * DAY_S) == set(), "it has expired"
    room.act(operators.delete, "ada", 2.0)
    assert seen(room, TOKEN) == set()
    assert room.read(restrictions.is_restricted, TOKEN)


def test_who_cannot_be_told_sees_nothing(room: TestOrigin) -> None:
    assert seen(room, SYSTEM) == {1, 2, 3}
    assert seen(room, Actor(ActorKind.OPERATOR, "nobody")) == set()
    room.write(lambda conn: conn.execute(update(schema.operators).values(filter="colour = red")))
    assert seen(room, ADA) == set(), "a filter of another version"
