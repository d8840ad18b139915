"""Fragments that were sent: counted at once, written every second."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
from sqlalchemy import update

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import Unavailable
from distd.server import progress as module
from distd.server.progress import ProgressRecorder

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def recorder(writer: Any) -> ProgressRecorder:
    return ProgressRecorder(writer, logging.getLogger("distd"))


async def test_it_is_written_every_second(
    recorder: ProgressRecorder, origin: TestOrigin, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    origin.package("17")
    origin.prolog()
    nursery.start_soon(recorder.run)
    recorder.add(1, "17", 1, 100, "10.0.0.9")
    recorder.add(1, "17", 2, 50, "10.0.0.9")
    await trio.sleep(module.FLUSH_S - 0.1)
    assert origin.rows(schema.progress) == []
    await trio.sleep(0.2)
    recorder.add(1, "17", 3, 50, "10.0.0.9")
    await trio.sleep(module.FLUSH_S)
    (row,) = origin.rows(schema.progress)
    assert (row["ranges"], row["sent_bytes"]) == ("1-3", 200)
    assert len(origin.events(Kind.FRAGMENTS_FETCHED)) == 1


async def test_what_has_no_token_is_only_counted(recorder: ProgressRecorder, writer: Any) -> None:
    recorder.add(0, "17", 1, 100, "10.0.0.9")
    writer.error = AssertionError("there is nothing to write")
    await recorder.flush()
    assert (recorder.fragments_sent, recorder.fragment_bytes_sent) == (1, 100)


async def test_beyond_the_limit_it_is_only_counted(
    recorder: ProgressRecorder, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 1)
    origin.package("17")
    origin.prolog("a")
    origin.prolog("b")
    for computer_id in (1, 2, 1):
        recorder.add(computer_id, "17", computer_id, 100, "10.0.0.9")
    await recorder.flush()
    assert [row["computer_id"] for row in origin.rows(schema.progress)] == [1]
    assert recorder.fragments_sent == 3


async def test_what_cannot_be_recorded_ends_no_server(
    recorder: ProgressRecorder,
    origin: TestOrigin,
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin.package("17")
    origin.prolog()
    nursery.start_soon(recorder.run)
    recorder.add(1, "17", 1, 100, "10.0.0.9")
    await trio.sleep(module.FLUSH_S + 0.1)
    origin.write(lambda conn: conn.execute(update(schema.progress).values(ranges="no numbers")))
    recorder.add(1, "17", 3, 50, "10.0.0.9")
    await trio.sleep(module.FLUSH_S)
    assert "progress is not recorded, of downloads: 1: a fault of the program: ValueError" in caplog.text
    origin.write(lambda conn: conn.execute(update(schema.progress).values(ranges="1")))
    recorder.add(1, "17", 2, 50, "10.0.0.9")
    await trio.sleep(module.FLUSH_S)
    assert [row["ranges"] for row in origin.rows(schema.progress)] == ["1-2"]


async def test_a_catalogue_that_is_away_costs_the_progress_only(
    recorder: ProgressRecorder, writer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.add(1, "17", 1, 100, "10.0.0.9")
    writer.error = Unavailable("catalogue", "database is locked")
    await recorder.flush()
    assert "progress is not recorded, of downloads: 1; catalogue: database is locked" in caplog.text
