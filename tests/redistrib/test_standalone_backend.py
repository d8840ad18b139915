"""What the lane is answered by a mirror without an origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from distd.lane.backend import LOCAL, Located, Post
from redistrib.control_port import ControlPort
from redistrib.copier import Copier, CopyLimits
from redistrib.download import Traffic
from redistrib.package_sources import FolderSource
from redistrib.standalone_backend import StandaloneBackend
from redistrib.status import Statistics
from tests.fixtures.client import FakeClient
from tests.redistrib.fakes import file_request, log, refuse

if TYPE_CHECKING:
    from distd.storage.pki import Signer
    from redistrib.local_packages import LocalPackages


def make_backend(
    local: LocalPackages, signer: Signer, statistics: Statistics, nursery: trio.Nursery, base: str
) -> StandaloneBackend:
    source = FolderSource(local.data.root, Traffic())
    copier = Copier(local, source, [], signer, local.data.root / "incoming", CopyLimits(4, 1000), log)
    copier.wanted = ["17", "18"]
    local.publish("17", 1)
    port = ControlPort(FakeClient(), "", lambda: b"", lambda: True, nursery)
    return StandaloneBackend(local, copier, statistics, port, base)


async def test_what_is_not_here_is_at_the_source(local: LocalPackages, signer: Signer) -> None:
    statistics = Statistics(local.data.root)
    async with trio.open_nursery() as nursery:
        backend = make_backend(local, signer, statistics, nursery, "http://ocs/download")
        assert backend.find(file_request("18-1"), refuse) == Located(location="http://ocs/download/18/18-1")
        assert backend.find(file_request("18-info"), refuse) == Located(location="http://ocs/download/18/info")
        assert backend.find(file_request("19-1"), refuse) == Located(status=404)
        assert (statistics.counts.misses, statistics.counts.redirected) == (1, 2)


async def test_a_folder_cannot_be_asked(local: LocalPackages, signer: Signer) -> None:
    statistics = Statistics(local.data.root)
    async with trio.open_nursery() as nursery:
        backend = make_backend(local, signer, statistics, nursery, "")
        located = backend.find(file_request("18-1"), refuse)
        assert located is not None
        assert (located.status, located.location, statistics.counts.redirected) == (503, "", 0)


async def test_bad_files_are_not_served(local: LocalPackages, signer: Signer) -> None:
    async with trio.open_nursery() as nursery:
        backend = make_backend(local, signer, Statistics(local.data.root), nursery, "http://ocs/download")
        local.mark_bad("17", "17-2")
        assert backend.may_be_redirected("17")
        assert backend.find(file_request("17-2"), refuse) == Located(location="http://ocs/download/17/17-2")
        assert backend.find(file_request("17-1"), refuse) is LOCAL


async def test_no_token_is_known_and_posts_are_refused(local: LocalPackages, signer: Signer) -> None:
    statistics, answers = Statistics(local.data.root), []
    async with trio.open_nursery() as nursery:
        backend = make_backend(local, signer, statistics, nursery, "")
        assert backend.computer_of("1-aa") is None
        backend.post(Post(b"", "10.0.0.1", ""), lambda status, content, fields=b"": answers.append(status))
        backend.fetched(0, "17", 1, 100, "10.0.0.1")
    assert (answers, statistics.counts.sent_bytes, statistics.counts.hits) == ([404], 100, 1)
