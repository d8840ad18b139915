"""Options that many commands have, and how they are collected."""

from __future__ import annotations

from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from distd.domain.errors import BadInput
from distd.terminal.program import option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def _read_overrides(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadInput("--set", "SECTION.NAME=VALUE", text)
        found[name.strip()] = value.strip()
    return found


json_option = option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
set_option = option(
    "--set",
    "overrides",
    metavar="SECTION.NAME=VALUE",
    multiple=True,
    callback=_read_overrides,  # the command gets the values by the names of their settings
    help="A setting for this run, such as download.frag_latency_s=1. Repeatable.",
)


class FolderPath(click.Path):
    """A path that is not empty: else a slip, such as a variable that is not set, would mean the present folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Fails for an empty one."""
        if value == "":
            self.fail("expected a folder, got nothing", param, ctx)
        return super().convert(value, param, ctx)


def one_of(values: Iterable[str]) -> click.Choice[str]:
    """The type of an option that takes one of `values`, in capitals or not."""
    return click.Choice(list(values), case_sensitive=False)


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
