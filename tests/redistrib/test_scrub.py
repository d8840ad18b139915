"""Bad files are found at a limited rate, not served while they are bad, and replaced."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.storage import atomic, package_dirs
from distd.storage.fragment_store import FragmentStore
from redistrib.scrub import MIB, PAUSE_S, Scrub
from tests.redistrib.fakes import change_byte, log, make_package

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from distd.domain.errors import Corrupt
    from distd.domain.records import Fragment
    from distd.storage.pki import Signer
    from redistrib.local_packages import LocalPackages


class Mirror:
    """A mirror with a package, and a source that has its fragments, unless it is away."""

    def __init__(self, local: LocalPackages, signer: Signer, *contents: bytes) -> None:
        self.local = local
        self.package = make_package(signer, "17", *contents)
        self.folder = self.package.install(local.data)
        store = FragmentStore(local.data.fragments)
        for fragment in self.package.fragments:
            store.add(self.folder / f"17-{fragment.number}", fragment.blake3)
        local.publish("17", 1)
        self.faults: list[tuple[str, str, bool]] = []
        self.asked: list[int] = []
        self.away = False
        self.scrub = Scrub(local, self.fetch, self.report, log)

    async def fetch(self, package_id: str, fragment: Fragment) -> None:
        assert self.local.is_bad(package_id, f"{package_id}-{fragment.number}")
        await trio.lowlevel.checkpoint()
        self.asked.append(fragment.number)
        if self.away:
            raise Unavailable("source", "away")
        self.local.incoming.path(fragment).write_bytes(self.package.contents[fragment.number - 1])

    def report(self, package_id: str, name: str, *, healed: bool) -> None:
        self.faults.append((package_id, name, healed))

    async def check(self, number: int) -> bool:
        return await self.scrub.check("17", self.package.fragments[number - 1])

    def is_whole(self) -> bool:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()} == dict(self.package.files())


@asynccontextmanager
async def running(scrub: Scrub, mib_per_s: int) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scrub.run, mib_per_s)
        yield
        nursery.cancel_scope.cancel()


@pytest.fixture
def mirror(local: LocalPackages, signer: Signer) -> Mirror:
    return Mirror(local, signer, b"a" * 1000, b"b" * 1000, b"c" * 1000)


async def test_good_fragments_are_left_alone(mirror: Mirror) -> None:
    assert [await mirror.check(number) for number in (1, 2, 3)] == [True, True, True]
    assert (mirror.asked, mirror.faults) == ([], [])


async def test_a_bad_file_is_replaced_and_served_again(mirror: Mirror) -> None:
    change_byte(mirror.folder / "17-2")
    assert await mirror.check(2)
    assert mirror.is_whole()
    assert (mirror.asked, mirror.faults) == ([2], [("17", "17-2", True)])
    assert not mirror.local.has_bad("17")
    assert not mirror.local.incoming.path(mirror.package.fragments[1]).exists()


async def test_the_bad_copy_in_the_store_is_not_kept(mirror: Mirror) -> None:
    """The bad file and the store's copy are the same file: what comes must be another."""
    change_byte(mirror.folder / "17-2")
    assert await mirror.check(2)
    kept = FragmentStore(mirror.local.data.fragments).path(mirror.package.fragments[1].blake3)
    assert kept.read_bytes() == b"b" * 1000
    assert kept.samefile(mirror.folder / "17-2")


@pytest.mark.parametrize("damage", ["missing", "short", "long"])
async def test_files_that_are_missing_or_of_another_length(mirror: Mirror, damage: str) -> None:
    file = mirror.folder / "17-3"
    content = {"short": b"c" * 999, "long": b"c" * 1001}.get(damage)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert await mirror.check(3)
    assert mirror.is_whole()


async def test_what_cannot_be_healed_is_not_served_until_it_can(mirror: Mirror) -> None:
    change_byte(mirror.folder / "17-2")
    mirror.away = True
    assert not await mirror.check(2)
    assert mirror.faults == [("17", "17-2", False)]
    assert (mirror.local.is_bad("17", "17-2"), mirror.local.is_bad("17", "17-1")) == (True, False)
    mirror.away = False
    assert await mirror.check(2)
    assert mirror.faults == [("17", "17-2", False), ("17", "17-2", True)]
    assert not mirror.local.has_bad("17")


async def test_a_bad_copy_does_not_stay_in_the_store(mirror: Mirror) -> None:
    """Nor while the source is away: another package must not take it from there."""
    change_byte(mirror.folder / "17-2")
    mirror.away = True
    assert not await mirror.check(2)
    assert not FragmentStore(mirror.local.data.fragments).path(mirror.package.fragments[1].blake3).exists()


