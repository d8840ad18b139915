"""What is known of an outage: one tries, others are refused; who is told."""

from __future__ import annotations

import logging

import pytest

from distd.catalogue.outage import RETRY_S, Outage, log_outages, warn
from distd.domain.errors import Unavailable, Unreachable


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def is_let_through(outage: Outage, *, writes: bool) -> bool:
    try:
        outage.require(writes=writes)
    except Unreachable:
        return False
    return True


def test_one_a_second_is_let_through() -> None:
    clock = Clock()
    outage = Outage(clock)

    def tries() -> list[bool]:
        return [is_let_through(outage, writes=writes) for writes in (False, True, True)]

    assert tries() == [True, True, True]
    outage.failed("gone", reads=False)
    assert tries() == [False, False, False]
    clock.now_s += RETRY_S
    assert tries() == [True, False, False]
    outage.succeeded(wrote=False)
    assert tries() == [True, True, True]


def test_where_only_writing_is_not_possible_readers_go_on_and_do_not_end_it() -> None:
    outage = Outage(Clock())
    outage.failed("read-only", reads=True)
    outage.require(writes=False)
    outage.succeeded(wrote=False)
    with pytest.raises(Unreachable, match="catalogue: read-only"):
        outage.require(writes=True)
    outage.succeeded(wrote=True)
    outage.require(writes=True)


def test_an_outage_has_a_line_at_its_beginning_and_one_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("distd.test")
    caplog.set_level(logging.INFO, "distd.test")
    outage = Outage(Clock())
    outage.failed("gone before", reads=False)
    log_outages(outage, log)
    for why in ("gone", "still gone"):
        outage.failed(why, reads=False)
    outage.succeeded(wrote=True)
    outage.succeeded(wrote=True)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "gone before" in caplog.records[0].message


def test_what_is_not_done_in_an_outage_is_not_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("distd.test")
    warn(log, Unreachable("catalogue", "gone"), "events")
    warn(log, Unavailable("catalogue", "locked"), "events")
    assert [record.message for record in caplog.records] == ["events: catalogue: locked"]
