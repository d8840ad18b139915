"""`distd set …`: sets of packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from distd.cli.package_options import packages_argument
from distd.cli.site import ask_list, site_option
from distd.domain.errors import BadInput
from distd.domain.units import format_count, format_time
from distd.operations import package_sets as operations
from distd.operations.package_sets import NewSet, SetEdit, SetQuery
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.packages.package_sets import PackageSet
    from distd.terminal.lists import ListOptions

name_argument = argument("name", field="set", metavar="NAME", hint="see `distd set list`")
COLUMNS: Final[tuple[Column[PackageSet], ...]] = (
    Column("Set", lambda row: row.name),
    Column("Packages", lambda row: f"{len(row.packages):,}", right=True),
    Column("Order", lambda row: "each after the one before" if row.chain else "any", rank=1),
    Column("Description", lambda row: row.description, rank=2, cut=True),
    Column("Created by", lambda row: row.created_by, rank=3),
)


@click.group("set", cls=Group)
def set_() -> None:
    """Sets of packages that are assigned together: `distd assign --set`."""


@set_.command(epilog=example("distd set create Office 1700000001 1700000002 --chain --data /srv/distd"))
@argument("name", metavar="NAME")
@packages_argument
@option("--chain", is_flag=True, help="Each package only after a success of the one before.")
@option("--description", metavar="TEXT", default="", help="What it is for.")
@site_option
@json_option
def create(
    name: str, package_ids: tuple[str, ...], chain: bool, description: str, site: SiteAccess, as_json: bool
) -> None:
    """Make a set of these packages. Where one of them is superseded, the set has its successor."""
    _tell(site.ask(operations.CREATE, given=NewSet(name, package_ids, chain, description)), as_json=as_json)


@set_.command("list", epilog=example("distd set list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """The sets, by name."""
    print_list(ask_list(site, operations.LIST, listing, SetQuery()), COLUMNS, listing, "No sets of packages.")


@set_.command(epilog=example("distd set show Office --data /srv/distd"))
@name_argument
@site_option
@json_option
def show(name: str, site: SiteAccess, as_json: bool) -> None:
    """One set and its packages."""
    _tell(site.ask(operations.SHOW, name), as_json=as_json)


@set_.command(epilog=example("distd set edit Office --name Desktop 1700000001 --data /srv/distd"))
@name_argument
@packages_argument
@option("--name", "new_name", field="name", metavar="NAME", help="Another name.")
@option("--chain/--no-chain", default=None, help="Each package only after a success of the one before, or not.")
@option("--description", metavar="TEXT", help="What it is for.")
@site_option
@json_option
def edit(
    name: str,
    package_ids: tuple[str, ...],
    new_name: str | None,
    chain: bool | None,
    description: str | None,
    site: SiteAccess,
    as_json: bool,
) -> None:
    """Change a set; with packages, these are its packages from now on. What was assigned stays as it is."""
    change = SetEdit(new_name, package_ids or None, chain, description)
    if change == SetEdit():
        raise BadInput("--name", "packages, --name, --chain or --description", "none of them")
    _tell(site.ask(operations.EDIT, name, given=change), as_json=as_json)


@set_.command(epilog=example("distd set delete Office --data /srv/distd"))
@name_argument
@site_option
@json_option
def delete(name: str, site: SiteAccess, as_json: bool) -> None:
    """Forget a set. Its packages, and what was assigned, stay."""
    gone = site.ask(operations.DELETE, name)
    if as_json:
        print_json(gone)
    else:
        click.echo(f"Set {gone.name} is deleted; it had {format_count(len(gone.packages), 'package')}.")


def _tell(found: PackageSet, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    pairs = [
        ("Set", found.name),
        ("Description", found.description),
        ("Order", "each after the one before" if found.chain else "any"),
        ("Created", f"{format_time(found.created_at_s)} by {found.created_by}"),
    ]
    print_record(pairs)
    for each in found.packages:
        click.echo(f"Package {each.package_id} {each.name}{'' if each.active else ', not active'}.")
