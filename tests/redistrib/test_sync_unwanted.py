"""What had come of packages that nobody wants any more is removed: once all is here that the origin says now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.wire.mirror_events import State
from tests.fixtures.client import Reply
from tests.redistrib.test_sync import BASE, running

if TYPE_CHECKING:
    from distd.storage.pki import Signer
    from redistrib.local_packages import LocalPackages

OLD = "f" * 64


@pytest.fixture
def left(local: LocalPackages) -> list[str]:
    """Files that an earlier run has left."""
    names = [OLD, f"{OLD[:-1]}e.part"]
    for name in names:
        (local.data.root / "incoming" / name).write_bytes(b"x")
    return sorted(names)


def names(local: LocalPackages) -> list[str]:
    return sorted(path.name for path in (local.data.root / "incoming").iterdir())


async def test_they_go_when_all_is_here(
    local: LocalPackages, signer: Signer, left: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        mirror.state(mirror.package("17", b"a" * 1000))
        await trio.sleep(1)
        assert names(local) == []
        # Once: what comes later is of this run.
        (local.data.root / "incoming" / OLD).write_bytes(b"x")
        mirror.change(mirror.package("18", b"b"))
        await trio.sleep(1)
        assert local.versions == {"17": 1, "18": 1}
        assert names(local) == [OLD]


async def test_they_stay_while_a_package_is_missing(
    local: LocalPackages, signer: Signer, left: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    """Only its manifest says which fragments are its."""
    async with running(local, signer) as mirror:
        package = mirror.package("17", b"a" * 1000)
        mirror.client.handlers[f"{BASE}/17/manifest"] = lambda request: Reply(404)
        mirror.state(package)
        await trio.sleep(10)
        assert names(local) == left


async def test_the_state_of_an_earlier_run_does_not_count(
    local: LocalPackages, signer: Signer, left: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        mirror.sync.apply(State(0, []))
        await trio.sleep(10)
        assert names(local) == left
        mirror.sync.apply(State(7, []))
        await trio.sleep(1)
        assert names(local) == []
