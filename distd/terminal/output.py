"""What commands print: JSON for scripts, records for people, a progress bar on a terminal."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from distd.domain.visible import visible, visible_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def print_json(value: Any) -> None:
    """One JSON document: records become objects, sets become lists."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
    click.echo(visible_json(text))


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return asdict(value)


def print_record(pairs: Iterable[tuple[str, object]]) -> None:
    """The properties of one thing, one in a line; empty ones are left out."""
    shown = [(name, value) for name, value in pairs if value not in ("", None, [], ())]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        click.echo(f"{name:<{width}}  {visible(str(value))}")


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on the terminal with rate and time left; gives a function of (done, total), or None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield show
