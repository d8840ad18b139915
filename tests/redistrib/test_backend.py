"""What the lane is answered by a mirror of an origin."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.lane.backend import LOCAL, Located, Post
from distd.lane.streams import PlainStream
from distd.wire.mirror_events import State, WantedPackage
from redistrib.access_spool import AccessSpool
from redistrib.backend import MirrorBackend, Redirects
from redistrib.control_port import ControlPort
from redistrib.download import Downloader, Traffic
from redistrib.fetcher import Fetcher
from redistrib.manifests import ManifestFetcher
from redistrib.mirror_dir import Identity
from redistrib.neighbours import Neighbours
from redistrib.on_demand import OnDemand
from redistrib.origin_client import OriginClient
from redistrib.reporter import Reporter
from redistrib.status import Statistics
from redistrib.sync import Sync
from tests.fixtures.client import FakeClient
from tests.redistrib.fakes import NO_CA, file_request, log, refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from distd.lane.backend import FileRequest
    from redistrib.local_packages import LocalPackages

STATE = State(1, [WantedPackage("17", 1, 100, True), WantedPackage("18", 1, 100, True)], http="o:80", https="o:443")


class Mirror:
    """A mirror of the origin o:80, which has package 17 and not yet 18."""

    def __init__(self, local: LocalPackages, nursery: trio.Nursery) -> None:
        client, neighbours = FakeClient(), Neighbours("https://o:443")
        downloader = Downloader(client, Traffic())
        fetcher = Fetcher(downloader, local.incoming, neighbours.sources, 4, nursery)
        manifests = ManifestFetcher(downloader, neighbours.sources, local.ca)
        (local.data.root / "spool").mkdir()
        self.local = local
        self.statistics = Statistics(local.data.root)
        self.spool = AccessSpool(local.data.root / "spool", log)
        origin = OriginClient(client, Identity("paris", "https://o:443", "key"), NO_CA)
        self.sync = Sync(
            local, manifests, fetcher, Reporter(origin, self.statistics, self.spool, local.versions, log), log
        )
        self.sync.apply(STATE)
        neighbours.learn(STATE)
        redirects = Redirects(neighbours, self.statistics)
        on_demand = self.on_demand = OnDemand(manifests, fetcher, local.incoming, redirects.locate, 20, log)
        port = ControlPort(client, "", lambda: b"", lambda: True, nursery)
        self.backend = MirrorBackend(local, self.sync, on_demand, redirects, self.statistics, self.spool, port)
        local.publish("17", 1)


@pytest.fixture
async def mirror(local: LocalPackages) -> AsyncIterator[Mirror]:
    async with trio.open_nursery() as nursery:
        yield Mirror(local, nursery)
        nursery.cancel_scope.cancel()


async def test_what_is_not_here_yet_is_waited_for(mirror: Mirror) -> None:
    assert mirror.backend.find(file_request("18-1"), refuse) is None
    assert mirror.statistics.counts.misses == 1


async def test_infos_and_manifests_are_at_the_origin(mirror: Mirror) -> None:
    for name in ("info", "manifest"):
        located = mirror.backend.find(file_request(f"18-{name}"), refuse)
        assert located == Located(location=f"http://o:80/download/18/{name}")
    assert (mirror.statistics.counts.misses, mirror.statistics.counts.redirected) == (0, 2)


@pytest.mark.parametrize(
    ("path", "address", "refused"),
    [
        (b"/api/v1/mirror/join", "10.0.0.7", True),
        (b"/api/v1/mirror/join", "127.0.0.1", False),
        (b"/healthz", "10.0.0.7", False),
        (b"/metrics", "10.0.0.7", False),
    ],
)
async def test_by_plain_http_nothing_is_forwarded(mirror: Mirror, path: bytes, address: str, refused: bool) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    request = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" % path
    with ours:
        mirror.backend.hand_over(PlainStream(theirs, request, 60.0, address), path)
        await trio.testing.wait_all_tasks_blocked()
        assert (b" 403 " in ours.recv(65536)) is refused


async def test_the_token_goes_along(mirror: Mirror) -> None:
    located = mirror.backend.find(file_request("18-info", token="a-b"), refuse)
    assert located == Located(location="http://o:80/download/~a-b/18/info")


async def test_what_is_not_wanted_is_not_found(mirror: Mirror) -> None:
    assert mirror.backend.find(file_request("19-1"), refuse) == Located(status=404)
    assert mirror.statistics.counts.misses == 0


async def test_bad_files_are_not_served_until_they_are_good(mirror: Mirror) -> None:
    assert not mirror.backend.may_be_redirected("17")
    mirror.local.mark_bad("17", "17-2")
    assert mirror.backend.may_be_redirected("17")
    assert mirror.backend.find(file_request("17-2"), refuse) == Located(location="http://o:80/download/17/17-2")
    assert mirror.statistics.counts.misses == 1
    assert mirror.backend.find(file_request("17-1"), refuse) is LOCAL
    mirror.local.mark_good("17", "17-2")
    assert not mirror.backend.may_be_redirected("17")


async def test_a_pulled_fragment_is_a_miss_and_no_hit(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[Callable[[Located], None]] = []

    def submit(wanted: FileRequest, version: int, answer: Callable[[Located], None]) -> None:
        settled.append(answer)

    monkeypatch.setattr(mirror.on_demand, "submit", submit)
    answers: list[Located] = []
    for name in ("18-1", "18-1", "18-2"):
        assert mirror.backend.find(file_request(name), answers.append) is None
    for settle, located in zip(settled, (LOCAL, LOCAL, Located(location="http://o/")), strict=True):
        settle(located)
    assert answers == [LOCAL, LOCAL, Located(location="http://o/")]
    counts = mirror.statistics.counts
    for _ in range(2):
        mirror.backend.fetched(0, "18", 1, 100, "10.0.0.1")
    assert (counts.fragments_sent, counts.hits, counts.misses) == (2, 0, 3)
    mirror.backend.fetched(0, "18", 1, 100, "10.0.0.1")  # by now it is here
    mirror.backend.fetched(0, "18", 2, 100, "10.0.0.1")  # that one was sent elsewhere: this is another request
    assert (counts.fragments_sent, counts.hits, counts.misses) == (4, 2, 3)


async def test_what_is_sent_is_counted_and_told(mirror: Mirror) -> None:
    number = mirror.backend.computer_of("zz-0123")
    assert number == 35 * 36 + 35
    mirror.backend.fetched(number, "17", 3, 500, "10.0.0.1")
    mirror.backend.fetched(0, "17", 4, 200, "10.0.0.2")
    mirror.spool.flush()
    (batch,) = mirror.spool.batches()
    assert mirror.spool.read(batch)["access"] == [
        ["zz-0123", "10.0.0.1", "17", "3", 500],
        ["", "10.0.0.2", "17", "4", 200],
    ]
    counts = mirror.statistics.counts
    assert (counts.fragments_sent, counts.hits, counts.sent_bytes) == (2, 2, 700)
    assert mirror.statistics.status(0).agents == 2


async def test_a_newer_token_of_the_same_computer(mirror: Mirror) -> None:
    mirror.backend.computer_of("1-old")
    mirror.backend.computer_of("1-new")
    mirror.backend.fetched(1, "17", 3, 500, "10.0.0.1")
    mirror.spool.flush()
    assert mirror.spool.read(mirror.spool.batches()[0])["access"][0][0] == "1-new"


async def test_posts_are_refused(mirror: Mirror) -> None:
    answers: list[int] = []
    mirror.backend.post(Post(b"", "10.0.0.1", ""), lambda status, content, fields=b"": answers.append(status))
    assert answers == [404]
