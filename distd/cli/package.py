"""`distd package …`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from distd.cli.actor import unix_actor
from distd.cli.options import data_option
from distd.cli.package_options import notify_options, package_argument, target_of
from distd.domain.records import Action
from distd.domain.units import format_size, format_time
from distd.origin.installation import open_installation
from distd.origin.packages import packages, publishing, versions
from distd.storage import package_dirs as directories
from distd.storage import pki
from distd.terminal.options import example, json_option, options_record, set_option
from distd.terminal.output import print_json, print_record, print_table
from distd.terminal.program import Group, option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from distd.domain.records import Notify
    from distd.origin.installation import Installation
    from distd.origin.packages.packages import Package


COMMANDS: Final = {
    "activate": "distd.cli.package_activation:activate",
    "build": "distd.cli.package_build:build",
    "deactivate": "distd.cli.package_activation:deactivate",
    "import": "distd.cli.package_build:import_",
    "recipes": "distd.cli.package_build:list_recipes",
    "supersede": "distd.cli.package_build:supersede",
    "verify": "distd.cli.package_verify:verify",
}


@click.group(cls=Group, places=COMMANDS)
def package() -> None:
    """Build, activate, check, change and delete packages."""


@package.command("list", epilog=example("distd package list --data /srv/distd"))
@data_option
@json_option
def list_(root: Path, as_json: bool) -> None:
    """All packages, oldest first."""
    with open_installation(root) as installation, installation.catalogue.read() as conn:
        found = packages.list_packages(conn)
    if as_json:
        print_json(found)
        return
    rows = (
        (p.id, p.name, p.os, p.action, p.priority, p.fragments, format_size(p.size_bytes), _state(p)) for p in found
    )
    columns = ("Package", "Name", "OS", "Action", "Priority", "Fragments", "Size", "State")
    print_table(columns, rows, "No packages yet: see `distd package build --help`.")


def _state(package: Package) -> str:
    if package.withdrawn_at_s is not None:
        return "withdrawn"
    if package.active:
        return "active"
    return f"superseded by {package.superseded_by}" if package.superseded_by else "inactive"


@package.command(epilog=example("distd package show 1700000001 --data /srv/distd"))
@package_argument
@data_option
@json_option
def show(package_id: str, root: Path, as_json: bool) -> None:
    """One package, with its digests and where it is activated."""
    with open_installation(root) as installation:
        with installation.catalogue.read() as conn:
            found = packages.show(conn, package_id)
        described = describe(installation, found)
    if as_json:
        print_json(described)
        return
    where = found.info_server or "this server"
    described |= {
        "size": f"{found.size_bytes} bytes ({format_size(found.size_bytes)})",
        "created_at_s": None,
        "created": format_time(found.created_at_s),
        "active": f"yes, {where}" if found.active else "no",
        "info_server": None,
    }
    print_record(described.items())


@package.command(epilog=example("distd package delete 1700000001 --data /srv/distd"))
@package_argument
@data_option
def delete(package_id: str, root: Path) -> None:
    """Delete the files of a package. Its name and results are kept."""
    with open_installation(root) as installation:
        publishing.delete(installation.package_store(), unix_actor(), package_id, time.time())
    click.echo(f"Package {package_id} is deleted.")


@package.command(epilog=example("distd package withdraw 1700000001 --data /srv/distd"))
@package_argument
@data_option
@json_option
def withdraw(package_id: str, root: Path, as_json: bool) -> None:
    """Stop a package that agents are already fetching.

    No more agents are notified of it. The others get empty fragments from now on: they find a wrong digest, delete the
    package and report ERR_BAD_DIGEST, instead of asking for it until their time-out. Its name and results are kept.
    """
    with open_installation(root) as installation:
        with installation.catalogue.read() as conn:
            server = packages.show(conn, package_id).fragment_server
        versions.withdraw(installation.package_store(), unix_actor(), package_id, time.time())
        with installation.catalogue.read() as conn:
            described = describe(installation, packages.show(conn, package_id))
    if as_json:
        print_json(described)
    else:
        click.echo(f"Package {package_id} is withdrawn.")
    if server:
        click.echo(f"distd: note: agents fetch it from {server}: copy the folder {package_id} there too", err=True)


@dataclass(frozen=True, slots=True)
class EditOptions:
    """The options of `distd package edit`; None: not given. `notify` makes the new notification from the old one."""

    name: str | None
    priority: int | None
    path: str | None
    launch: str | None
    command: str | None
    notify: Callable[[Notify], Notify]


@package.command(epilog=example("distd package edit 1700000001 --data /srv/distd --priority 3 --done-text Done"))
@package_argument
@data_option
@option("--name", help="Its name, for people.")
@option(
    "--priority", type=click.IntRange(0, 10), help="0: first, and alone; n from 1 to 10: a turn in every n-th cycle."
)
@option("--path", field="target", help="STORE: the folder to copy to.")
@option("--launch", field="target", help="LAUNCH: the file of the package to run, with its arguments.")
@option("--command", field="target", help="EXECUTE: the command line.")
@notify_options
@set_option
@json_option
@options_record(EditOptions)
def edit(package_id: str, root: Path, options: EditOptions, overrides: Mapping[str, str], as_json: bool) -> None:
    """Change the name, priority, target or notification of a package. Its files and its id stay the same.

    What is not given is not changed. Agents that have been notified of the package go on with the old values.
    """
    targets = {"path": options.path, "launch": options.launch, "command": options.command}
    with open_installation(root, overrides) as installation:
        with installation.catalogue.read() as conn:
            action = Action(packages.show(conn, package_id).action)
        target = target_of(action, targets, needed=False)
        changes = versions.PackageChanges(options.notify, options.name, options.priority, target)
        found = versions.edit(installation.package_store(), unix_actor(), package_id, changes, time.time())
        described = describe(installation, found)
    if as_json:
        print_json(described)
    else:
        click.echo(f"Package {package_id} is at version {found.version}.")


def describe(installation: Installation, package: Package) -> dict[str, object]:
    """A package with its digests, as `package show --json` prints it."""
    manifest = directories.read_manifest(installation.data, package.id, pki.load_ca(installation.data.ca_certificate))
    return {
        "id": package.id,
        "name": package.name,
        "os": package.os,
        "action": package.action,
        "target": package.target,
        "priority": package.priority,
        "fragments": package.fragments,
        "size": package.size_bytes,
        "md5": manifest.md5.hex(),
        "sha256": manifest.sha256.hex(),
        "blake3": manifest.blake3.hex(),
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
    }
