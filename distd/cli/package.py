"""`distd package …`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from distd.cli.package_options import notify_options, package_argument, target_of
from distd.cli.package_text import describe_counters, describe_notify, describe_plan, describe_state
from distd.cli.site import ask_list, site_option
from distd.domain.errors import DistdError, NotFound
from distd.domain.records import Action
from distd.domain.units import format_size, format_time
from distd.operations import packages as operations
from distd.operations.packages import PackageQuery
from distd.origin.packages.orders import PackageEdit
from distd.origin.packages.overview import PackageState
from distd.terminal.lists import Column, format_number, list_options, print_list
from distd.terminal.options import example, json_option, options_record, set_option
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.cli.site import SiteAccess
    from distd.origin.packages.detail import PackageDetail
    from distd.origin.packages.orders import NotifyChange
    from distd.origin.packages.overview import ListedPackage
    from distd.terminal.lists import ListOptions


COMMANDS: Final = {
    "activate": "distd.cli.package_activation:activate",
    "build": "distd.cli.package_build:build",
    "deactivate": "distd.cli.package_activation:deactivate",
    "import": "distd.cli.package_build:import_",
    "recipes": "distd.cli.package_build:list_recipes",
    "supersede": "distd.cli.package_build:supersede",
    "verify": "distd.cli.package_verify:verify",
}


NO_PACKAGES: Final = "No packages yet: see `distd package build --help`."


@click.group(cls=Group, places=COMMANDS)
def package() -> None:
    """Build, activate, check, change and delete packages."""


COLUMNS: Final[tuple[Column[ListedPackage], ...]] = (
    Column("Package", lambda row: row.id),
    Column("Name", lambda row: row.name, rank=1, cut=True),
    Column("State", lambda row: row.state.lower(), rank=2),
    Column("Waiting", lambda row: format_number(row.waiting), rank=3, right=True),
    Column("Notified", lambda row: format_number(row.notified + row.downloading), rank=3, right=True),
    Column("Success", lambda row: format_number(row.success), rank=3, right=True),
    Column("Failed", lambda row: format_number(row.failed), rank=3, right=True),
    Column("Archived", lambda row: format_number(row.archived), rank=3, right=True),
    Column("Unproven", lambda row: format_number(row.unproven), rank=3, right=True),
    Column("OS", lambda row: row.os, rank=5),
    Column("Action", lambda row: row.action, rank=8),
    Column("Priority", lambda row: str(row.priority), rank=4, right=True),
    Column("Fragments", lambda row: str(row.fragments), rank=7, right=True),
    Column("Size", lambda row: format_size(row.size_bytes), rank=6, right=True),
    Column("Created", lambda row: format_time(row.created_at_s), rank=9),
    Column("Superseded by", lambda row: row.superseded_by, rank=9),
)


@package.command("list", epilog=example("distd package list --active --data /srv/distd"))
@option("--name", metavar="TEXT", help="Only those that have this in their name; ? and * as in a shell.")
@option("--active/--inactive", default=None, help="Only those that are active, or are not.")
@option("--deleted", is_flag=True, help="Deleted packages.")
@site_option
@list_options
def list_(site: SiteAccess, name: str | None, active: bool | None, deleted: bool, listing: ListOptions) -> None:
    """The packages, newest first, and how many computers are where with each.

    Notified: the agent knows of it, and has no result yet. Deleted packages are listed with --deleted only.
    """
    page = ask_list(site, operations.LIST, listing, PackageQuery(name, active, deleted))
    is_all = not (name or deleted) and active is None
    print_list(page, COLUMNS, listing, NO_PACKAGES if is_all else "No such packages.")


@package.command(epilog=example("distd package show 1700000001 --data /srv/distd"))
@package_argument
@site_option
@json_option
def show(package_id: str, site: SiteAccess, as_json: bool) -> None:
    """One package, with its digests and where it is activated."""
    found = site.ask(operations.SHOW, package_id)
    if found.state == PackageState.DELETED:
        raise NotFound("package", "the id of a package", package_id)
    if found.damage:
        raise Damaged(found.damage)
    described, planned, notify = describe(found), found.planned, found.notify
    if as_json:
        print_json(described | {"notify": notify, "state": found.state, **found.counters, "planned": planned})
        return
    described |= {
        "size": f"{found.size_bytes} bytes ({format_size(found.size_bytes)})",
        "created_at_s": None,
        "created": format_time(found.created_at_s),
        "withdrawn_at_s": None,
        "withdrawn": format_time(found.withdrawn_at_s),
        "state": describe_state(found, planned, time.time()),
        "version": found.version if found.version > 1 else None,
        "plan": None,
        "cut into": describe_plan(found.plan) if found.fragments else None,
        "notification": describe_notify(notify),
        "active": None,
        "info_server": None,
        "fragment_server": None,
        "computers": describe_counters(found),
    }
    print_record(described.items())


@package.command(epilog=example("distd package delete 1700000001 --data /srv/distd"))
@package_argument
@site_option
def delete(package_id: str, site: SiteAccess) -> None:
    """Delete the files of a package. Its name and results are kept."""
    site.ask(operations.DELETE, package_id)
    click.echo(f"Package {package_id} is deleted.")


@package.command(epilog=example("distd package withdraw 1700000001 --data /srv/distd"))
@package_argument
@site_option
@json_option
def withdraw(package_id: str, site: SiteAccess, as_json: bool) -> None:
    """Stop a package that agents are already fetching.

    No more agents are notified of it. The others get empty fragments from now on: they find a wrong digest, delete the
    package and report ERR_BAD_DIGEST, instead of asking for it until their time-out. Its name and results are kept.
    """
    found = site.ask(operations.WITHDRAW, package_id)
    server, described = found.fragment_server, describe(found)
    if as_json:
        print_json(described)
    else:
        click.echo(f"Package {package_id} is withdrawn.")
    if server:
        click.echo(f"distd: note: agents fetch it from {server}: copy the folder {package_id} there too", err=True)


@package.command(epilog=example("distd package recount --data /srv/distd"))
@site_option
@json_option
def recount(site: SiteAccess, as_json: bool) -> None:
    """Count again how many computers are where with each package, and say where the numbers were wrong.

    They are kept with each change, so they never should be. Exit status 1: they were, and are right now.
    """
    wrong = site.ask(operations.RECOUNT).wrong
    if as_json:
        print_json(wrong)
    for each in () if as_json else wrong:
        what = f"{each.state} {each.code}".strip()
        how = "too few" if each.missing > 0 else "too many"
        click.echo(f"{each.package_id}: {abs(each.missing):,} {how} {what}: put right.")
    if not (wrong or as_json):
        click.echo("All numbers are right.")
    click.get_current_context().exit(1 if wrong else 0)


@dataclass(frozen=True, slots=True)
class EditOptions:
    """The options of `distd package edit`; None: not given."""

    name: str | None
    priority: int | None
    path: str | None
    launch: str | None
    command: str | None
    description: str | None
    notify: NotifyChange


@package.command(epilog=example("distd package edit 1700000001 --data /srv/distd --priority 3 --done-text Done"))
@package_argument
@site_option
@option("--name", help="Its name, for people.")
@option(
    "--priority",
    type=click.IntRange(0, 10),
    help="0: first, and alone; n from 1 to 10: a turn in every n-th cycle, so the lower the sooner.",
)
@option("--path", field="target", help="STORE: the folder to copy to.")
@option("--launch", field="target", help="LAUNCH: the file of the package to run, with its arguments.")
@option("--command", field="target", help="EXECUTE: the command line.")
@option("--description", help="What it is, for people.")
@notify_options
@set_option
@json_option
@options_record(EditOptions)
def edit(package_id: str, site: SiteAccess, options: EditOptions, overrides: Mapping[str, str], as_json: bool) -> None:
    """Change the name, description, priority, target or notification of a package. Its files and its id stay the same.

    What is not given is not changed. Agents that have been notified of the package go on with the old values.
    """
    targets = {"path": options.path, "launch": options.launch, "command": options.command}
    action = Action(site.ask(operations.STATE, package_id).action)
    change = PackageEdit(
        name=options.name,
        priority=options.priority,
        target=target_of(action, targets, needed=False),
        notify=options.notify,
        description=options.description,
    )
    found = site.ask(operations.EDIT, package_id, given=change)
    described = describe(found)
    if as_json:
        print_json(described)
    else:
        click.echo(f"Package {package_id} is at version {found.version}.")
    for warning in found.warnings:
        click.echo(f"distd: note: {warning}", err=True)


class Damaged(DistdError):
    """The files of a package cannot be read."""


def describe(package: PackageDetail) -> dict[str, object]:
    """A package with its digests, as `package show --json` prints it."""
    return {
        "id": package.id,
        "name": package.name,
        "os": package.os,
        "action": package.action,
        "target": package.target,
        "priority": package.priority,
        "fragments": package.fragments,
        "size": package.size_bytes,
        "md5": package.md5,
        "sha256": package.sha256,
        "blake3": package.blake3,
        "created_at_s": package.created_at_s,
        "version": package.version,
        "plan": package.plan,
        "recipe": package.recipe,
        "arguments": package.arguments,
        "superseded_by": package.superseded_by,
        "withdrawn_at_s": package.withdrawn_at_s,
        "active": package.active,
        "info_server": package.info_server,
        "fragment_server": package.fragment_server,
        "description": package.description,
    }
