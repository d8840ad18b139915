"""Log-ins and wrong passwords become few events, however many there are."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.catalogue.event_log import Kind
from distd.domain.errors import Unavailable
from distd.web.api import login_record
from distd.web.api.login_record import MAX_ADDRESSES, MAX_NAMES, MINUTE_S, OTHERS, SEEN_S, LoginRecord

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd.web")


@pytest.fixture
async def record(writer: Any, nursery: trio.Nursery) -> LoginRecord:
    record = LoginRecord(writer, LOG)
    nursery.start_soon(record.run)
    return record


def details(origin: TestOrigin, kind: Kind) -> list[Any]:
    return [event.detail for event in origin.events(kind)]


async def test_a_flood_from_an_address_is_two_events_a_minute(
    autojump_clock: MockClock, record: LoginRecord, origin: TestOrigin
) -> None:
    for number in range(1000):
        record.failed("10.0.0.1", f"name {number}" * 100)
    record.not_checked("10.0.0.1", "ada")
    await trio.sleep(1)
    assert len(details(origin, Kind.LOG_IN_FAILED)) == 1
    await trio.sleep(MINUTE_S)
    first, second = details(origin, Kind.LOG_IN_FAILED)
    assert (first["count"], second["count"], second["unchecked"]) == (1, 999, 1)
    assert len(second["names"]) == MAX_NAMES
    assert max(map(len, second["names"])) == login_record.NAME_CHARACTERS
    await trio.sleep(2 * MINUTE_S)
    assert len(details(origin, Kind.LOG_IN_FAILED)) == 2


async def test_a_flood_from_many_addresses_is_some_events_a_minute(
    autojump_clock: MockClock, record: LoginRecord, origin: TestOrigin
) -> None:
    for number in range(10_000):
        record.failed(f"10.{number // 256}.{number % 256}", "ada")
    await trio.sleep(MINUTE_S + 1)
    found = details(origin, Kind.LOG_IN_FAILED)
    assert len(found) == MAX_ADDRESSES + 1
    assert (found[-1]["address"], found[-1]["count"]) == (OTHERS, 10_000 - MAX_ADDRESSES)


async def test_a_log_in_from_an_address_is_an_event_an_hour(
    autojump_clock: MockClock, record: LoginRecord, origin: TestOrigin
) -> None:
    for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
        record.succeeded(address, "ada")
    await trio.sleep(1)
    assert details(origin, Kind.LOGGED_IN) == [{"address": "10.0.0.1"}, {"address": "10.0.0.2"}]
    await trio.sleep(SEEN_S)
    record.succeeded("10.0.0.1", "ada")
    await trio.sleep(1)
    assert len(details(origin, Kind.LOGGED_IN)) == 3


async def test_what_cannot_be_written_waits(
    autojump_clock: MockClock, writer: Any, origin: TestOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    class Locked:
        async def run(self, operation: Any) -> Any:
            raise Unavailable("catalogue", "database is locked")

    locked: Any = Locked()
    record = LoginRecord(locked, LOG)
    for number in range(2 * login_record.MAX_WAITING):
        record.succeeded(f"10.0.0.{number}", "ada")
    await record.flush()
    assert caplog.messages == ["log-ins are not recorded yet: catalogue: database is locked"]
    record._writer = writer
    await record.flush()
    assert len(details(origin, Kind.LOGGED_IN)) == login_record.MAX_WAITING


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b", "\\u0000", "é" * 500])
async def test_whatever_name_somebody_tries(
    autojump_clock: MockClock, record: LoginRecord, origin: TestOrigin, name: str
) -> None:
    record.failed("10.0.0.1", name)
    record.failed("10.0.0.1", name)
    await trio.sleep(MINUTE_S + 1)
    assert len(details(origin, Kind.LOG_IN_FAILED)) == 2
