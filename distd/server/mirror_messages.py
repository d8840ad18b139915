"""The events (`wire.mirror_events`) that mirrors are sent by their event stream, read from the catalogue."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.catalogue import event_log
from distd.origin.mirrors import presence
from distd.origin.mirrors.contents import list_wanted
from distd.wire.mirror_events import PackageChange, State

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

MAX_REPLAYED_EVENTS: Final = 1000  # a mirror that has missed more is sent the state


@dataclass(frozen=True, slots=True)
class Waves:
    """So many mirrors begin to fetch a new package at the same time, the next ones `pause_s` later."""

    size: int
    pause_s: int

    def wait_s(self, position: int) -> int:
        """How long the mirror at this position (from 0) waits."""
        return position // self.size * self.pause_s


def first_message(conn: Connection, after: int) -> State | PackageChange:
    """For a mirror that has processed all events up to `after`: what has changed since, or the state.

    The state is for `after` 0, for a mirror of another catalogue, and where events are missing or too many.
    """
    newest = event_log.newest(conn)
    if 0 < after <= newest and newest - after <= MAX_REPLAYED_EVENTS and event_log.oldest(conn) <= after + 1:
        found = event_log.since(conn, after, MAX_REPLAYED_EVENTS, event_log.OF_PACKAGES)
        return package_message(conn, {event.package_id for event in found if event.package_id}, newest)
    return State(newest, list_wanted(conn), presence.online_addresses(conn, time.time()))


def state_message(conn: Connection) -> State | PackageChange:
    """Everything that a mirror is to have."""
    return first_message(conn, 0)


def package_message(conn: Connection, changed: Collection[str], seq: int) -> PackageChange:
    """What has become of the packages that have changed: those that mirrors are to have, and those that are gone."""
    wanted = [package for package in list_wanted(conn) if package.package_id in changed]
    gone = sorted({*changed} - {package.package_id for package in wanted})
    return PackageChange(seq, wanted, gone, presence.online_addresses(conn, time.time()))
