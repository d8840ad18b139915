"""What a mirror tells its origin, and keeps until it can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.wire import packing
from redistrib.access_spool import AccessSpool
from redistrib.mirror_dir import Identity, create_mirror
from redistrib.origin_client import OriginClient
from redistrib.reporter import BUSY_REPORT_S, FLUSH_S, IDLE_REPORT_S, Reporter
from redistrib.status import MirrorState, Statistics
from tests.fixtures.client import FakeClient, Reply
from tests.redistrib.fakes import NO_CA, log

if TYPE_CHECKING:
    from pathlib import Path

    from redistrib.mirror_dir import MirrorDir
    from tests.fixtures.client import Request

IDENTITY = Identity("paris", "https://origin", "key")


class Reporting:
    """A mirror that has package 17, and an origin that takes reports, unless it is `away` or `refuses`."""

    def __init__(self, mirror: MirrorDir) -> None:
        self.client = FakeClient()
        self.client.handlers["https://origin/api/v1/mirror/report"] = self._answer
        self.messages: list[dict[str, Any]] = []
        self.away = False
        self.refuses = False
        self.connected = True
        self.missing_bytes = 300
        self.versions = {"17": 1}
        self.spool = AccessSpool(mirror.spool, log)
        self.statistics = Statistics(mirror.root)
        self.reporter = Reporter(
            OriginClient(self.client, IDENTITY, NO_CA), self.statistics, self.spool, self.versions, log
        )

    def _answer(self, request: Request) -> Reply:
        if self.away:
            raise Unavailable(request.url, "away")
        if self.refuses:
            return Reply(400, [b"no"])
        assert request.method == "POST"
        assert request.headers == {"Authorization": "Bearer key", "Content-Type": "application/msgpack"}
        self.messages.append(packing.unpack(request.body, dict[str, Any], "report"))
        return Reply(200)

    async def run(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self.reporter.run(lambda: MirrorState(self.connected, 1, 1, self.missing_bytes, seq=5))


@pytest.fixture
def mirror(tmp_path: Path) -> MirrorDir:
    return create_mirror(tmp_path / "mirror")


async def test_nothing_is_lost_while_the_origin_is_away(
    mirror: MirrorDir, autojump_clock: trio.testing.MockClock
) -> None:
    reporting = Reporting(mirror)
    reporting.away = True
    reporting.spool.add("1-aa", "10.0.0.1", "17", 1, 100)
    reporting.spool.add("1-aa", "10.0.0.1", "17", 2, 50)
    await reporting.run(12)
    reporting.spool.add("", "10.0.0.2", "17", 3, 7)
    reporting.reporter.ready("18", 1)
    reporting.reporter.gone("16")
    await reporting.run(12)
    assert len(list(mirror.spool.iterdir())) == 2
    # A new process finds what the one before could not tell.
    reporting = Reporting(mirror)
    await reporting.run(12)
    assert list(mirror.spool.iterdir()) == []
    told = [row for message in reporting.messages for row in message.get("access", [])]
    assert told == [["1-aa", "10.0.0.1", "17", "1-2", 150], ["", "10.0.0.2", "17", "3", 7]]
    assert reporting.messages[0]["have"] == [["17", 1]]
    assert all(message["now_s"] >= message["at_s"] for message in reporting.messages if "access" in message)
    assert len({message["batch"] for message in reporting.messages}) == 2


async def test_after_all_was_told_only_news_are(mirror: MirrorDir, autojump_clock: trio.testing.MockClock) -> None:
    reporting = Reporting(mirror)
    await reporting.run(6)
    reporting.reporter.ready("18", 2)
    reporting.reporter.gone("17")
    await reporting.run(6)
    reporting.reporter.fault("18", "18-1", healed=True)
    reporting.reporter.fault("18", "18-2", healed=False)
    await reporting.run(6)
    first, second, third = reporting.messages
    assert (first["have"], first["seq"], first["status"]["missing_bytes"]) == ([["17", 1]], 5, 300)
    assert (second["ready"], second["gone"], second["faults"]) == ([["18", 2]], ["17"], [])
    assert (third["ready"], third["faults"]) == ([], [["18", "18-1", True], ["18", "18-2", False]])
    assert (reporting.statistics.counts.healed, reporting.statistics.counts.bad) == (1, 1)


async def test_news_are_told_at_once(mirror: MirrorDir, autojump_clock: trio.testing.MockClock) -> None:
    reporting = Reporting(mirror)
    reporter = reporting.reporter
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reporting.run, 30)
        await trio.sleep(FLUSH_S + 1)
        assert len(reporting.messages) == 1
        reporter.ready("18", 1)
        await trio.sleep(0.01)
        reporter.gone("17")
        await trio.sleep(0.01)
        reporter.fault("18", "18-1", healed=True)
        await trio.sleep(0.01)
        told = [(message["ready"], message["gone"], message["faults"]) for message in reporting.messages[1:]]
        assert told == [([["18", 1]], [], []), ([], ["17"], []), ([], [], [["18", "18-1", True]])]
        nursery.cancel_scope.cancel()


async def test_all_is_told_again_when_it_could_not_be_told(
    mirror: MirrorDir, autojump_clock: trio.testing.MockClock
) -> None:
    reporting = Reporting(mirror)
    reporting.away = True
    await reporting.run(2 * FLUSH_S + 1)
    reporting.away = False
    await reporting.run(2 * FLUSH_S + 1)
    assert [message.get("have") for message in reporting.messages] == [[["17", 1]]]


@pytest.mark.parametrize("fault", ["away", "refuses"])
async def test_news_that_could_not_be_told_are_told_in_order(
    mirror: MirrorDir, fault: str, autojump_clock: trio.testing.MockClock
) -> None:
    reporting = Reporting(mirror)
    await reporting.run(6)
    setattr(reporting, fault, True)
    reporting.reporter.ready("18", 1)
    reporting.reporter.fault("18", "18-1", healed=False)
    await reporting.run(6)
    reporting.reporter.gone("18")
    reporting.reporter.ready("19", 1)
    await reporting.run(6)
    setattr(reporting, fault, False)
    await reporting.run(6)
    assert len(reporting.messages) == 2
    assert reporting.messages[1]["ready"] == [["18", 1], ["19", 1]]
    assert reporting.messages[1]["gone"] == ["18"]
    assert reporting.messages[1]["faults"] == [["18", "18-1", False]]


async def test_news_that_come_during_a_report_are_told_afterwards(
    mirror: MirrorDir, autojump_clock: trio.testing.MockClock
) -> None:
    reporting = Reporting(mirror)
    take = reporting._answer

    def answer(request: Request) -> Reply:
        if not reporting.messages:
            reporting.reporter.ready("18", 1)
            reporting.reporter.report_all()
        return take(request)

    reporting.client.handlers["https://origin"] = reporting.client.handlers[
        f"{IDENTITY.origin}/api/v1/mirror/report"
    ] = answer
    await reporting.run(2 * FLUSH_S + 1)
    assert [sorted(message) for message in reporting.messages] == 2 * [["faults", "have", "seq", "status"]]


async def test_an_origin_that_says_everything_hears_everything(
    mirror: MirrorDir, autojump_clock: trio.testing.MockClock
) -> None:
    reporting = Reporting(mirror)
    await reporting.run(6)
    reporting.versions["18"] = 3
    reporting.reporter.report_all()
    await reporting.run(6)
    assert reporting.messages[1]["have"] == [["17", 1], ["18", 3]]


async def test_without_news_the_origin_is_told_once_a_minute(
    mirror: MirrorDir, autojump_clock: trio.testing.MockClock
) -> None:
    reporting = Reporting(mirror)
    reporting.missing_bytes = 0
    await reporting.run(10 * IDLE_REPORT_S)
    assert len(reporting.messages) in (9, 10)


async def test_while_packages_are_missing_it_is_told_more_often(
    mirror: MirrorDir, autojump_clock: trio.testing.MockClock
) -> None:
    reporting = Reporting(mirror)
    await reporting.run(2 * IDLE_REPORT_S)
    assert (
        2 * IDLE_REPORT_S / (BUSY_REPORT_S + FLUSH_S) - 1
        <= len(reporting.messages)
        <= 2 * IDLE_REPORT_S / BUSY_REPORT_S
    )


async def test_nothing_is_told_while_the_mirror_does_not_follow(
    mirror: MirrorDir, autojump_clock: trio.testing.MockClock
) -> None:
    reporting = Reporting(mirror)
    reporting.connected = False
    reporting.spool.add("", "10.0.0.2", "17", 3, 7)
    reporting.reporter.ready("18", 1)
    await reporting.run(60)
    assert (reporting.messages, len(reporting.spool.batches())) == ([], 1)


async def test_a_batch_that_cannot_be_read_does_not_stop_the_others(
    mirror: MirrorDir, autojump_clock: trio.testing.MockClock
) -> None:
    (mirror.spool / "00000000000000000001").write_bytes(b"cut")
    reporting = Reporting(mirror)
    reporting.spool.add("", "10.0.0.2", "17", 3, 7)
    await reporting.run(12)
    assert list(mirror.spool.iterdir()) == []
    assert [message["access"] for message in reporting.messages if "access" in message] == [
        [["", "10.0.0.2", "17", "3", 7]]
    ]
