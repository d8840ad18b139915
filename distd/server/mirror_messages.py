"""What mirrors are sent by their event stream, read from the catalogue.

    {"kind": "state", "seq": N, "packages": [[id, version, size_bytes, needed], …], "mirrors": ["host:port", …]}
    {"kind": "package", "seq": N, "packages": [[…]], "gone": [id, …], "wait_s": 0, "mirrors": […]}
    {"kind": "beat", "seq": N}

A state says everything, a package message what has changed; a beat only that the origin is there. `seq` is the newest
event that a message includes, and only grows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from distd.catalogue import event_log
from distd.origin.mirrors import presence
from distd.origin.mirrors.contents import list_wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

    from distd.origin.mirrors.contents import WantedPackage
    from distd.wire.mirror_events import Message

MAX_REPLAYED_EVENTS: Final = 1000  # a mirror that has missed more is sent the state


@dataclass(frozen=True, slots=True)
class Waves:
    """So many mirrors begin to fetch a new package at the same time, the next ones `pause_s` later."""

    size: int
    pause_s: int

    def wait_s(self, position: int) -> int:
        """How long the mirror at this position (from 0) waits."""
        return position // self.size * self.pause_s


def first_message(conn: Connection, after: int) -> Message:
    """For a mirror that has processed all events up to `after`: what has changed since, or the state.

    The state is for `after` 0, for a mirror of another catalogue, and where events are missing or too many.
    """
    newest = event_log.newest(conn)
    if 0 < after <= newest and newest - after <= MAX_REPLAYED_EVENTS and event_log.oldest(conn) <= after + 1:
        found = event_log.since(conn, after, MAX_REPLAYED_EVENTS, event_log.OF_PACKAGES)
        return package_message(conn, {event.package_id for event in found if event.package_id}, newest)
    return {
        "kind": "state",
        "seq": newest,
        "packages": _rows(list_wanted(conn)),
        "mirrors": presence.online_addresses(conn, time.time()),
    }


def state_message(conn: Connection) -> Message:
    """Everything that a mirror is to have."""
    return first_message(conn, 0)


def package_message(conn: Connection, changed: Collection[str], seq: int) -> Message:
    """What has become of the packages that have changed: those that mirrors are to have, and those that are gone."""
    wanted = [package for package in list_wanted(conn) if package.package_id in changed]
    return {
        "kind": "package",
        "seq": seq,
        "packages": _rows(wanted),
        "gone": sorted({*changed} - {package.package_id for package in wanted}),
        "wait_s": 0,
        "mirrors": presence.online_addresses(conn, time.time()),
    }


def _rows(wanted: Iterable[WantedPackage]) -> list[list[Any]]:
    return [[package.package_id, package.version, package.size_bytes, package.needed] for package in wanted]
