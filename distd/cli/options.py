"""Options that most commands have."""

from __future__ import annotations

from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

data_option = click.option(
    "--data",
    "root",
    metavar="DIR",
    required=True,
    envvar="DISTD_DATA",
    type=click.Path(path_type=Path),
    help="The data directory (or the variable DISTD_DATA).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
set_option = click.option(
    "--set",
    "overrides",
    metavar="SECTION.NAME=VALUE",
    multiple=True,
    help="A setting for this run, such as download.frag_latency_s=1. Repeatable.",
)


def options_record(record: type[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator below the options: the command gets those that are fields of `record` as one argument, `options`."""
    names = [field.name for field in fields(record)]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_record(**values: Any) -> Any:
            options = record(**{name: values.pop(name) for name in names})
            return command(options=options, **values)

        return with_record

    return decorate


def example(text: str) -> str:
    """The epilog of a command's help."""
    return f"\b\nExample:\n  {text}"
