"""`distd source …`: sources that are watched for new versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click
from msgspec import UNSET

from distd.cli.package_options import package_argument
from distd.cli.site import ask_list, site_option
from distd.domain.units import format_duration, format_size, format_time, parse_duration
from distd.operations import watched_sources as operations
from distd.operations.watched_sources import NewSourceRequest, SourceEdit, SourceQuery
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.packages.watched_sources import WatchedSource
    from distd.terminal.lists import ListOptions

URL: Final = "https://downloads.example/putty.exe"  # of examples
name_argument = argument("name", field="source", metavar="NAME", hint="see `distd source list`")


def _state(row: WatchedSource) -> str:
    if row.job is not None:
        return f"job {row.job} makes a package"
    if row.failing_since_s is not None:
        return f"fails since {format_time(row.failing_since_s)}: {row.why}"
    return "good" if row.checked_at_s else "not looked at yet"


COLUMNS: Final[tuple[Column[WatchedSource], ...]] = (
    Column("Source", lambda row: row.name),
    Column("Package", lambda row: row.package_id),
    Column("Place", lambda row: row.place, rank=1, cut=True),
    Column("Every", lambda row: format_duration(row.every_s), rank=2),
    Column("Looked at", lambda row: format_time(row.checked_at_s), rank=2),
    Column("New version", lambda row: format_time(row.changed_at_s), rank=2),
    Column("State", _state, cut=True),
)


@click.group("source", cls=Group)
def source() -> None:
    """Sources whose new versions supersede a package: files, folders, URLs."""


@source.command(epilog=example(f"distd source watch putty 1700000001 {URL} --every 6h --data /srv/distd"))
@argument("name", metavar="NAME")
@package_argument
@argument("place", metavar="PLACE")
@option("--every", metavar="DURATION", default="1h", help="Look so often, such as 10min, 6h or 1d.", show_default=True)
@option(
    "--with-assignments/--without-assignments",
    default=True,
    help="The computers that have the package assigned get each new one, or not.",
    show_default=True,
)
@site_option
@json_option
def watch(
    name: str, package_id: str, place: str, every: str, with_assignments: bool, site: SiteAccess, as_json: bool
) -> None:
    """Watch PLACE, an https URL or a path on the server: a new version of it supersedes PACKAGE, which is made of what
    is there now.

    Paths are within the setting sources.folders. A digest of the content decides what is new. A running server looks.
    """
    every_s = parse_duration(every, "--every")
    new = NewSourceRequest(name, package_id, place, every_s, with_assignments)
    made = site.ask(operations.CREATE, given=new)
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made.place} is looked at every {format_duration(made.every_s)}, for {made.package_id}.")


@source.command("list", epilog=example("distd source list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """The sources that are watched, by name."""
    print_list(ask_list(site, operations.LIST, listing, SourceQuery()), COLUMNS, listing, "No sources are watched.")


@source.command(epilog=example("distd source show putty --data /srv/distd"))
@name_argument
@site_option
@json_option
def show(name: str, site: SiteAccess, as_json: bool) -> None:
    """One source: what was found of it, and how it is."""
    found = site.ask(operations.SHOW, name)
    if as_json:
        print_json(found)
        return
    pairs = [(column.title, column.text(found)) for column in COLUMNS]
    size = "" if found.size_bytes is None else format_size(found.size_bytes)
    print_record([*pairs, ("Size", size), ("BLAKE3", found.digest), ("Watched by", found.created_by)])


@dataclass(frozen=True, slots=True)
class SourceEditOptions:
    """What is to be different; None: not given."""

    new_name: str | None
    place: str | None
    every: str | None
    with_assignments: bool | None


@source.command(epilog=example(f"distd source edit putty --place {URL} --every 1d --data /srv/distd"))
@name_argument
@option("--name", "new_name", field="name", metavar="NAME", help="Another name.")
@option("--place", metavar="PLACE", help="Another https URL, or path on the server: other content is a new version.")
@option("--every", metavar="DURATION", help="Look so often, such as 10min, 6h or 1d.")
@option(
    "--with-assignments/--without-assignments",
    default=None,
    help="The computers that have the package assigned get each new one, or not.",
)
@site_option
@json_option
@options_record(SourceEditOptions)
def edit(name: str, site: SiteAccess, options: SourceEditOptions, as_json: bool) -> None:
    """Change a source that is watched. What is not given is not changed."""
    change = SourceEdit(
        UNSET if options.new_name is None else options.new_name,
        UNSET if options.place is None else options.place,
        UNSET if options.every is None else parse_duration(options.every, "--every"),
        UNSET if options.with_assignments is None else options.with_assignments,
    )
    found = site.ask(operations.EDIT, name, given=change)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found.place} is looked at every {format_duration(found.every_s)}, for {found.package_id}.")


@source.command(epilog=example("distd source check putty --data /srv/distd"))
@name_argument
@site_option
@json_option
def check(name: str, site: SiteAccess, as_json: bool) -> None:
    """Look at a source now, not when its time comes."""
    found = site.ask(operations.CHECK, name)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found.place} is looked at in a moment, by a running server.")


@source.command(epilog=example("distd source delete putty --data /srv/distd"))
@name_argument
@site_option
@json_option
def delete(name: str, site: SiteAccess, as_json: bool) -> None:
    """Watch a source no more. Its package stays."""
    gone = site.ask(operations.DELETE, name)
    if as_json:
        print_json(gone)
    else:
        click.echo(f"{gone.place} is not watched any more.")
