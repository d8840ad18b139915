"""`distd package …`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distd.cli.common import (
    data_option,
    example,
    json_option,
    moment,
    opened,
    print_json,
    print_record,
    print_table,
    progress_bar,
    set_option,
    size,
)
from distd.core import recipes
from distd.core.errors import BadInput
from distd.core.fragments import parse_size
from distd.core.records import Action, Notify, OperatingSystem
from distd.origin import packages
from distd.store import keys
from distd.store import packages as directories
from distd.store.order import OPTIONS, Order

if TYPE_CHECKING:
    from distd.cli.common import Opened
    from distd.origin.packages import Package

package_argument = click.argument("package_id", metavar="PACKAGE")


@click.group()
def package() -> None:
    """Build, activate, check and delete packages."""


@package.command(
    epilog=example(
        "distd package build setup.zip --data /srv/distd --name Editor --os WINDOWS \\\n"
        '      --action LAUNCH --launch "setup.exe /S"'
    )
)
@click.argument("source", metavar="[FILE|DIR]", required=False, type=click.Path(path_type=Path))
@data_option
@click.option("--name", required=True, help="What people call it.")
@click.option("--os", "system", type=click.Choice(list(OperatingSystem)), help="Whom it is for.")
@click.option(
    "--priority", default=5, show_default=True, help="0 first, alone; 1 to 10 a turn in every so many cycles."
)
@click.option("--action", type=click.Choice(list(Action)), help="What agents do with it.")
@click.option("--recipe", type=click.Choice(list(recipes.TABLE)), help="Instead of --action: see `package recipes`.")
@click.option("--arguments", default="", help="For --recipe: arguments of the installer or script, or what to install.")
@click.option("--path", help="STORE: the folder to copy to.")
@click.option("--launch", help="LAUNCH: the file of the package to run, with its arguments.")
@click.option("--command", help="EXECUTE: the command line; FILE may be left out.")
@click.option("--fragment-size", metavar="SIZE", help="Bytes of a fragment, such as 512KiB.  [default: 1MiB]")
@click.option("--fragments", metavar="N", type=int, help="Cut into so many instead.")
@click.option("--notify-text", default="", help="Windows: tell the user this before it runs.")
@click.option("--notify-countdown", metavar="SECONDS", default=0, type=click.IntRange(0, 86_400), help="…for so long.")
@click.option("--notify-can-abort", is_flag=True, help="The user may refuse.")
@click.option("--notify-can-delay", is_flag=True, help="The user may put it off.")
@click.option("--done-text", default="", help="Windows: tell the user this afterwards.")
@set_option
@json_option
def build(
    source: Path | None,
    root: Path,
    name: str,
    system: str | None,
    priority: int,
    action: str | None,
    recipe: str | None,
    arguments: str,
    path: str | None,
    launch: str | None,
    command: str | None,
    fragment_size: str | None,
    fragments: int | None,
    notify_text: str,
    notify_countdown: int,
    notify_can_abort: bool,
    notify_can_delay: bool,
    done_text: str,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a package of a file or folder: archive, fragments, digests, signed manifest.

    A ready zip or tar.gz is taken as it is; anything else becomes a zip (WINDOWS) or a tar.gz, the same input always
    the same bytes.
    """
    wanted = _wanted(
        source, system, action, recipe, arguments, {"--path": path, "--launch": launch, "--command": command}
    )
    order = Order(
        source=source,
        os=wanted.os,
        priority=priority,
        action=wanted.action,
        target=wanted.target,
        line_ends=wanted.line_ends,
        fragment_bytes=None if fragment_size is None else parse_size(fragment_size, "--fragment-size"),
        fragment_count=fragments,
        notify=Notify(
            user=bool(notify_text),
            text=notify_text,
            countdown_s=notify_countdown,
            can_abort=notify_can_abort,
            can_delay=notify_can_delay,
            done_action=bool(done_text),
            done_action_text=done_text,
        ),
    )
    with opened(root, overrides) as site, progress_bar("Building") as progress:
        packages.reconcile(site.catalogue, site.data)
        built = packages.publish(
            site.catalogue,
            site.data,
            order,
            name,
            keys.load_signer(site.data.keys),
            time.time(),
            progress,
            period_length=site.settings["download.period_length"],
        )
        described = _describe(site, built)
    for warning in built.warnings:
        click.echo(f"distd: note: {warning}", err=True)
    if as_json:
        print_json(described)
    else:
        click.echo(
            f"Package {built.id}: {size(built.size_bytes)} in {built.fragments} fragments, MD5 {built.md5 or '-'}"
        )
        click.echo(f"Next: distd package activate {built.id} --data {root}")


def _wanted(
    source: Path | None,
    system: str | None,
    action: str | None,
    recipe: str | None,
    arguments: str,
    given: dict[str, str | None],
) -> recipes.Prepared:
    """System, action and target: from the recipe, or from the options one by one."""
    known = None if system is None else OperatingSystem(system)
    if action is None and recipe is None:
        raise BadInput("--action", "either --action or --recipe", "neither")
    if recipe is not None:
        if action is not None:
            raise BadInput("--action", "either --action or --recipe", "both")
        for option, value in given.items():
            if value is not None:
                raise BadInput(option, "nothing beside --recipe, which knows it", value)
        return recipes.prepare(recipe, known, None if source is None else source.name, arguments)
    assert action is not None
    if known is None:
        raise BadInput("--os", f"one of {', '.join(OperatingSystem)}", "nothing")
    if arguments:
        raise BadInput("--arguments", "only with --recipe", arguments)
    return recipes.Prepared(known, Action(action), _target(Action(action), given), None)


