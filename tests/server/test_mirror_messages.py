"""What mirrors are sent: the state, or what has changed since they followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distd.catalogue import event_log, schema
from distd.origin.packages import packages
from distd.server import mirror_messages
from distd.server.mirror_messages import Waves, first_message
from distd.wire.mirror_events import PackageChange, State

if TYPE_CHECKING:
    import pytest

    from tests.fixtures.origin import TestOrigin


def ids(message: Any) -> list[str]:
    return sorted(package.package_id for package in message.packages)


def test_a_mirror_gets_the_state_or_what_has_changed(origin: TestOrigin) -> None:
    origin.package("17")
    origin.package("18")
    before = origin.events()[-1].seq
    origin.act(packages.deactivate, "17", origin.now_s)
    state = origin.read(first_message, 0)
    assert isinstance(state, State)
    assert ids(state) == ["17", "18"]
    assert isinstance(origin.read(first_message, before + 10_000), State)  # it has followed another catalogue
    changed = origin.read(first_message, before)
    assert isinstance(changed, PackageChange)
    assert (ids(changed), changed.gone, changed.wait_s) == (["17"], [], 0)
    deleted = origin.write(lambda conn: conn.execute(schema.packages.update().values(deleted_at_us=1)))
    assert deleted.rowcount == 2
    assert origin.read(first_message, before).gone == ["17"]


def test_a_mirror_that_has_missed_too_much_gets_the_state(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_messages, "MAX_REPLAYED_EVENTS", 2)
    for number in range(17, 27):
        origin.package(str(number))
    newest = origin.events()[-1].seq
    assert isinstance(origin.read(first_message, newest - 2), PackageChange)
    assert isinstance(origin.read(first_message, newest - 3), State)


def test_a_mirror_that_has_missed_events_that_are_gone_gets_the_state(origin: TestOrigin) -> None:
    for number in range(17, 27):
        origin.package(str(number))
    newest = origin.events()[-1].seq
    origin.write(event_log.prune, 3)
    assert isinstance(origin.read(first_message, newest - 3), PackageChange)
    assert isinstance(origin.read(first_message, newest - 4), State)
    assert isinstance(origin.read(first_message, newest), PackageChange)
    assert isinstance(origin.read(first_message, newest + 1), State)
    assert isinstance(origin.read(first_message, -1), State)


def test_waves() -> None:
    waves = Waves(3, 10)
    assert [waves.wait_s(position) for position in range(8)] == [0, 0, 0, 10, 10, 10, 20, 20]
