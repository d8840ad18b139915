"""`distd filter …`: saved filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from distd.cli.completion import complete_filter
from distd.cli.site import ask_list, site_option
from distd.domain.units import format_time
from distd.operations import filters as operations
from distd.operations.filters import FilterQuery, SaveRequest
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.computers.saved_filters import SavedFilter
    from distd.terminal.lists import ListOptions


@click.group("filter", cls=Group)
def filter_() -> None:
    """Saved filters: `@NAME` is one in the place of a filter."""


name_argument = argument("name", metavar="NAME", hint="see `distd filter list`")
COLUMNS: Final[tuple[Column[SavedFilter], ...]] = (
    Column("Name", lambda row: row.name),
    Column("Filter", lambda row: row.text, rank=1, cut=True),
    Column("Shared", lambda row: "shared" if row.shared else "", rank=2),
    Column("Owner", lambda row: row.owner, rank=3),
    Column("Description", lambda row: row.description, rank=4, cut=True),
)


@filter_.command(epilog=example("distd filter save old 'os ~ \"windows 10*\"' --shared --data /srv/distd"))
@name_argument
@argument("text", field="filter", metavar="FILTER", shell_complete=complete_filter)
@option("--shared", is_flag=True, help="For everybody, not only for who saves it.")
@option("--description", metavar="TEXT", default="", help="What it is for.")
@site_option
@json_option
def save(name: str, text: str, shared: bool, description: str, site: SiteAccess, as_json: bool) -> None:
    """Save a filter; the one of the same name, your own or a shared one, is replaced."""
    saved = site.ask(operations.SAVE, given=SaveRequest(name, text, shared, description))
    if as_json:
        print_json(saved)
        return
    click.echo(f"Filter {saved.name}: {saved.text}")


@filter_.command("list", epilog=example("distd filter list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """The saved filters, your own and shared ones, by name."""
    page = ask_list(site, operations.LIST, listing, FilterQuery())
    print_list(page, COLUMNS, listing, "No saved filters.")


@filter_.command(epilog=example("distd filter show old --data /srv/distd"))
@name_argument
@site_option
@json_option
def show(name: str, site: SiteAccess, as_json: bool) -> None:
    """One saved filter."""
    found = site.ask(operations.SHOW, name)
    if as_json:
        print_json(found)
        return
    print_record(
        (
            ("Name", found.name),
            ("Filter", found.text),
            ("Shared", "shared" if found.shared else ""),
            ("Owner", found.owner),
            ("Description", found.description),
            ("Saved", format_time(found.saved_at_s)),
        )
    )


@filter_.command(epilog=example("distd filter delete old --data /srv/distd"))
@name_argument
@site_option
def delete(name: str, site: SiteAccess) -> None:
    """Delete a saved filter: your own of this name, else the shared one."""
    found = site.ask(operations.DELETE, name)
    click.echo(f"Filter {found.name} is deleted.")
