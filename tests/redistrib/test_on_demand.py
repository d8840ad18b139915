"""Fragments that agents ask for before they are here."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.lane.backend import LOCAL, FileRequest, Located
from redistrib import on_demand as module
from redistrib.download import Downloader, Traffic
from redistrib.fetcher import Fetcher
from redistrib.manifests import ManifestFetcher
from redistrib.on_demand import FAILED_S, OnDemand
from tests.fixtures.client import FakeClient, Reply, pause
from tests.redistrib.fakes import log, make_package

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from distd.storage.pki import Signer
    from redistrib.local_packages import LocalPackages

BASE = "http://origin/download"
WAIT_S = 20.0
ELSEWHERE = Located(location="http://elsewhere/")


def request(number: int) -> FileRequest:
    return FileRequest(f"17/17-{number}", "17", number, "", 0, "10.0.0.1", "http")


class Mirror:
    """A mirror that fetches on demand, from an origin that has package 17."""

    def __init__(self, local: LocalPackages, signer: Signer, nursery: trio.Nursery) -> None:
        self.client = FakeClient()
        self.local = local
        self.package = make_package(signer, "17", b"a" * 100, b"b" * 20_000)
        self.package.serve(self.client, BASE)
        downloader = Downloader(self.client, Traffic())
        manifests = ManifestFetcher(downloader, lambda: [BASE], local.ca)
        fetcher = Fetcher(downloader, local.incoming, lambda: [BASE], 4, nursery)
        self.on_demand = OnDemand(manifests, fetcher, local.incoming, lambda wanted: ELSEWHERE, WAIT_S, log)
        self.answers: list[Located] = []

    def submit(self, number: int, version: int = 1) -> Located | None:
        return self.on_demand.submit(request(number), version, self.answers.append)

    async def ask(self, number: int, version: int = 1, wait_s: float = WAIT_S + 1) -> Located:
        assert self.submit(number, version) is None
        await pause(wait_s)
        return self.answers.pop()


@asynccontextmanager
async def running(local: LocalPackages, signer: Signer) -> AsyncIterator[Mirror]:
    async with trio.open_nursery() as nursery:
        mirror = Mirror(local, signer, nursery)
        nursery.start_soon(mirror.on_demand.run)
        yield mirror
        nursery.cancel_scope.cancel()


async def test_it_is_fetched_and_given_open(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        located = await mirror.ask(2)
        assert located.file is not None
        assert os.pread(located.file.fd, 100_000, 0) == b"b" * 20_000
        assert located.file.etag == b'"%s"' % mirror.package.fragments[1].blake3.hex().encode()
        assert (located.file.package_id, located.file.number) == ("17", 2)


async def test_all_who_ask_meanwhile_are_answered_by_one_fetch(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        for _ in range(30):
            assert mirror.submit(1) is None
        await trio.sleep(1)
        assert len(mirror.answers) == 30
        assert all(located.file is not None for located in mirror.answers)
        assert mirror.client.urls().count(f"{BASE}/17/17-1") == 1


async def test_whoever_has_waited_too_long_is_sent_elsewhere_and_the_fetch_goes_on(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        mirror.client.handlers[f"{BASE}/17/17-1"] = lambda request: Reply(200, [25.0, b"a" * 100])
        started_s = trio.current_time()
        assert mirror.submit(1) is None
        while not mirror.answers:
            await trio.sleep(0.5)
        assert trio.current_time() - started_s == pytest.approx(WAIT_S, abs=1)
        assert mirror.answers.pop() is ELSEWHERE
        await trio.sleep(6)
        assert (await mirror.ask(1)).file is not None
        assert mirror.client.urls().count(f"{BASE}/17/17-1") == 1


async def test_what_could_not_be_had_is_not_tried_again_at_once(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        mirror.client.handlers[f"{BASE}/17/17-1"] = lambda request: Reply(404)
        assert await mirror.ask(1, wait_s=1.5) is ELSEWHERE
        assert mirror.submit(1) is ELSEWHERE
        assert (await mirror.ask(2, wait_s=0.1)).file is not None  # others are
        await trio.sleep(FAILED_S)
        mirror.client.handlers[f"{BASE}/17/17-1"] = lambda request: Reply(404)
        assert await mirror.ask(1, wait_s=1.5) is ELSEWHERE
        mirror.on_demand._failed_s.put(request(1).key, trio.current_time() - FAILED_S)
        mirror.package.serve(mirror.client, BASE)
        assert (await mirror.ask(1)).file is not None


@pytest.mark.parametrize(("number", "version"), [(3, 1), (999, 1)])
async def test_a_number_that_the_package_does_not_have(
    local: LocalPackages, signer: Signer, number: int, version: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        assert await mirror.ask(number, version) == Located(status=404)


async def test_a_version_that_no_source_has(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(local, signer) as mirror:
        assert await mirror.ask(1, version=2) is ELSEWHERE


async def test_a_package_that_was_published_meanwhile_is_local(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(local, signer) as mirror:

        async def fetch(package_id: str, fragment: object) -> None:
            await trio.lowlevel.checkpoint()

        monkeypatch.setattr(mirror.on_demand._fetcher, "fetch", fetch)
        assert await mirror.ask(1) is LOCAL


async def test_a_file_that_cannot_be_looked_at_is_closed(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    close = os.close

    def note(fd: int) -> None:
        closed.append(fd)
        close(fd)

    def fail(fd: int) -> object:
        raise OSError("bad disk")

    async with running(local, signer) as mirror:
        fragment = mirror.package.fragments[0]
        local.incoming.path(fragment).write_bytes(b"a" * 100)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fstat", fail)
            patched.setattr(os, "close", note)
            with pytest.raises(OSError, match="bad disk"):
                mirror.on_demand._open(request(1), fragment)
    assert len(closed) == 1


async def test_only_so_many_wait(
    local: LocalPackages, signer: Signer, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    async with trio.open_nursery() as nursery:
        mirror = Mirror(local, signer, nursery)
        assert [mirror.submit(1) for _ in range(4)] == [None, None, None, ELSEWHERE]
