"""`distd events`: what happened."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from distd.catalogue import event_log
from distd.cli.completion import complete_computers, complete_packages
from distd.cli.options import data_option
from distd.domain.units import format_time, parse_past
from distd.domain.visible import visible_json
from distd.origin.installation import open_installation
from distd.origin.operators import events as log
from distd.origin.operators.events import Wanted
from distd.terminal.lists import Column, list_options, print_list, table_lines
from distd.terminal.options import example, options_record
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from pathlib import Path

    from distd.catalogue.engine import Catalogue
    from distd.origin.operators.events import LoggedEvent
    from distd.terminal.lists import ListOptions

POLL_S: Final = 0.5
PAGE: Final = 1000

COLUMNS: Final[tuple[Column[LoggedEvent], ...]] = (
    Column("Time", lambda entry: format_time(entry.at_s)),
    Column("Event", lambda entry: entry.kind),
    Column("Package", lambda entry: entry.package_id, rank=1),
    Column("Computer", lambda entry: entry.computer_name or entry.device_id, rank=2, cut=True),
    Column("By", lambda entry: entry.actor, rank=3, cut=True),
    Column("Detail", lambda entry: _detail(entry.detail), rank=4, cut=True),
)


@dataclass(frozen=True, slots=True)
class EventOptions:
    """The options of `distd events`; None or nothing: not given."""

    package_id: str | None
    device_id: str | None
    actor: str | None
    kinds: tuple[str, ...]
    since: str | None
    by_people: bool
    follow: bool


@command(epilog=example("distd events --package 1700000001 --since 1d --data /srv/distd"))
@option(
    "--package", "package_id", metavar="PACKAGE", shell_complete=complete_packages, help="Only those of this package."
)
@option(
    "--computer",
    "device_id",
    metavar="DEVICEID",
    shell_complete=complete_computers,
    help="Only those of this computer.",
)
@option("--actor", metavar="WHO", help='Only what this one did: "operator:admin", "admin", "cli", "agent", …')
@option("--kind", "kinds", metavar="KIND", multiple=True, help="Only this kind, such as RESULT. Repeatable.")
@option("--since", metavar="TIME", help='Only from then on: "1d" (ago), "fri 18:00", "2026-11-27 18:00".')
@option("--audit", "by_people", is_flag=True, help="Only what people did: the audit trail.")
@option("--follow", is_flag=True, help="Go on printing what happens, until it is interrupted.")
@data_option
@list_options
@options_record(EventOptions)
def events(root: Path, options: EventOptions, listing: ListOptions) -> None:
    """What happened, and who did it: the newest last."""
    now = datetime.now()  # noqa: DTZ005 - "fri 18:00" is local
    since_s = None if options.since is None else parse_past(options.since, "--since", now)
    kinds = log.read_kinds(options.kinds, "--kind")
    wanted = Wanted(options.package_id, options.device_id, options.actor, kinds, since_s, options.by_people)
    with open_installation(root) as installation:
        catalogue = installation.catalogue
        with catalogue.read() as conn:
            page = log.newest(conn, wanted, listing.window)
        page.items.reverse()
        if options.follow:
            _follow(catalogue, wanted, page.items, as_json=listing.as_json)
        else:
            print_list(page, COLUMNS, listing, "Nothing of that kind has happened, or is kept.")


def _follow(catalogue: Catalogue, wanted: Wanted, found: list[LoggedEvent], *, as_json: bool) -> None:
    """Print the events `found`, and those that come; each as a line of its own."""
    seq = 0 if found else _newest(catalogue)
    while True:
        for entry in found:
            click.echo(visible_json(json.dumps(asdict(entry), ensure_ascii=False)) if as_json else _line(entry))
            seq = entry.seq
        time.sleep(POLL_S)
        with catalogue.read() as conn:
            found = log.following(conn, wanted, seq, PAGE)


def _newest(catalogue: Catalogue) -> int:
    with catalogue.read() as conn:
        return event_log.newest(conn)


def _line(entry: LoggedEvent) -> str:
    return table_lines([entry], COLUMNS, None)[1]


def _detail(detail: dict[str, Any]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in detail.items() if value not in (None, "", False))


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
