"""What lines of the log look like."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from distd.terminal import log_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIELDS = {"package": "17", "name": 'A "b"', "count": 3, "text": "two\nlines", "empty": "", "list": [1, 2], "é": "été"}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], tuple[logging.Logger, io.StringIO]]]:
    """Sets the log up; gives a logger and what is written. Afterwards all is as it was."""
    root, tested = logging.getLogger(), logging.getLogger("tested")
    before = root.level, root.handlers[:]

    def set_up(level: str, log_format: str) -> tuple[logging.Logger, io.StringIO]:
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        log_lines.set_up(tested, level, log_format)
        return tested, written

    yield set_up
    root.level, root.handlers[:] = before
    tested.setLevel(logging.NOTSET)


def test_text_has_pairs_behind_it(log: Any) -> None:
    tested, written = log("info", "text")
    tested.info("RESULT", extra={"fields": FIELDS})
    line = written.getvalue()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ INFO tested: RESULT package=17 ", line)
    assert line.endswith(r' name="A \"b\"" count=3 text="two\nlines" empty="" list="[1, 2]" é=été' + "\n")


def test_a_message_is_one_line_and_moves_no_cursor(log: Any) -> None:
    tested, written = log("info", "text")
    tested.warning("%s", "10.0.0.9: a\nb\x1b[2J")
    assert written.getvalue().endswith(r"10.0.0.9: a\nb\x1b[2J" + "\n")


HOSTILE = "a\nb\x1b[2J\x9b31m\u202egpj\u2028c\u2066"


@pytest.mark.parametrize("log_format", log_lines.FORMATS)
def test_nothing_that_is_logged_moves_a_cursor_or_turns_a_text_round(log: Any, log_format: str) -> None:
    tested, written = log("info", log_format)
    tested.info("RESULT", extra={"fields": {"name": HOSTILE, "plain": "x\u202ey"}})
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        tested.exception("%s", HOSTILE)
    text = written.getvalue()
    assert [char for char in text if not char.isprintable() and char != "\n"] == []
    assert text.count(r"\u202e") >= 4
    if log_format == "text":  # no line of the traceback begins as one of the log does
        assert [line for line in text.splitlines() if not line.startswith((" ", "20"))] == []


def test_a_flood_of_warnings_of_one_kind_is_a_few_lines(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tested, written = log("info", "text")
    now_s = [1_700_000_000.0]
    monkeypatch.setattr("logging.time.time", lambda: now_s[0])

    def flood(times: int) -> None:
        for number in range(times):
            tested.warning("refused %d", number)

    flood(1000)
    tested.warning("of another place")
    for _ in range(100):
        tested.info("RESULT")
    lines = written.getvalue().splitlines()
    assert sum("refused" in line for line in lines) == log_lines.MAX_REPEATS
    assert sum("RESULT" in line for line in lines) == 100
    assert any("of another place" in line for line in lines)
    now_s[0] += log_lines.REPEAT_S
    flood(2)
    left_out = 1000 - log_lines.MAX_REPEATS
    last = written.getvalue().splitlines()[-2:]
    assert [line.partition("refused ")[2] for line in last] == [f"0 left_out={left_out}", "1"]


def test_json_is_an_object_a_line(log: Any) -> None:
    tested, written = log("info", "json")
    tested.info("RESULT of %d", 3, extra={"fields": FIELDS})
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        tested.exception("wrong")
    first, second = map(json.loads, written.getvalue().splitlines())
    assert {name: first[name] for name in FIELDS} == FIELDS
    assert (first["message"], first["level"], first["logger"]) == ("RESULT of 3", "info", "tested")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", first["time"])
    assert "ZeroDivisionError" in second["exception"]


@pytest.mark.parametrize(("level", "messages"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(log: Any, level: str, messages: int) -> None:
    tested, written = log(level, "text")
    for name in log_lines.LEVELS:
        tested.log(getattr(logging, name.upper()), "message")
    assert len(written.getvalue().splitlines()) == messages
    logging.getLogger("of.a.library").debug("not this")
    assert "not this" not in written.getvalue()
