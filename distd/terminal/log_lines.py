"""The log of a serving process, on stderr: lines for people with key=value pairs behind them, or JSON.

A record's pairs are in its `extra`: `log.info("RESULT", extra={"fields": {"package": "17", "code": "SUCCESS"}})`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from distd.domain.lru import Lru
from distd.domain.visible import visible, visible_json
from distd.terminal.options import one_of
from distd.terminal.program import option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORMATS: Final = ("text", "json")
LEVELS: Final = ("debug", "info", "warning", "error")

MAX_REPEATS: Final = 20  # lines of one place in the source
REPEAT_S: Final = 10.0  # in so many seconds
MAX_PLACES: Final = 256

_PLAIN: Final = re.compile(r"[^\s\"'=\\]+")


class TextFormatter(logging.Formatter):
    """ "2026-12-01 18:00:00,123 4711 INFO distd: RESULT package=17 code=SUCCESS"."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        """The line without what an exception adds."""
        pairs = "".join(f" {name}={_quoted(value)}" for name, value in fields_of(record).items())
        return visible(super().formatMessage(record)) + pairs

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the base's name
        """The traceback, indented: no line of it looks like one of the log."""
        return "\n".join(f"  {visible(line)}" for line in super().formatException(ei).split("\n"))


class JsonFormatter(logging.Formatter):
    """An object a line: time (ISO 8601, UTC), process, level, logger, message, the record's fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        shown: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "process": record.process,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            shown["exception"] = self.formatException(record.exc_info)
        return visible_json(json.dumps(shown, ensure_ascii=False, default=str))


class RepeatFilter(logging.Filter):
    """Lets few warnings and errors of a place in the source pass in a time, whatever they say: who floods the server
    does not fill the disk. The next one that passes tells how many did not (`left_out`)."""

    def __init__(self) -> None:
        super().__init__()
        self._periods: Lru[tuple[str, int], _Period] = Lru(MAX_PLACES)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is logged."""
        if record.levelno < logging.WARNING:
            return True
        place = record.pathname, record.lineno
        period = self._periods.get(place)
        if period is None or not 0 <= record.created - period.begun_s < REPEAT_S:
            left_out = period.left_out if period is not None else 0
            period = _Period(record.created)
            self._periods.put(place, period)
            if left_out:
                record.fields = {**fields_of(record), "left_out": left_out}
        period.count += 1
        period.left_out += period.count > MAX_REPEATS
        return period.count <= MAX_REPEATS


@dataclass(slots=True)
class _Period:
    begun_s: float
    count: int = 0
    left_out: int = 0


def set_up(log: logging.Logger, level: str, log_format: str) -> None:
    """Have this process log to stderr; `log` and those below it from `level` on, others from INFO on.

    Warnings and errors that come very often are not all written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RepeatFilter())
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    log.setLevel(level.upper())


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--log-level and --log-format: the command gets them as `log_level` and `log_format`."""
    for decorate in (
        option(
            "--log-format", default="text", show_default=True, type=one_of(FORMATS), help="How lines of the log look."
        ),
        option(
            "--log-level",
            default="info",
            show_default=True,
            type=one_of(LEVELS),
            help="What is logged; debug: each contact of an agent too.",
        ),
    ):
        command = decorate(command)
    return command


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """The pairs of a record."""
    found: Mapping[str, Any] = getattr(record, "fields", {})
    return found


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    is_plain = _PLAIN.fullmatch(text) and text.isprintable()
    return text if is_plain else visible_json(json.dumps(text, ensure_ascii=False))
