"""How many new DEVICEIDs come in, from where a bound computer comes, and the waiting room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.records import DownloadRequest, InventoryRequest, PrologRequest
from distd.origin.agents.admission import ELSEWHERE, TOO_FAST, TOO_MANY, may_come_from
from distd.origin.computers import computer_settings
from distd.wire import ocs

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def statuses(origin: TestOrigin, *device_ids: str) -> list[int]:
    return [origin.post_all(PrologRequest(device_id))[0].status for device_id in device_ids]


def test_an_address_makes_so_many_new_computers_an_hour(origin: TestOrigin) -> None:
    """Before, one address filled the catalogue as fast as it could send."""
    origin.values["agents.new_per_address"] = 2
    assert statuses(origin, "a", "b", "c", "d", "a") == [200, 200, 429, 429, 200]
    origin.address = "10.9.0.1"
    assert statuses(origin, "e") == [200]
    origin.address = "10.0.0.9"
    origin.now_s += 1801
    assert statuses(origin, "c", "d") == [200, 429]
    (event, *more) = origin.events(Kind.CONTACT_REFUSED)
    assert (event.computer_id, event.detail) == (
        None,
        {"why": TOO_FAST, "address": "10.0.0.9", "device_id": "c"},
    )
    assert len(more) == 1  # half an hour later: a flood is no flood of events
    assert len(origin.rows(schema.computers)) == 4


def test_a_batch_counts_each(origin: TestOrigin) -> None:
    origin.values["agents.new_per_address"] = 2
    replies = origin.post_all(*(PrologRequest(name) for name in "abca"), DownloadRequest("c", "17", "SUCCESS"))
    assert [reply.status for reply in replies] == [200, 200, 429, 200, 429]
    assert replies[2].body == f"{TOO_FAST}\n".encode()


def test_a_network_makes_so_many_too(origin: TestOrigin) -> None:
    origin.values["agents.new_per_network"] = 3
    found = []
    for number in range(5):
        origin.address = f"10.0.{number}.1"
        found += statuses(origin, f"pc{number}")
    origin.address = "10.1.0.1"
    assert [*found, *statuses(origin, "other")] == [200, 200, 200, 429, 429, 200]


def test_a_proxy_on_this_machine_stands_for_all_agents(origin: TestOrigin) -> None:
    origin.values |= {"agents.new_per_address": 1, "agents.new_per_network": 1}
    origin.address = "127.0.0.1"
    assert statuses(origin, "a", "b", "c") == [200] * 3


@pytest.mark.parametrize("limit", [0, 2])
def test_a_catalogue_has_so_many_computers(origin: TestOrigin, limit: int) -> None:
    origin.values["agents.max_computers"] = limit
    assert statuses(origin, "a", "b", "c", "a") == [200, 200, 429 if limit else 200, 200]
    assert [event.detail["why"] for event in origin.events(Kind.CONTACT_REFUSED)] == [TOO_MANY] * (limit > 0)


PLACES = [
    ("", "10.0.0.1", True),
    ("10.0.0.0/8", "10.0.0.1", True),
    ("10.0.0.0/8", "::ffff:10.0.0.1", True),
    ("10.0.0.0/8 fd00::/8", "fd00::1%eth0", True),
    ("10.0.0.0/8", "11.0.0.1", False),
    ("10.0.0.0/8", "fd00::1", False),
    ("10.0.0.0/8", "unknown", False),
]


@pytest.mark.parametrize(("networks", "address", "expected"), PLACES)
def test_from_where_a_computer_may_come(networks: str, address: str, expected: bool) -> None:
    assert may_come_from(networks, address) is expected


@pytest.mark.parametrize(
    "request_",
    [
        PrologRequest("pc"),
        InventoryRequest("pc", {"NAME": "forged"}, {}, (), frozenset({"17"})),
        DownloadRequest("pc", "17", "SUCCESS"),
    ],
)
def test_a_bound_computer_is_refused_elsewhere(pc: TestOrigin, request_: Any) -> None:
    """Before, whoever knew a DEVICEID had a result of its package from anywhere."""
    pc.package("17")
    pc.assign("17")
    pc.listed()
    pc.act(computer_settings.change, ["pc"], {"networks": "10.0.0.0/24"}, pc.now_s)
    pc.address = "10.0.1.9"
    before = pc.rows(schema.computers), pc.rows(schema.assignments), pc.rows(schema.history)
    (reply,) = pc.post_all(request_)
    assert (reply.status, reply.body) == (403, f"{ELSEWHERE}\n".encode())
    assert (pc.rows(schema.computers), pc.rows(schema.assignments), pc.rows(schema.history)) == before
    (event,) = pc.events(Kind.CONTACT_REFUSED)
    assert (event.computer_id, event.detail) == (1, {"why": ELSEWHERE, "address": "10.0.1.9"})
    pc.address = "10.0.0.77"
    assert pc.post_all(request_)[0].status == 200


def test_the_waiting_room(origin: TestOrigin) -> None:
    origin.prolog("known")
    origin.values["agents.waiting_room"] = True
    origin.package("17")
    assert origin.prolog("pc").packs == ()
    origin.assign("17", "pc")
    reply = origin.prolog("pc")
    assert (reply.send_inventory, reply.packs) == (False, ())
    inventory = InventoryRequest("pc", {"NAME": "PC"}, {"TAG": "x"}, (), frozenset({"17"}))
    assert ocs.read_inventory_reply(origin.post(inventory)) == {}
    origin.report("17", "SUCCESS", "pc")
    assert [event.detail["ignored"] for event in origin.events(Kind.RESULT)] == ["it is in the waiting room"]
    assert origin.rows(schema.history) == []
    assert [(row["device_id"], row["waiting"], row["name"]) for row in origin.rows(schema.computers)] == [
        ("known", False, None),
        ("pc", True, None),
    ]
    assert origin.act(computer_settings.admit, ["pc", "known"], origin.now_s) == ["pc"]
    assert origin.listed("pc") == ["17"]
    assert [event.computer_id for event in origin.events(Kind.COMPUTER_ADMITTED)] == [2]
