"""`distd recurrence …`: packages that come again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click
from msgspec import UNSET

from distd.cli.completion import complete_filter
from distd.cli.package_options import package_argument
from distd.cli.site import ask_list, site_option
from distd.domain.assignment_terms import read_moment
from distd.domain.errors import BadInput
from distd.domain.recurrence import MAX_DAYS
from distd.domain.units import format_count, format_time
from distd.operations import recurrences as operations
from distd.operations.recurrences import NewRecurrenceRequest, RecurrenceEdit, RecurrenceQuery, RecurrenceTarget
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.deployments.recurrences import Recurrence
    from distd.terminal.lists import ListOptions

id_argument = argument("recurrence_id", field="recurrence", metavar="ID", hint="see `distd recurrence list`")
to_filter_option = option(
    "--filter",
    "filter_",
    field="to.filter",
    metavar="FILTER",
    shell_complete=complete_filter,
    help="For all that match this then, or @NAME, a saved filter as it is now.",
)
to_group_option = option(
    "--group", field="to.group", metavar="NAME", help="For all computers that are in this group then."
)
to_tag_option = option(
    "--tag", field="to.tag", metavar="TEXT", help="For all computers with such a TAG; ? and * as in a shell."
)


def _who(row: Recurrence) -> str:
    return f"{row.who_kind} {row.who}" if row.who_kind else "those that have it"


COLUMNS: Final[tuple[Column[Recurrence], ...]] = (
    Column("Id", lambda row: str(row.id), right=True),
    Column("Package", lambda row: row.package_id),
    Column("Name", lambda row: row.package_name, rank=2, cut=True),
    Column("Every", lambda row: format_count(row.every_days, "day")),
    Column("For", _who, rank=1, cut=True),
    Column("Next", lambda row: format_time(row.next_at_s)),
    Column("Last", lambda row: format_time(row.last_at_s), rank=3),
    Column("Computers", lambda row: f"{row.last_computers:,}" if row.last_at_s else "", rank=3, right=True),
    Column("Not done because", lambda row: row.why, rank=2, cut=True),
    Column("Created by", lambda row: row.created_by, rank=4),
)


@dataclass(frozen=True, slots=True)
class RecurrenceOptions:
    """What comes again, when, to whom."""

    every_days: int
    first_at: str | None
    filter_: str | None
    group: str | None
    tag: str | None
    dry_run: bool


@click.group("recurrence", cls=Group)
def recurrence() -> None:
    """Packages that computers get again every so many days."""


@recurrence.command(
    epilog=example('distd recurrence create 1700000001 --every-days 7 --first-at "sun 02:00" --data /srv/distd')
)
@package_argument
@option(
    "--every-days", metavar="DAYS", required=True, type=click.IntRange(1, MAX_DAYS), help="After so many days again."
)
@option("--first-at", metavar="TIME", help='The first time: "fri 18:00", "2026-12-01 18:00", "2h" (from now).')
@to_filter_option
@to_group_option
@to_tag_option
@option("--dry-run", is_flag=True, help="Make nothing: tell when it would come.")
@site_option
@json_option
@options_record(RecurrenceOptions)
def create(package_id: str, site: SiteAccess, options: RecurrenceOptions, as_json: bool) -> None:
    """Have a package come again every so many days, at the same time of the day.

    Without --filter, --group and --tag it is for those that have it assigned. Who has not done with the one before is
    passed over. Where the package is superseded, its successor comes.
    """
    read_moment(options.first_at, datetime.now(), "--first-at")  # noqa: DTZ005 - local; here, so that errors name the option
    target = RecurrenceTarget(options.filter_, options.group, options.tag)
    new = NewRecurrenceRequest(package_id, options.every_days, target, options.first_at, options.dry_run)
    made = site.ask(operations.CREATE, given=new)
    if as_json:
        print_json(made)
        return
    verb = "would come" if options.dry_run else "comes"
    click.echo(
        f"{made.package_id} {verb} every {format_count(made.every_days, 'day')} to {_who(made)}: first at"
        f" {format_time(made.next_at_s)}{'' if options.dry_run else f' (id {made.id})'}."
    )


@recurrence.command("list", epilog=example("distd recurrence list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """What comes again, and when."""
    print_list(ask_list(site, operations.LIST, listing, RecurrenceQuery()), COLUMNS, listing, "Nothing comes again.")


@dataclass(frozen=True, slots=True)
class RecurrenceEditOptions:
    """What is to be different; None: not given."""

    every_days: int | None
    first_at: str | None
    filter_: str | None
    group: str | None
    tag: str | None
    having: bool


@recurrence.command(epilog=example('distd recurrence edit 1 --every-days 14 --group "Class A" --data /srv/distd'))
@id_argument
@option("--every-days", metavar="DAYS", type=click.IntRange(1, MAX_DAYS), help="After so many days again.")
@option("--first-at", metavar="TIME", help='When it comes next: "fri 18:00", "2026-12-01 18:00", "2h" (from now).')
@to_filter_option
@to_group_option
@to_tag_option
@option("--having", is_flag=True, help="For those that have it assigned then.")
@site_option
@json_option
@options_record(RecurrenceEditOptions)
def edit(recurrence_id: str, site: SiteAccess, options: RecurrenceEditOptions, as_json: bool) -> None:
    """Change when a package comes again, and to whom. What is not given is not changed."""
    target = RecurrenceTarget(options.filter_, options.group, options.tag)
    is_named = target != RecurrenceTarget()
    if options.having and is_named:
        raise BadInput("--having", "one of --having, --filter, --group and --tag", "more than one")
    if options.first_at is not None:
        read_moment(options.first_at, datetime.now(), "--first-at")  # noqa: DTZ005 - local
    change = RecurrenceEdit(
        UNSET if options.every_days is None else options.every_days,
        target if is_named or options.having else UNSET,
        UNSET if options.first_at is None else options.first_at,
    )
    found = site.ask(operations.EDIT, recurrence_id, given=change)
    if as_json:
        print_json(found)
        return
    days = format_count(found.every_days, "day")
    click.echo(f"{found.package_id} comes every {days} to {_who(found)}: next at {format_time(found.next_at_s)}.")


@recurrence.command(epilog=example("distd recurrence delete 1 --data /srv/distd"))
@id_argument
@site_option
@json_option
def delete(recurrence_id: str, site: SiteAccess, as_json: bool) -> None:
    """It does not come again. What is assigned stays."""
    gone = site.ask(operations.DELETE, recurrence_id)
    if as_json:
        print_json(gone)
    else:
        click.echo(f"{gone.package_id} does not come again.")
