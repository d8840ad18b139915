"""Copies of a source that knows nothing of mirrors: what comes, what goes, and what is never taken."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.domain.errors import Corrupt, TooLarge, Unavailable
from distd.domain.records import Action, Info
from distd.packaging.verify import verify
from distd.storage.quota import DiskLimits
from distd.wire import ocs_info
from redistrib import copier as module
from redistrib.copier import Copier, CopyLimits
from tests.fixtures.client import pause
from tests.redistrib.fakes import log, make_local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from cryptography import x509

    from distd.storage.pki import Signer
    from redistrib.local_packages import LocalPackages

POLL_S = 60.0


class Source:
    """An OCS server's folder, in memory."""

    def __init__(self) -> None:
        self.infos: dict[str, bytes] = {}
        self.contents: dict[str, list[bytes]] = {}
        self.fetched: list[str] = []
        self.away = False
        self.busy = 0
        self.most_busy = 0

    def add(self, package_id: str, *contents: bytes, target: str = "/tmp/x") -> None:
        digest = hashlib.md5(b"".join(contents)).hexdigest()
        self.infos[package_id] = ocs_info.render(Info(package_id, 5, Action.STORE, target, len(contents), digest))
        self.contents[package_id] = list(contents)

    def remove(self, package_id: str) -> None:
        del self.infos[package_id], self.contents[package_id]

    async def list_ids(self) -> list[str]:
        await self._answer()
        return sorted(self.infos, key=int)

    async def read_info(self, package_id: str) -> bytes | None:
        await self._answer()
        if len(self.infos.get(package_id, b"")) > ocs_info.MAX_INFO_BYTES:
            raise TooLarge("info", "less", "more")
        return self.infos.get(package_id)

    async def fetch_fragment(self, package_id: str, number: int, path: Path, limit_bytes: int) -> None:
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        await pause(0.1)
        self.busy -= 1
        await self._answer()
        self.fetched.append(f"{package_id}-{number}")
        try:
            content = self.contents[package_id][number - 1]
            if len(content) > limit_bytes:
                raise TooLarge(f"{package_id}-{number}", f"at most {limit_bytes} bytes", "more")
            path.write_bytes(content)
        except (KeyError, IndexError):
            raise Unavailable(f"{package_id}-{number}", "HTTP 404") from None

    async def _answer(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise Unavailable("source", "away")


@pytest.fixture
def source() -> Source:
    return Source()


def make_copier(local: LocalPackages, source: Source, signer: Signer, named: Sequence[str] = ()) -> Copier:
    return Copier(local, source, named, signer, local.data.root / "incoming", CopyLimits(3, 4_000_000), log)


@asynccontextmanager
async def copying(
    local: LocalPackages, source: Source, signer: Signer, named: Sequence[str] = ()
) -> AsyncIterator[Copier]:
    copier = make_copier(local, source, signer, named)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(copier.run, POLL_S)
        yield copier
        nursery.cancel_scope.cancel()


def ids(local: LocalPackages) -> list[str]:
    assert sorted(local.versions) == sorted(path.name for path in local.data.download.iterdir())
    return sorted(local.versions)


async def test_all_packages_are_copied_and_get_a_manifest(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a" * 1000, b"b" * 500)
    source.add("18")
    async with copying(local, source, signer) as copier:
        ready = [copier.is_ready]
        await trio.sleep(1)
        assert ids(local) == ["17", "18"]
        assert [*ready, copier.is_ready] == [False, True]
        state = copier.state()
        assert (state.connected, state.packages, state.wanted) == (True, 2, 2)
    assert (local.data.package("17") / "17-2").read_bytes() == b"b" * 500
    assert not verify(local.data, "17", local.ca)
    assert not list((local.data.root / "incoming").iterdir())


async def test_only_the_named_ones(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a")
    source.add("18", b"b")
    async with copying(local, source, signer, ["18", "19"]) as copier:
        await trio.sleep(1)
        assert ids(local) == ["18"]
        assert not copier.is_ready


async def test_what_is_gone_at_the_source_goes_here_at_the_next_poll(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a")
    source.add("18", b"b")
    async with copying(local, source, signer):
        await trio.sleep(1)
        source.remove("17")
        await trio.sleep(POLL_S / 2)
        assert ids(local) == ["17", "18"]
        await trio.sleep(POLL_S / 2)
        assert ids(local) == ["18"]


async def test_a_source_that_is_away_takes_nothing_with_it(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a")
    async with copying(local, source, signer) as copier:
        await trio.sleep(1)
        source.away = True
        await trio.sleep(3 * POLL_S)
        assert (ids(local), copier.connected, copier.is_ready) == (["17"], False, False)
        source.away = False
        await trio.sleep(POLL_S)
        assert copier.is_ready


async def test_another_info_fetches_nothing_again(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a", b"b")
    async with copying(local, source, signer):
        await trio.sleep(1)
        source.add("17", b"a", b"b", target="/tmp/y")
        await trio.sleep(POLL_S)
        assert (local.data.package("17") / "info").read_bytes() == source.infos["17"]
        assert sorted(source.fetched) == ["17-1", "17-2"]
        source.add("17", b"a", b"c")
        await trio.sleep(POLL_S)
        assert (local.data.package("17") / "17-2").read_bytes() == b"c"


async def test_what_its_digest_does_not_guarantee_is_never_taken(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a", b"b")
    source.add("18", b"c")
    source.contents["17"][1] = b"x"
    async with copying(local, source, signer):
        await trio.sleep(1)
        assert ids(local) == ["18"]
        source.contents["17"][1] = b"b"
        await trio.sleep(POLL_S)
        assert ids(local) == ["17", "18"]


async def test_fragments_that_have_come_are_kept_for_the_next_try(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a", b"b", b"c")
    missing = source.contents["17"].pop()
    async with copying(local, source, signer):
        await trio.sleep(1)
        assert ids(local) == []
        source.contents["17"].append(missing)
        source.fetched.clear()
        await trio.sleep(POLL_S)
        assert (ids(local), source.fetched) == (["17"], ["17-3"])


async def test_what_is_left_of_another_version_is_thrown_away(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a", b"b")
    source.contents["17"].pop()
    async with copying(local, source, signer):
        await trio.sleep(1)
        source.add("17", b"A", b"B")
        await trio.sleep(POLL_S)
        assert (local.data.package("17") / "17-1").read_bytes() == b"A"
        assert not list((local.data.root / "incoming").iterdir())


async def test_what_the_source_says_it_does_not_have_goes_too(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    """A named package is asked for whether it is listed or not."""
    source.add("17", b"a")
    async with copying(local, source, signer, ["17"]):
        await trio.sleep(1)
        assert ids(local) == ["17"]
        kept = list(local.data.fragments.glob("*/*"))
        assert len(kept) == 1
        source.remove("17")
        await trio.sleep(POLL_S)
        assert ids(local) == []


async def test_another_content_leaves_nothing_of_the_first_in_the_store(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a", b"b")
    async with copying(local, source, signer) as copier:
        await trio.sleep(1)
        source.add("17", b"a", b"c")
        await trio.sleep(POLL_S)
        assert {path.read_bytes() for path in local.data.fragments.glob("*/*")} == {b"a", b"c"}
        assert copier.state().missing_bytes == 0


async def test_what_is_copied_is_left_alone(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a")
    async with copying(local, source, signer):
        await trio.sleep(1)
        before = local.data.package("17").stat()
        await trio.sleep(3 * POLL_S)
        after = local.data.package("17").stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_copy_that_has_lost_its_info_is_made_again(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a")
    async with copying(local, source, signer):
        await trio.sleep(1)
        (local.data.package("17") / "info").unlink()
        await trio.sleep(POLL_S)
        assert (local.data.package("17") / "info").read_bytes() == source.infos["17"]
        await trio.sleep(POLL_S)
        assert source.fetched == ["17-1", "17-1"]


@pytest.mark.parametrize(("limit", "found"), [(2, ["17"]), (1, [])])
async def test_as_many_fragments_as_there_may_be(
    local: LocalPackages,
    source: Source,
    signer: Signer,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    found: list[str],
) -> None:
    monkeypatch.setattr(module, "MAX_FRAGMENTS", limit)
    source.add("17", b"a", b"b")
    async with copying(local, source, signer):
        await trio.sleep(1)
        assert ids(local) == found


@pytest.mark.parametrize("fault", ["another id", "no info", "too many fragments"])
async def test_infos_that_cannot_be_right(
    local: LocalPackages, source: Source, signer: Signer, fault: str, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a")
    source.add("18", b"b")
    info = source.infos["17"]
    source.infos["17"] = {
        "another id": info.replace(b'"17"', b'"19"'),
        "no info": b"<html>",
        "too many fragments": info.replace(b'FRAGS="1"', b'FRAGS="999999999"'),
    }[fault]
    assert source.infos["17"] != info
    async with copying(local, source, signer):
        await trio.sleep(1)
        assert ids(local) == ["18"]
        assert source.fetched == ["18-1"]


async def test_only_so_many_fragments_are_fetched_in_parallel(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", *(bytes([number]) for number in range(10)))
    async with copying(local, source, signer):
        await trio.sleep(5)
    assert (source.most_busy, ids(local)) == (3, ["17"])


async def test_there_are_no_more_tasks_than_connections(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    """However many fragments an info claims: a task for each of a million took gigabytes."""
    source.add("17", b"a")
    source.infos["17"] = source.infos["17"].replace(b'FRAGS="1"', b'FRAGS="20000"')
    async with copying(local, source, signer):
        before = trio.lowlevel.current_statistics().tasks_living
        await trio.sleep(0.05)
        assert trio.lowlevel.current_statistics().tasks_living <= before + 3


@pytest.mark.parametrize("sizes", [(4_000_001,), (2_000_000, 2_000_001), (1_500_000, 1_500_000, 1_500_000)])
async def test_a_package_that_is_too_large_is_given_up_until_it_is_another_one(
    local: LocalPackages,
    source: Source,
    signer: Signer,
    sizes: tuple[int, ...],
    autojump_clock: trio.testing.MockClock,
) -> None:
    source.add("17", *map(bytes, sizes))
    source.add("18", b"b")
    async with copying(local, source, signer):
        await trio.sleep(1)
        assert ids(local) == ["18"]
        assert not list((local.data.root / "incoming").iterdir())
        source.fetched.clear()
        await trio.sleep(POLL_S)
        assert source.fetched == []
        source.add("17", bytes(4_000_000))
        await trio.sleep(POLL_S)
        assert ids(local) == ["17", "18"]


async def test_an_info_that_is_too_large_is_no_reason_to_stop(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a")
    source.add("18", b"b")
    source.infos["17"] += b" " * ocs_info.MAX_INFO_BYTES
    async with copying(local, source, signer) as copier:
        await trio.sleep(1)
        assert (ids(local), copier.connected) == (["18"], True)


async def test_a_list_that_is_too_large_is_no_reason_to_stop(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async def refuse() -> list[str]:
        await trio.lowlevel.checkpoint()
        raise TooLarge("list", "less", "more")

    source.add("17", b"a")
    async with copying(local, source, signer) as copier:
        with pytest.MonkeyPatch.context() as patching:
            patching.setattr(source, "list_ids", refuse)
            await trio.sleep(1)
        assert not copier.connected
        await trio.sleep(POLL_S)
        assert ids(local) == ["17"]


async def test_only_so_many_packages_are_copied(
    local: LocalPackages,
    source: Source,
    signer: Signer,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "MAX_PACKAGES", 1)
    source.add("17", b"a")
    source.add("18", b"b")
    async with copying(local, source, signer):
        await trio.sleep(1)
        assert ids(local) == ["17"]
    assert "of 2 packages only 1 are copied" in caplog.text


async def test_a_disk_that_is_full(
    tmp_path: Path, ca: x509.Certificate, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    local = make_local(tmp_path / "mirror", ca, DiskLimits(keep_free_bytes=10**18))
    source.add("17", b"a")
    async with copying(local, source, signer):
        await trio.sleep(1)
        assert (ids(local), source.fetched) == ([], [])


async def test_a_fragment_once_more_to_heal_a_bad_one(
    local: LocalPackages, source: Source, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    source.add("17", b"a" * 3_000_000)
    async with copying(local, source, signer) as copier:
        await trio.sleep(1)
        (fragment,) = local.read_manifest("17").fragments
        (local.data.root / "incoming" / f"{fragment.blake3.hex()}.part").write_bytes(b"left over")
        await copier.fetch_fragment("17", fragment)
        assert local.incoming.path(fragment).read_bytes() == b"a" * 3_000_000
        local.incoming.forget([fragment])
        source.contents["17"] = [b"x" * 3_000_000]
        with pytest.raises(Corrupt):
            await copier.fetch_fragment("17", fragment)
        assert not local.incoming.path(fragment).exists()
        source.away = True
        with pytest.raises(Unavailable):
            await copier.fetch_fragment("17", fragment)
        assert not list((local.data.root / "incoming").glob("*.again"))
