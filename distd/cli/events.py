"""`distd events`: what happened."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from distd.cli.completion import complete_computers, complete_packages
from distd.cli.site import ask_list, site_option
from distd.domain.units import format_time, parse_past
from distd.domain.visible import visible_json
from distd.operations import events as operations
from distd.operations.events import EventQuery
from distd.origin.operators import events as log
from distd.terminal.lists import Column, list_options, print_list, table_lines
from distd.terminal.options import example, options_record
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.operations.events import EventPage
    from distd.operations.operation import Operation
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
@site_option
@list_options
@options_record(EventOptions)
def events(site: SiteAccess, options: EventOptions, listing: ListOptions) -> None:
    """What happened, and who did it: the newest last."""
    # The options are checked here, so that errors name them.
    log.read_kinds(options.kinds, "--kind")
    if options.since is not None:
        parse_past(options.since, "--since", datetime.now())  # noqa: DTZ005 - "fri 18:00" is local
    kinds = tuple(kind.strip().upper().replace("-", "_") for kind in options.kinds) or None
    query = EventQuery(options.package_id, options.device_id, options.actor, kinds, options.since)
    operation = operations.AUDIT if options.by_people else operations.LIST
    page = ask_list(site, operation, listing, query)
    page.items.reverse()
    if options.follow:
        _follow(site, operation, query, page.items, as_json=listing.as_json)
    else:
        print_list(page, COLUMNS, listing, "Nothing of that kind has happened, or is kept.")


def _follow(
    site: SiteAccess, operation: Operation[EventPage], query: EventQuery, found: list[LoggedEvent], *, as_json: bool
) -> None:
    """Print the events `found`, and those that come; each as a line of its own."""
    seq = 0 if found else _newest(site)
    while True:
        for entry in found:
            click.echo(visible_json(json.dumps(asdict(entry), ensure_ascii=False)) if as_json else _line(entry))
            seq = entry.seq
        time.sleep(POLL_S)
        found = site.ask(operation, given=replace(query, after=seq, limit=PAGE)).items


def _newest(site: SiteAccess) -> int:
    found = site.ask(operations.LIST, given=EventQuery(limit=1)).items
    return found[0].seq if found else 0


def _line(entry: LoggedEvent) -> str:
    return table_lines([entry], COLUMNS, None)[1]


def _detail(detail: dict[str, Any]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in detail.items() if value not in (None, "", False))


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
