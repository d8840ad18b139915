"""Notices of a server: looked for, sent, tried again with longer and longer pauses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.catalogue.notices_schema import notice_deliveries
from distd.domain.conditions import Condition, ConditionKind
from distd.domain.errors import Unavailable
from distd.domain.settings import settings_of
from distd.origin.notices import conditions, notices
from distd.origin.notices.senders import SECRET_VARIABLE
from distd.server.notices import LOOK_S, SEND_S, NoticeWatch
from tests.programs.notice_receivers import hook_receiver

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd.test")
HALT = Condition(ConditionKind.ROLLOUT_HALTED, "1", "lab", 0.0, {"package_id": "17", "reason": "9 % failed"})
START_S = 1_800_000_000.0


class Watch(NoticeWatch):
    """Sends as `answers` say, without a thread, and notes when; looks without one, too."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.answers: list[str | Exception] = []
        self.sent_at_s: list[float] = []

    async def deliver(self, *_: Any) -> None:
        self.sent_at_s.append(trio.current_time())
        if self.answers and (why := self.answers.pop(0)):
            raise why if isinstance(why, Exception) else Unavailable("https://h/", why)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Condition]:
    """The conditions that are so."""
    seen: list[Condition] = []
    monkeypatch.setattr(conditions, "of_catalogue", lambda _conn, **_: list(seen))
    monkeypatch.setattr(conditions, "of_server", lambda *_: [])

    async def at_once(work: Any, **_: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return work()

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)
    return seen


@pytest.fixture
def watch(data: Any, reader: Any, writer: Any, found: list[Condition]) -> Watch:
    values = {"notices.webhook_url": "https://h/"}
    clock = lambda: START_S + trio.current_time()  # noqa: E731
    return Watch(data, reader, writer, lambda: settings_of(values), LOG, clock)


async def run(watch: NoticeWatch, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await watch.run()


async def test_a_notice_is_tried_again_with_longer_pauses(
    watch: Watch,
    found: list[Condition],
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    found.append(HALT)
    watch.answers = ["answers 500"] * 4
    await run(watch, 1000.0)
    pauses = [round(b - a) for a, b in zip(watch.sent_at_s, watch.sent_at_s[1:], strict=False)]
    assert [pause - pause % 10 for pause in pauses] == [30, 60, 120, 240]
    assert caplog.messages == [
        "notice: ROLLOUT_HALTED lab: it begins",
        "notices are not sent by webhook: https://h/: answers 500; they are tried again",
        "notices are sent by webhook again",
    ]
    assert watch.counts == {ConditionKind.ROLLOUT_HALTED: 1}


async def test_a_fault_of_the_program_is_a_try_that_failed(
    watch: Watch, found: list[Condition], autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    found.append(HALT)
    watch.answers = [ZeroDivisionError("of two")]
    await run(watch, 100.0)
    assert len(watch.sent_at_s) == 2
    (fault,) = [record for record in caplog.records if record.exc_info]
    assert "is not sent by webhook: a fault of the program: ZeroDivisionError: of two" in fault.getMessage()


async def test_after_a_restart_nothing_is_told_twice(
    watch: Watch, found: list[Condition], data: Any, reader: Any, writer: Any, autojump_clock: trio.testing.MockClock
) -> None:
    found.append(HALT)
    await run(watch, 60.0)
    other = Watch(data, reader, writer, watch._settings, LOG, watch._clock)
    await run(other, 60.0)
    found.clear()
    await run(other, 60.0)
    assert (len(watch.sent_at_s), len(other.sent_at_s)) == (1, 1)


async def test_what_is_given_up_is_in_the_log(
    watch: Watch,
    found: list[Condition],
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "MAX_TRIES", 2)
    found.append(HALT)
    watch.answers = ["answers 500"] * 9
    await run(watch, 1000.0)
    assert len(watch.sent_at_s) == 2
    assert caplog.messages[-1].endswith("is given up: webhook: https://h/: answers 500")


async def test_an_outage_of_the_catalogue(
    watch: Watch, found: list[Condition], reader: Any, writer: Any, autojump_clock: trio.testing.MockClock
) -> None:
    found.append(HALT)
    reader.error = Unavailable("catalogue", "it is locked")
    await run(watch, LOOK_S + 1)
    assert (watch.sent_at_s, reader.refused >= 2) == ([], True)
    reader.error = None
    await watch.look()

    async def deliver(*_: Any) -> None:
        writer.error = Unavailable("catalogue", "it is locked")

    watch.deliver = deliver  # type: ignore[method-assign]
    await watch.send_due()
    writer.error = None
    await run(watch, SEND_S + 1)
    assert writer.refused == 1


async def test_a_webhook_for_real(
    origin: TestOrigin, data: Any, reader: Any, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the disk that is low to the server that is told of it."""
    monkeypatch.setenv(SECRET_VARIABLE, "s" * 32)
    with hook_receiver() as receiver:
        values: dict[str, Any] = {
            "notices.webhook_url": f"http://127.0.0.1:{receiver.port}/",
            "notices.disk_mib": 2**31 - 1,
        }
        watch = NoticeWatch(data, reader, writer, lambda: settings_of(values), LOG, lambda: 1_700_000_000.0)
        await watch.look()
        await watch.send_due()
        await watch.send_due()
    ((_, head, body),) = receiver.came
    assert (head["webhook-timestamp"], b'"kind":"DISK_LOW"' in body) == ("1700000000", True)
    assert origin.rows(notice_deliveries)[0]["sent_at_us"] == 1_700_000_000_000_000