def _target(action: Action, given: dict[str, str | None]) -> str:
    """The one option that the action needs; another one would be ignored, so it is refused."""
    needed = OPTIONS[action]
    for option, value in given.items():
        if option == needed and value is None:
            raise BadInput(option, f"a value, as --action {action} needs it", "nothing")
        if option != needed and value is not None:
            raise BadInput(option, f"only {needed} with --action {action}", value)
    return given[needed] or ""


def _describe(site: Opened, package: Package) -> dict[str, object]:
    manifest = directories.read_manifest(site.data, package.id, keys.load_ca(site.data.ca_certificate))
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
        "active": package.active,
        "info_server": package.info_server,
        "fragment_server": package.fragment_server,
    }


@package.command("recipes", epilog=example("distd package recipes --json"))
@json_option
def list_recipes(as_json: bool) -> None:
    """What `package build --recipe` knows."""
    columns = ("Recipe", "What it does", "For", "FILE", "--arguments")
    rows = [
        (
            recipe.name,
            recipe.meaning,
            " ".join(recipe.systems),
            " ".join(f"*{suffix}" for suffix in recipe.suffixes) or "none",
            recipe.names_are or "of the installer or script",
        )
        for recipe in recipes.TABLE.values()
    ]
    if as_json:
        print_json([dict(zip(("recipe", "meaning", "os", "file", "arguments"), row, strict=True)) for row in rows])
    else:
        print_table(columns, rows, "")


@package.command("list", epilog=example("distd package list --data /srv/distd"))
@data_option
@json_option
def list_(root: Path, as_json: bool) -> None:
    """All packages, oldest first."""
    with opened(root) as site, site.catalogue.read() as conn:
        found = packages.list_packages(conn)
    if as_json:
        print_json(found)
        return
    rows = (
        (p.id, p.name, p.os, p.action, p.priority, p.fragments, size(p.size_bytes), "yes" if p.active else "no")
        for p in found
    )
    columns = ("Package", "Name", "OS", "Action", "Priority", "Fragments", "Size", "Active")
    print_table(columns, rows, "No packages yet: see `distd package build --help`.")


@package.command(epilog=example("distd package show 1700000001 --data /srv/distd"))
@package_argument
@data_option
@json_option
def show(package_id: str, root: Path, as_json: bool) -> None:
    """One package, with its digests and where it is activated."""
    with opened(root) as site:
        with site.catalogue.read() as conn:
            found = packages.show(conn, package_id)
        described = _describe(site, found)
    if as_json:
        print_json(described)
        return
    where = found.info_server or "this server"
    described |= {
        "size": f"{found.size_bytes} bytes ({size(found.size_bytes)})",
        "created_at_s": None,
        "created": moment(found.created_at_s),
        "active": f"yes, {where}" if found.active else "no",
        "info_server": None,
    }
    print_record(described.items())


@package.command(epilog=example("distd package verify 1700000001 --data /srv/distd"))
@package_argument
@data_option
@json_option
def verify(package_id: str, root: Path, as_json: bool) -> None:
    """Hash a package on the disk again. Exit status 1 when something is wrong, and each fault is named."""
    with opened(root) as site:
        with site.catalogue.read() as conn:
            packages.show(conn, package_id)
        with progress_bar("Verifying") as progress:
            ca = keys.load_ca(site.data.ca_certificate)
            faults = directories.verify(site.data, package_id, ca, progress)
    if as_json:
        rows = [{"what": fault.what, "expected": fault.expected, "got": fault.got} for fault in faults]
        print_json({"id": package_id, "good": not faults, "faults": rows})
    elif not faults:
        click.echo(f"Package {package_id} is whole.")
    for fault in faults:
        click.echo(f"distd: {fault}", err=True)
    click.get_current_context().exit(1 if faults else 0)


@package.command(epilog=example("distd package activate 1700000001 --data /srv/distd"))
@package_argument
@data_option
@click.option("--info-server", metavar="HOST[:PORT]/PATH", help="Where agents fetch info (HTTPS), if not here.")
@click.option("--fragment-server", metavar="HOST[:PORT]/PATH", help="Where agents fetch fragments (HTTP), if not here.")
@json_option
def activate(package_id: str, root: Path, info_server: str | None, fragment_server: str | None, as_json: bool) -> None:
    """Make a package known to the agents that it is assigned to: from this server, or from those given."""
    with opened(root) as site, site.catalogue.write() as conn:
        found = packages.activate(conn, package_id, info_server, fragment_server, time.time())
    if as_json:
        print_json(found)
    else:
        where = f"info {info_server}, fragments {fragment_server}" if info_server else "from this server"
        click.echo(f"Package {package_id} is active: {where}.")


@package.command(epilog=example("distd package deactivate 1700000001 --data /srv/distd"))
@package_argument
@data_option
def deactivate(package_id: str, root: Path) -> None:
    """Tell no more agents of a package. Those that know of it go on to their result."""
    with opened(root) as site, site.catalogue.write() as conn:
        packages.deactivate(conn, package_id, time.time())
    click.echo(f"Package {package_id} is no longer active.")


@package.command(epilog=example("distd package delete 1700000001 --data /srv/distd"))
@package_argument
@data_option
def delete(package_id: str, root: Path) -> None:
    """Delete a package's files. Its name and results stay."""
    with opened(root) as site:
        packages.delete(site.catalogue, site.data, package_id, time.time())
    click.echo(f"Package {package_id} is deleted.")