async def test_what_a_crash_has_left_is_not_in_the_way(mirror: Mirror) -> None:
    change_byte(mirror.folder / "17-2")
    (mirror.folder / f"{atomic.NEW}17-2-{os.getpid()}").write_bytes(b"half of it")
    assert await mirror.check(2)
    assert mirror.is_whole()


async def test_what_is_healed_is_on_the_disk(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(atomic, "sync_tree", synced.append)
    change_byte(mirror.folder / "17-2")
    assert await mirror.check(2)
    assert synced == [mirror.folder]


async def test_a_file_that_is_good_again_by_itself_is_served_again(mirror: Mirror) -> None:
    mirror.local.mark_bad("17", "17-2")
    assert await mirror.check(2)
    assert not mirror.local.has_bad("17")


async def test_a_source_that_gives_something_else_heals_nothing(mirror: Mirror) -> None:
    change_byte(mirror.folder / "17-2")

    async def fetch(package_id: str, fragment: Fragment) -> None:
        mirror.local.incoming.path(fragment).write_bytes(b"wrong")

    scrub = Scrub(mirror.local, fetch, mirror.report, log)
    assert not await scrub.check("17", mirror.package.fragments[1])
    assert mirror.local.is_bad("17", "17-2")


async def test_a_package_that_changes_meanwhile_is_left_alone(mirror: Mirror, signer: Signer) -> None:
    change_byte(mirror.folder / "17-2")
    newer = make_package(signer, "17", b"a" * 1000, b"", version=2)
    old_fragment = mirror.package.fragments[1]

    async def fetch(package_id: str, fragment: Fragment) -> None:
        mirror.local.incoming.path(fragment).write_bytes(b"b" * 1000)
        for name, content in newer.files():
            (mirror.folder / name).unlink()
            (mirror.folder / name).write_bytes(content)
        mirror.local.publish("17", 2)

    scrub = Scrub(mirror.local, fetch, mirror.report, log)
    assert not await scrub.check("17", old_fragment)
    assert (mirror.folder / "17-2").read_bytes() == b""
    assert not mirror.local.has_bad("17")


async def test_packages_are_checked_round_after_round(mirror: Mirror, autojump_clock: trio.testing.MockClock) -> None:
    async with running(mirror.scrub, 1):
        change_byte(mirror.folder / "17-1")
        await trio.sleep(1)
        change_byte(mirror.folder / "17-3")
        await trio.sleep(1)
        assert mirror.asked == [1]
        await trio.sleep(PAUSE_S)
        assert mirror.asked == [1, 3]


@pytest.mark.parametrize("mib_per_s", [1, 4])
async def test_the_rate_is_limited(
    local: LocalPackages,
    signer: Signer,
    mib_per_s: int,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirror = Mirror(local, signer, *(bytes([number]) * MIB for number in range(8)))
    checked_s: list[float] = []
    check_fragment = package_dirs.check_fragment

    def check(folder: Path, fragment: Fragment) -> Corrupt | None:
        checked_s.append(trio.current_time() - started_s)
        return check_fragment(folder, fragment)

    monkeypatch.setattr(package_dirs, "check_fragment", check)
    started_s = trio.current_time()
    async with running(mirror.scrub, mib_per_s):
        await trio.sleep(30)
    assert checked_s == pytest.approx([number / mib_per_s for number in range(8)], abs=1e-7)


async def test_without_a_rate_nothing_is_checked(mirror: Mirror) -> None:
    change_byte(mirror.folder / "17-1")
    await mirror.scrub.run(0)
    assert (mirror.faults, mirror.asked) == ([], [])


async def test_a_package_without_a_manifest_does_not_stop_the_others(
    mirror: Mirror, signer: Signer, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_package(signer, "16", b"x")
    (other.install(mirror.local.data) / "manifest").unlink()
    mirror.local.publish("16", 1)
    change_byte(mirror.folder / "17-1")
    async with running(mirror.scrub, 1):
        await trio.sleep(PAUSE_S - 1)
    assert mirror.is_whole()
    assert "package 16" in caplog.text


async def test_packages_that_are_gone_or_changed_are_passed_over(
    mirror: Mirror, autojump_clock: trio.testing.MockClock
) -> None:
    for number in (1, 2, 3):
        change_byte(mirror.folder / f"17-{number}")
    mirror.local.publish("17", 2)  # but its manifest is of version 1
    async with running(mirror.scrub, 1):
        await trio.sleep(10)
    assert mirror.asked == []
