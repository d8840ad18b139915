"""A mirror's packages become what the origin says: in memory but for the disk, in virtual time."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from distd.storage import issuing, pki
from distd.storage.fragment_store import FragmentStore
from distd.storage.pki import Signer
from distd.storage.quota import DiskLimits
from distd.storage.trust_file import Revoked, TrustFile, next_list
from distd.wire.mirror_events import PackageChange, State, WantedPackage
from redistrib.download import Downloader, Traffic
from redistrib.fetcher import Fetcher
from redistrib.local_packages import LocalPackages
from redistrib.manifests import ManifestFetcher
from redistrib.sync import FIRST_PAUSE_S, MAX_PAUSE_S, Sync
from tests.fixtures.client import FakeClient, Reply
from tests.redistrib.fakes import log, make_local, make_package

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from distd.storage.data_dir import DataDir
    from tests.fixtures.client import Request
    from tests.redistrib.fakes import Package

BASE = "http://origin/download"


class Mirror:
    """A mirror, what its origin serves, and what the mirror reports."""

    def __init__(self, local: LocalPackages, signer: Signer, nursery: trio.Nursery) -> None:
        self.client = FakeClient()
        self.local = local
        self.traffic = Traffic()
        self.reported: list[tuple[str, str, int]] = []
        downloader = Downloader(self.client, self.traffic)
        manifests = ManifestFetcher(downloader, lambda: [BASE], local.ca)
        fetcher = Fetcher(downloader, local.incoming, lambda: [BASE], 4, nursery)
        self.sync = Sync(local, manifests, fetcher, self, log)
        self._signer = signer

    def ready(self, package_id: str, version: int) -> None:
        self.reported.append(("ready", package_id, version))

    def gone(self, package_id: str) -> None:
        self.reported.append(("gone", package_id, 0))

    def fault(self, package_id: str, name: str, *, healed: bool) -> None:
        self.reported.append((f"{name} {'healed' if healed else 'bad'}", package_id, 0))

    def package(self, package_id: str, *contents: bytes, version: int = 1) -> Package:
        """One that the origin serves."""
        package = make_package(self._signer, package_id, *contents, version=version)
        package.serve(self.client, BASE)
        return package

    def state(self, *packages: Package, needed: bool = True) -> None:
        self.sync.apply(State(1, _rows(packages, needed)))

    def change(self, *packages: Package, gone: tuple[str, ...] = (), wait_s: float = 0, needed: bool = True) -> None:
        rows = _rows(packages, needed)
        self.sync.apply(PackageChange(1, rows, list(gone), wait_s=wait_s))

    def ids(self) -> list[str]:
        return sorted(path.name for path in self.local.data.download.iterdir())

    def stored(self) -> set[bytes]:
        return {path.read_bytes() for path in self.local.data.fragments.glob("*/*")}


def _rows(packages: tuple[Package, ...], needed: bool) -> list[WantedPackage]:
    return [WantedPackage(package.id, package.manifest.version, package.manifest.size, needed) for package in packages]


@asynccontextmanager
async def running(local: LocalPackages, signer: Signer) -> AsyncIterator[Mirror]:
    async with trio.open_nursery() as nursery:
        mirror = Mirror(local, signer, nursery)
        nursery.start_soon(mirror.sync.run)
        yield mirror
        nursery.cancel_scope.cancel()


def is_whole(local: LocalPackages, package: Package) -> bool:
    folder = local.data.package(package.id)
    return {path.name: path.read_bytes() for path in folder.iterdir()} == dict(package.files())


async def test_what_is_wanted_comes_and_is_reported(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        package = mirror.package("17", b"a" * 1000, b"b" * 500)
        mirror.state(package)
        assert not mirror.sync.is_complete
        await trio.sleep(1)
        assert is_whole(local, package)
        assert mirror.reported == [("ready", "17", 1)]
        assert (local.versions, mirror.sync.is_complete, mirror.sync.missing_bytes) == ({"17": 1}, True, 0)
        assert mirror.stored() == {b"a" * 1000, b"b" * 500}
        assert not list((local.data.root / "incoming").iterdir())


async def test_what_is_gone_goes_and_is_reported(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        first, second, third = (mirror.package(package_id, package_id.encode()) for package_id in ("17", "18", "19"))
        mirror.state(first, second, third)
        await trio.sleep(1)
        mirror.change(gone=("17", "12345"))
        await trio.sleep(1)
        assert (mirror.ids(), mirror.stored()) == (["18", "19"], {b"18", b"19"})
        mirror.state(third)
        await trio.sleep(1)
        assert (mirror.ids(), local.versions) == (["19"], {"19": 1})
        assert mirror.reported[3:] == [("gone", "17", 0), ("gone", "18", 0)]


async def test_an_earlier_version_than_was_here_is_refused_and_told_once(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    """Even if the mirror was told to remove the package meanwhile, and was restarted: it is validly signed."""
    async with running(local, signer) as mirror:
        mirror.state(mirror.package("17", b"new", version=2))
        await trio.sleep(1)
        mirror.change(gone=("17",))
        await trio.sleep(1)
    again = LocalPackages(local.data, local.ca, local.incoming, local.limits)
    async with running(again, signer) as mirror:
        mirror.state(mirror.package("17", b"old", version=1), mirror.package("18", b"other"))
        await trio.sleep(600)
        assert mirror.ids() == ["18"]
        assert mirror.reported == [("manifest bad", "17", 0), ("ready", "18", 1)]
        mirror.change(mirror.package("17", b"newest", version=3))
        await trio.sleep(1)
        assert again.versions == {"17": 3, "18": 1}


async def test_packages_of_a_revoked_signer_go_and_come_signed_anew(
    local: LocalPackages, signer: Signer, origin_keys: DataDir, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    file = TrustFile(tmp_path / "trust.pem", pki.load_ca(origin_keys.ca_certificate))
    local.ca = file.trust
    ca_key = pki.load_ca_key(origin_keys.keys / pki.CA_KEY)
    async with running(local, signer) as mirror:
        kept = mirror.package("17", b"one", b"two")
        mirror.state(kept)
        await trio.sleep(1)
        serial = x509.load_der_x509_certificate(signer.certificate_der).serial_number
        file.take(next_list(b"", file.trust.ca, ca_key, [Revoked(serial, 0.0)]))
        mirror.sync.trust_changed()
        await trio.sleep(1)
        assert (mirror.ids(), local.versions) == ([], {})
        key = issuing.new_signer_key()
        certificate = issuing.issue(issuing.read_request(issuing.make_request(key)), file.trust.ca, ca_key)
        another = Signer(key, certificate.public_bytes(serialization.Encoding.DER))
        anew = make_package(another, "17", b"one", b"two", version=2)
        anew.serve(mirror.client, BASE)
        mirror.change(anew)
        await trio.sleep(1)
        assert is_whole(local, anew)
        assert local.versions == {"17": 2}


async def test_a_package_that_was_put_back_beside_the_mirror_is_left_out(local: LocalPackages, signer: Signer) -> None:
    local.floors.raise_to({"17": 2})
    make_package(signer, "17", b"old", version=1).install(local.data)
    await local.load(log)
    assert local.versions == {}


async def test_what_a_mirror_of_an_earlier_version_has_gets_its_floor(local: LocalPackages, signer: Signer) -> None:
    make_package(signer, "17", b"x", version=4).install(local.data)
    await local.load(log)
    assert local.data.version_floors.read_text() == "17 4\n"


async def test_nothing_is_removed_before_the_origin_has_said_everything(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    make_package(signer, "16", b"old").install(local.data)
    await local.load(log)
    async with running(local, signer) as mirror:
        package = mirror.package("17", b"new")
        mirror.change(package)
        await trio.sleep(1)
        assert mirror.ids() == ["16", "17"]
        mirror.state(package)
        await trio.sleep(1)
        assert mirror.ids() == ["17"]


async def test_another_version_replaces_and_fetches_only_what_is_new(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        mirror.state(mirror.package("17", b"same" * 100, b"old"))
        await trio.sleep(1)
        mirror.client.requests.clear()
        newer = mirror.package("17", b"same" * 100, b"new", version=2)
        mirror.change(newer)
        await trio.sleep(1)
        assert is_whole(local, newer)
        assert mirror.client.urls() == [f"{BASE}/17/manifest", f"{BASE}/17/info", f"{BASE}/17/17-2"]
        assert mirror.reported == [("ready", "17", 1), ("ready", "17", 2)]


async def test_a_package_that_goes_gives_its_fragments_to_one_that_comes(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        mirror.state(mirror.package("17", b"same", b"old"))
        await trio.sleep(1)
        mirror.client.requests.clear()
        mirror.state(mirror.package("18", b"same", b"new"))
        await trio.sleep(1)
        assert (mirror.ids(), mirror.stored()) == (["18"], {b"same", b"new"})
        assert f"{BASE}/18/18-1" not in mirror.client.urls()


async def test_equal_fragments_are_fetched_once(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        package = mirror.package("17", b"x", b"x", b"x")
        mirror.state(package)
        await trio.sleep(1)
        assert is_whole(local, package)
        assert mirror.traffic.fragments == 1


async def test_a_package_that_cannot_be_had_does_not_stop_the_others(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        bad, good = mirror.package("17", b"a"), mirror.package("18", b"bb")
        mirror.client.handlers[f"{BASE}/17/17-1"] = lambda request: Reply(404)
        mirror.state(bad, good)
        await trio.sleep(10)
        assert (mirror.ids(), mirror.sync.missing_bytes, mirror.sync.is_complete) == (["18"], 1, False)
        bad.serve(mirror.client, BASE)
        await trio.sleep(MAX_PAUSE_S)
        assert (mirror.ids(), mirror.sync.missing_bytes) == (["17", "18"], 0)


async def test_one_fragment_that_cannot_be_had_ends_the_wait_for_the_others(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        bad, small = mirror.package("17", b"a" * 10, b"b"), mirror.package("18", b"c" * 100)
        mirror.client.handlers[f"{BASE}/17/17-1"] = lambda request: Reply(404)
        mirror.client.handlers[f"{BASE}/17/17-2"] = lambda request: Reply(200, [20.0, b"b"])
        mirror.state(bad, small)
        await trio.sleep(5)
        assert mirror.ids() == ["18"]


async def test_what_is_missing_shrinks_with_each_fragment(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        mirror.state(mirror.package("17", b"a" * 10, b"b" * 7))
        mirror.client.handlers[f"{BASE}/17/17-2"] = lambda request: Reply(200, [20.0, b"b" * 7])
        await trio.sleep(5)
        assert (mirror.ids(), mirror.sync.missing_bytes) == ([], 7)
        await trio.sleep(30)
        assert (mirror.ids(), mirror.sync.missing_bytes) == (["17"], 0)


async def test_pauses_after_failures_grow_and_begin_anew_after_success(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    tries_s: list[float] = []

    def away(request: Request) -> Reply:
        tries_s.append(trio.current_time())
        return Reply(503)

    async def pauses_s(seconds: float) -> list[float]:
        tries_s.clear()
        await trio.sleep(seconds)
        return [round(after - before, 1) for before, after in itertools.pairwise(tries_s)]

    async with running(local, signer) as mirror:
        package = mirror.package("17", b"a")
        mirror.client.handlers[f"{BASE}/17/manifest"] = away
        mirror.state(package)
        assert await pauses_s(300) == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        package.serve(mirror.client, BASE)
        await trio.sleep(MAX_PAUSE_S)
        assert mirror.ids() == ["17"]
        newer = mirror.package("17", b"b", version=2)
        mirror.client.handlers[f"{BASE}/17/manifest"] = away
        mirror.change(newer)
        assert (await pauses_s(5))[:2] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S]


async def test_news_end_the_pause(local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock) -> None:
    async with running(local, signer) as mirror:
        bad = mirror.package("17", b"a")
        mirror.client.handlers[f"{BASE}/17/manifest"] = lambda request: Reply(503)
        mirror.state(bad)
        await trio.sleep(200)  # the next try is up to a minute away
        mirror.change(mirror.package("18", b"b"))
        await trio.sleep(0.5)
        assert mirror.ids() == ["18"]


async def test_what_agents_wait_for_comes_first_then_what_is_small(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        large, small = mirror.package("17", b"a" * 100), mirror.package("18", b"b")
        needed = mirror.package("19", b"c" * 1000)
        mirror.sync.apply(State(1, _rows((large, small), False) + _rows((needed,), True)))
        await trio.sleep(1)
        assert [package_id for _, package_id, _ in mirror.reported] == ["19", "18", "17"]


async def test_mirrors_of_a_later_wave_wait(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        mirror.change(mirror.package("17", b"a"), wait_s=30)
        await trio.sleep(29)
        assert mirror.ids() == []
        await trio.sleep(2)
        assert mirror.ids() == ["17"]


async def test_a_package_withdrawn_while_it_comes_is_not_published(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        package = mirror.package("17", b"a")
        mirror.client.handlers[f"{BASE}/17/17-1"] = lambda request: Reply(200, [5.0, b"a"])
        mirror.state(package)
        await trio.sleep(1)
        mirror.change(gone=("17",))
        await trio.sleep(10)
        assert (mirror.ids(), mirror.reported) == ([], [])


async def test_a_version_that_is_replaced_while_it_comes_is_not_published(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        first = mirror.package("17", b"a")
        mirror.client.handlers[f"{BASE}/17/17-1"] = lambda request: Reply(200, [5.0, b"a"])
        mirror.state(first)
        await trio.sleep(1)
        second = mirror.package("17", b"b", version=2)
        mirror.change(second)
        await trio.sleep(10)
        assert mirror.reported == [("ready", "17", 2)]
        assert is_whole(local, second)


async def test_what_another_process_has_put_there_is_verified_and_taken(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        mirror.client.handlers.clear()
        package = make_package(signer, "17", b"a")
        folder = package.install(local.data)
        mirror.state(package)
        await trio.sleep(1)
        # Its info does not have the digest of its fragments: so the origin is asked, which is away.
        assert local.versions == {}
        shutil.rmtree(folder)
        package.serve(mirror.client, BASE)
        await trio.sleep(MAX_PAUSE_S)
        assert local.versions == {"17": 1}


async def test_what_another_process_has_put_there_whole_is_not_fetched(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        assert (mirror.sync.missing_bytes, mirror.sync.is_complete) == (0, True)
        package = make_package(signer, "17", b"a", digest=hashlib.md5(b"a").hexdigest())
        package.install(local.data)
        mirror.state(package)
        await trio.sleep(1)
        assert (local.versions, mirror.client.requests) == ({"17": 1}, [])
        newer = make_package(signer, "17", b"a", version=2)
        mirror.change(newer)
        await trio.sleep(1)
        assert local.versions == {"17": 1}  # that is not there, and cannot be had


async def test_the_first_error_is_told(
    local: LocalPackages,
    signer: Signer,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(local, signer) as mirror:
        package = mirror.package("17", b"a", b"b")
        mirror.client.handlers[f"{BASE}/17/17-2"] = lambda request: Reply(418)
        mirror.state(package)
        await trio.sleep(10)
        assert "HTTP 418" in caplog.text


async def test_what_is_left_of_packages_that_are_not_wanted_any_more_is_removed(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    incoming = local.data.root / "incoming"
    (incoming / f"{'00' * 32}.part").write_bytes(b"of an earlier process")
    async with running(local, signer) as mirror:
        package, other = mirror.package("17", b"a"), mirror.package("18", b"b", b"c")
        mirror.client.handlers[f"{BASE}/18/18-2"] = lambda request: Reply(200, [10.0, b"c"])
        mirror.change(package)
        await trio.sleep(1)
        assert len(list(incoming.iterdir())) == 1  # it is not known yet what is wanted
        mirror.state(package)
        await trio.sleep(1)
        assert list(incoming.iterdir()) == []
        mirror.state(package, other)
        await trio.sleep(5)
        mirror.state(package)
        await trio.sleep(10)
        assert list(incoming.iterdir()) == []
        third = mirror.package("19", b"d", b"e")
        del mirror.client.handlers[f"{BASE}/19/19-2"]
        mirror.state(package, third)
        await trio.sleep(30)
        assert sorted(path.read_bytes() for path in incoming.iterdir()) == [b"", b"d"]  # for the next try
        mirror.state(package)
        await trio.sleep(1)
        assert list(incoming.iterdir()) == []


async def test_a_bad_copy_in_the_store_is_fetched_again(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        package = mirror.package("17", b"right")
        kept = FragmentStore(local.data.fragments).path(package.fragments[0].blake3)
        kept.parent.mkdir()
        kept.write_bytes(b"wrong")
        mirror.state(package)
        await trio.sleep(1)
        assert is_whole(local, package)
        assert mirror.stored() == {b"right"}


class TestSpace:
    """A quota of 1,000 bytes."""

    @pytest.fixture
    def local(self, tmp_path: Path, ca: x509.Certificate) -> LocalPackages:
        return make_local(tmp_path / "mirror", ca, DiskLimits(quota_bytes=1000))

    async def test_packages_that_no_agent_needs_are_removed_the_least_used_first(
        self, local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with running(local, signer) as mirror:
            first, second = mirror.package("17", b"a" * 400), mirror.package("18", b"b" * 400)
            mirror.state(first, second, needed=False)
            await trio.sleep(1)
            mirror.sync.used("17")
            third = mirror.package("19", b"c" * 500)
            mirror.change(third)
            await trio.sleep(1)
            assert (mirror.ids(), mirror.stored()) == (["17", "19"], {b"a" * 400, b"c" * 500})
            assert mirror.reported[2:] == [("gone", "18", 0), ("ready", "19", 1)]
            assert mirror.sync.is_complete  # the one that was removed is not fetched again at once

    async def test_what_agents_need_is_not_removed(
        self,
        local: LocalPackages,
        signer: Signer,
        autojump_clock: trio.testing.MockClock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async with running(local, signer) as mirror:
            mirror.state(mirror.package("17", b"a" * 600))
            await trio.sleep(1)
            mirror.change(mirror.package("18", b"b" * 500))
            await trio.sleep(1)
            assert mirror.ids() == ["17"]
            assert "package 18 needs 500 bytes more than may be taken" in caplog.text
            assert mirror.sync.missing_bytes == 500

    async def test_what_is_gone_makes_room_first(
        self, local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with running(local, signer) as mirror:
            gone, other = mirror.package("17", b"a" * 600), mirror.package("18", b"b" * 300)
            mirror.state(gone, other, needed=False)
            await trio.sleep(1)
            mirror.state(other, mirror.package("19", b"c" * 700), needed=False)
            await trio.sleep(1)
            assert mirror.ids() == ["18", "19"]

    async def test_only_what_is_new_counts(
        self, local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with running(local, signer) as mirror:
            mirror.state(mirror.package("17", b"a" * 600))
            await trio.sleep(1)
            newer = mirror.package("17", b"a" * 600, b"b" * 300, version=2)
            mirror.change(newer)
            await trio.sleep(1)
            assert is_whole(local, newer)


@pytest.mark.parametrize(("free_bytes", "ids"), [(1100, ["17"]), (1099, [])])
async def test_the_last_byte_of_the_space(
    tmp_path: Path,
    ca: x509.Certificate,
    signer: Signer,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    free_bytes: int,
    ids: list[str],
) -> None:
    local = make_local(tmp_path / "mirror", ca, DiskLimits(keep_free_bytes=1000))
    usage = shutil._ntuple_diskusage(10_000, 10_000 - free_bytes, free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    async with running(local, signer) as mirror:
        mirror.state(mirror.package("17", b"a" * 100))
        await trio.sleep(1)
        assert mirror.ids() == ids


async def test_space_that_is_to_stay_free(
    tmp_path: Path,
    ca: x509.Certificate,
    signer: Signer,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    free_bytes = shutil.disk_usage(tmp_path).free
    local = make_local(tmp_path / "mirror", ca, DiskLimits(keep_free_bytes=10 * free_bytes))
    async with running(local, signer) as mirror:
        mirror.state(mirror.package("17", b"a"))
        await trio.sleep(1)
        assert "package 17 needs 1 bytes more than may be taken" in caplog.text
