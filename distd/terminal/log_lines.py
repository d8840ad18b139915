"""The log of a serving process, on stderr: lines for people with key=value pairs behind them, or JSON.

A record's pairs are in its `extra`: `log.info("RESULT", extra={"fields": {"package": "17", "code": "SUCCESS"}})`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from distd.terminal.options import one_of
from distd.terminal.program import option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORMATS: Final = ("text", "json")
LEVELS: Final = ("debug", "info", "warning", "error")

_PLAIN: Final = re.compile(r"[^\s\"'=\\]+")


class TextFormatter(logging.Formatter):
    """ "2026-12-01 18:00:00,123 4711 INFO distd: RESULT package=17 code=SUCCESS"."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        """The line without what an exception adds."""
        pairs = "".join(f" {name}={_quoted(value)}" for name, value in fields_of(record).items())
        return _one_line(super().formatMessage(record)) + pairs


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
        return json.dumps(shown, ensure_ascii=False, default=str)


def set_up(log: logging.Logger, level: str, log_format: str) -> None:
    """Have this process log to stderr; `log` and those below it from `level` on, others from INFO on."""
    handler = logging.StreamHandler(sys.stderr)
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
    return text if _PLAIN.fullmatch(text) and text.isprintable() else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    """Without characters that a terminal would obey, or that would begin a line."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
