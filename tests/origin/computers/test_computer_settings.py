"""What an operator decides of computers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput, NotFound
from distd.domain.page import EVERYTHING
from distd.origin.computers import computer_settings, computers
from distd.origin.computers.computers import WantedComputers

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_networks_are_set_and_cleared(pc: TestOrigin) -> None:
    for text, expected in (
        ("10.0.0.0/8, fd00::/8", ["10.0.0.0/8", "fd00::/8"]),
        ("10.0.0.9", ["10.0.0.9/32"]),
        ("", []),
    ):
        pc.act(computer_settings.change, ["pc"], {"networks": text}, pc.now_s)
        assert pc.read(computers.show, "pc").computer.networks == expected
    first = pc.events(Kind.COMPUTER_SET)[0]
    assert (first.computer_id, first.detail) == (1, {"networks": "10.0.0.0/8 fd00::/8", "before": {"networks": ""}})


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"networks": "10.0.0.1/8"}, "networks"),
        ({"networks": "10.0.0.0/8 " * 65}, "networks"),
        ({"changed": "address"}, "changed"),
        ({"name": "x"}, "name"),
        ({}, "values"),
    ],
)
def test_what_cannot_be_set(pc: TestOrigin, values: dict[str, str], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        pc.act(computer_settings.change, ["pc"], values, pc.now_s)
    assert caught.value.field == field
    assert pc.events(Kind.COMPUTER_SET) == []


def test_many_are_changed_and_their_groups_follow_once(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        origin.prolog(name)
    origin.act(computer_settings.change, ["b"], {"account.Room": "7"}, origin.now_s)
    followed: list[list[int]] = []
    monkeypatch.setattr(computer_settings, "follow_computers", lambda _conn, ids, _now_s: followed.append(list(ids)))
    origin.act(computer_settings.change, ["c", "b"], {"tag": "Lyon", "account.room": ""}, origin.now_s)
    assert [sorted(ids) for ids in followed] == [[2, 3]]
    found = {name: origin.read(computers.show, name) for name in "abc"}
    assert {name: each.computer.tag for name, each in found.items()} == {"a": "", "b": "Lyon", "c": "Lyon"}
    assert [each.accounts for each in found.values()] == [{}, {"TAG": "Lyon"}, {"TAG": "Lyon"}]
    _, of_c, of_b = origin.events(Kind.COMPUTER_SET)
    after = {"account.TAG": "Lyon", "account.room": ""}
    assert (of_c.computer_id, of_c.detail) == (3, {**after, "before": {"account.TAG": "", "account.room": ""}})
    assert (of_b.computer_id, of_b.detail["before"]) == (2, {"account.TAG": "", "account.room": "7"})


def test_a_computer_has_a_limited_number_of_values(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computer_settings, "MAX_ACCOUNT_KEYS", 1)
    for name in "ab":
        origin.prolog(name)
    origin.act(computer_settings.change, ["b"], {"account.room": "7"}, origin.now_s)
    with pytest.raises(BadInput, match=r"account\.floor: expected at most 1 values of a computer"):
        origin.act(computer_settings.change, ["a", "b"], {"account.floor": "1"}, origin.now_s)


def test_an_unknown_computer(pc: TestOrigin) -> None:
    with pytest.raises(NotFound):
        pc.act(computer_settings.change, ["nobody"], {"networks": ""}, pc.now_s)
    with pytest.raises(NotFound):
        pc.act(computer_settings.admit, ["nobody"], pc.now_s)


def test_all_that_wait_are_admitted(origin: TestOrigin) -> None:
    origin.prolog("known")
    origin.values["agents.waiting_room"] = True
    for name in ("b", "a"):
        origin.prolog(name)
    waiting = WantedComputers(waiting=True)
    assert [row.device_id for row in origin.read(computers.list_computers, waiting, EVERYTHING).items] == ["a", "b"]
    assert origin.act(computer_settings.admit, None, origin.now_s) == ["a", "b"]
    assert origin.read(computers.list_computers, waiting, EVERYTHING).items == []


def test_what_has_changed_is_shown_until_it_is_cleared(pc: TestOrigin) -> None:
    pc.address = "10.7.0.1"
    pc.prolog()
    changed = WantedComputers(changed=True)
    (computer,) = pc.read(computers.list_computers, changed, EVERYTHING).items
    assert computer.changed == ["address"]
    pc.act(computer_settings.change, ["pc"], {"changed": ""}, pc.now_s)
    assert pc.read(computers.list_computers, changed, EVERYTHING).items == []
    pc.prolog()
    assert pc.read(computers.show, "pc").computer.changed == []
