"""`distd group …`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

import click

from distd.cli.completion import complete_filter
from distd.cli.computer_options import computer_option, file_option, read_device_ids
from distd.cli.parameters import apply, dry_run_option, pairs_argument, print_parameters, read_pairs
from distd.cli.site import ask_list, site_option
from distd.domain.errors import BadInput
from distd.domain.parameters import Level
from distd.domain.units import format_count, format_time
from distd.operations import groups as operations
from distd.operations import parameters as parameter_operations
from distd.operations.groups import GroupEdit, GroupQuery, MemberLists, NewGroup
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.operations.groups import GroupChanged
    from distd.origin.groups.groups import ComputerGroup, GroupDetail
    from distd.terminal.lists import ListOptions

SHOWN: Final = 10  # computers that are named
PC: Final = "pc17-2026-01-31-08-00-00"  # of examples
name_argument = argument("name", field="group", metavar="NAME", hint="see `distd group list`")
filter_option = option(
    "--filter",
    "filter_",
    field="filter",
    metavar="FILTER",
    shell_complete=complete_filter,
    help="Its members are all computers that match this, or @NAME, a saved filter.",
)
COLUMNS: Final[tuple[Column[ComputerGroup], ...]] = (
    Column("Group", lambda row: row.name),
    Column("Computers", lambda row: f"{row.members:,}", right=True),
    Column("Members", lambda row: "by hand" if row.filter is None else row.filter, rank=1, cut=True),
    Column("Description", lambda row: row.description, rank=2, cut=True),
    Column("Created by", lambda row: row.created_by, rank=3),
)


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """What a group is made of."""

    filter_: str | None
    device_ids: tuple[str, ...]
    file: TextIO | None
    description: str
    dry_run: bool


@click.group(cls=Group)
def group() -> None:
    """Groups of computers: static ones by hand, dynamic ones by a filter. They get packages and parameters."""


@group.command(epilog=example('distd group create "Class A" --filter \'tag = "room 1"\' --data /srv/distd'))
@argument("name", metavar="NAME")
@filter_option
@computer_option
@file_option
@option("--description", metavar="TEXT", default="", help="What it is for.")
@dry_run_option
@site_option
@json_option
@options_record(GroupOptions)
def create(name: str, site: SiteAccess, options: GroupOptions, as_json: bool) -> None:
    """Create a group: with --filter a dynamic one, whose members follow; else a static one of these computers.

    With both, the computers that are named are members whatever the filter says.
    """
    chosen = (*options.device_ids, *(read_device_ids(options.file) if options.file else ()))
    new = NewGroup(name, options.description, options.filter_, chosen, options.dry_run)
    made = site.ask(operations.CREATE, given=new)
    if as_json:
        print_json(made)
    elif options.dry_run:
        click.echo(f"Group {made.name} would have {format_count(made.members, 'computer')}; nothing is done.")
    else:
        click.echo(f"Group {made.name}: {format_count(made.members, 'computer')}.")


@group.command("list", epilog=example("distd group list --data /srv/distd"))
@option("--name", metavar="TEXT", help="Only those with this in their name.")
@site_option
@list_options
def list_(name: str | None, site: SiteAccess, listing: ListOptions) -> None:
    """The groups, by name."""
    print_list(ask_list(site, operations.LIST, listing, GroupQuery(name)), COLUMNS, listing, "No groups.")


@group.command(epilog=example('distd group show "Class A" --data /srv/distd'))
@name_argument
@site_option
@json_option
def show(name: str, site: SiteAccess, as_json: bool) -> None:
    """One group: its filter, who was chosen by hand, its packages and parameters."""
    found = site.ask(operations.SHOW, name)
    own = site.ask(parameter_operations.SHOW[Level.GROUP], found.group.name)
    values = {key: each for key, each in own.items() if each.origin == f"{Level.GROUP} {found.group.name}"}
    if as_json:
        print_json({**_as_json(found), "parameters": values})
        return
    print_record(_record(found))
    for given in found.packages:
        state = "" if given.active else ", not active now: they get it then"
        click.echo(f"Package {given.package_id} {given.name}, by {given.assigned_by}{state}.")
    if values:
        print_parameters(values)
    click.echo(f"Who is in it: distd computer list 'group(\"{found.group.name}\")' {site.where}", err=True)


@group.command(epilog=example('distd group edit "Class A" --filter \'tag ~ "room *"\' --data /srv/distd'))
@name_argument
@option("--name", "new_name", field="name", metavar="NAME", help="Another name.")
@filter_option
@option("--description", metavar="TEXT", help="What it is for.")
@dry_run_option
@site_option
@json_option
def edit(
    name: str,
    new_name: str | None,
    filter_: str | None,
    description: str | None,
    dry_run: bool,
    site: SiteAccess,
    as_json: bool,
) -> None:
    """Change the name, description or filter of a group. Who leaves loses what its agent was not told of yet."""
    if new_name is None and filter_ is None and description is None:
        raise BadInput("--filter", "--name, --filter or --description", "none of them")
    change = GroupEdit(new_name, description, filter_, dry_run)
    _tell(site.ask(operations.EDIT, name, given=change), dry_run=dry_run, as_json=as_json)


def _by_hand(how: str, text: str) -> None:
    """A command that decides on members by hand."""

    @group.command(how, help=text, epilog=example(f'distd group {how} "Class A" --computer {PC} --data /srv/distd'))
    @name_argument
    @computer_option
    @file_option
    @dry_run_option
    @site_option
    @json_option
    def run(
        name: str, device_ids: tuple[str, ...], file: TextIO | None, dry_run: bool, site: SiteAccess, as_json: bool
    ) -> None:
        lists = MemberLists(**{how: _chosen(device_ids, file)}, dry_run=dry_run)
        _tell(site.ask(operations.SET_MEMBERS, name, given=lists), dry_run=dry_run, as_json=as_json)


_by_hand("add", "Put computers into a group by hand; into a dynamic one whatever its filter says.")
_by_hand("remove", "Take computers out of a group by hand; out of a dynamic one whatever its filter says.")
_by_hand("reset", "Let the filter of a dynamic group decide again on computers that were added or removed by hand.")


@group.command("set", epilog=example("distd group set lab download.frag_latency_s=30 --dry-run --data /srv/distd"))
@name_argument
@pairs_argument
@dry_run_option
@site_option
@json_option
def set_(name: str, pairs: tuple[str, ...], dry_run: bool, site: SiteAccess, as_json: bool) -> None:
    """Set parameters of a group: its members' agents have them after their next contacts. KEY=: as the site has it.

    Of several groups of a computer the longest pause and the shortest of all else hold; off is off.
    """
    apply(site, Level.GROUP, (name,), read_pairs(pairs), dry_run=dry_run, as_json=as_json)


@group.command(epilog=example('distd group delete "Class A" --data /srv/distd'))
@name_argument
@site_option
@json_option
def delete(name: str, site: SiteAccess, as_json: bool) -> None:
    """Delete a group. What it gave its members, and their agents were not told of, is taken back."""
    gone = site.ask(operations.DELETE, name)
    if as_json:
        print_json(gone)
    else:
        click.echo(f"Group {gone.name} is deleted; it had {format_count(gone.members, 'computer')}.")


def _chosen(device_ids: tuple[str, ...], file: TextIO | None) -> tuple[str, ...]:
    found = (*device_ids, *(read_device_ids(file) if file else ()))
    if not found:
        raise BadInput("--computer", "at least one DEVICEID, here or in --computers FILE", "none")
    return found


def _tell(done: GroupChanged, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    verb = "would come" if dry_run else "came"
    left = "would leave" if dry_run else "left"
    counts = f"{format_count(done.joined, 'computer')} {verb}, {done.left:,} {left}"
    click.echo(f"Group {done.group.name}: {counts}; {format_count(done.group.members, 'computer')} in it.")
    if dry_run:
        click.echo("Nothing is done.")


def _record(found: GroupDetail) -> list[tuple[str, str]]:
    each = found.group
    return [
        ("Group", each.name),
        ("Description", each.description),
        ("Computers", f"{each.members:,}"),
        ("Members", "by hand" if each.filter is None else each.filter),
        ("In by hand", _named(found.included)),
        ("Out by hand", _named(found.excluded)),
        ("Asks for", ", ".join(found.asks_for)),
        ("Asked by", ", ".join(found.asked_by)),
        ("Created", f"{format_time(each.created_at_s)} by {each.created_by}"),
    ]


def _as_json(found: GroupDetail) -> dict[str, object]:
    return {
        "group": found.group,
        "included": found.included,
        "excluded": found.excluded,
        "packages": found.packages,
        "asks_for": found.asks_for,
        "asked_by": found.asked_by,
    }


def _named(device_ids: list[str]) -> str:
    more = f" and {len(device_ids) - SHOWN:,} more" if len(device_ids) > SHOWN else ""
    return ", ".join(device_ids[:SHOWN]) + more
