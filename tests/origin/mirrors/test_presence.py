"""Which mirrors are online."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.catalogue.event_log import Kind
from distd.origin.mirrors import mirrors, presence
from tests.fixtures.mirrors import add_mirror

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def online(origin: TestOrigin, after_s: float = 0.0) -> list[str]:
    found: list[str] = origin.read(presence.online_addresses, origin.now_s + after_s)
    return found


def test_those_that_are_connected_and_were_heard_of_are_online(origin: TestOrigin) -> None:
    a, b = add_mirror(origin, "a"), add_mirror(origin, "b")
    assert online(origin) == ["a:8080", "b:8080"]
    origin.write(presence.set_lost, a, origin.now_s)
    assert online(origin) == ["b:8080"]
    assert online(origin, presence.OFFLINE_AFTER_S) == []
    origin.write(presence.record_heartbeat, [b.id], origin.now_s + presence.OFFLINE_AFTER_S)
    assert online(origin, presence.OFFLINE_AFTER_S) == ["b:8080"]
    changes = [(event.kind, event.detail) for event in origin.events(Kind.MIRROR_CONNECTED, Kind.MIRROR_LOST)]
    assert changes == [
        (Kind.MIRROR_CONNECTED, {"mirror": "a"}),
        (Kind.MIRROR_CONNECTED, {"mirror": "b"}),
        (Kind.MIRROR_LOST, {"mirror": "a"}),
    ]


def test_a_heartbeat_does_not_bring_a_revoked_mirror_back(origin: TestOrigin) -> None:
    mirror = add_mirror(origin, "a")
    origin.act(mirrors.revoke, "a", origin.now_s)
    origin.write(presence.record_heartbeat, [mirror.id], origin.now_s)
    assert online(origin) == []
