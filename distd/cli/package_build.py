"""`distd package build`, `supersede`, `import` and `recipes`: how packages come to be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distd.cli.options import data_option, example, json_option, set_option
from distd.cli.output import print_json, print_table, progress_bar
from distd.cli.package import describe
from distd.cli.package_options import notify_options, package_argument, target_of
from distd.domain import recipes
from distd.domain.errors import BadInput, Conflict, Corrupt
from distd.domain.fragment_plan import ByContent, ByCount, ByDuration, BySize
from distd.domain.records import Action, Digest, Notify, OperatingSystem
from distd.domain.units import format_size, parse_duration, parse_size
from distd.origin.installation import open_installation
from distd.origin.packages import packages, publishing, versions
from distd.origin.packages.publishing import Made
from distd.origin.packages.recovery import reconcile
from distd.packaging import ocs_import
from distd.packaging.order import Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.domain.fragment_plan import Plan
    from distd.domain.records import DownloadConfig
    from distd.origin.installation import Installation
    from distd.origin.packages.packages import Package

_SIZE_HELP = "Bytes of a fragment, such as 512KiB; with --chunking cdc on average.  [default: 1MiB]"
_DURATION_HELP = "Cut so that an agent takes so long by its latencies, such as 2h."


@click.command(
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
@click.option("--fragment-size", metavar="SIZE", help=_SIZE_HELP)
@click.option("--fragments", metavar="N", type=int, help="Cut into so many instead.")
@click.option("--duration", metavar="TIME", help=_DURATION_HELP)
@click.option("--chunking", type=click.Choice(["cdc"]), help="Cut by content: a new version shares fragments with it.")
@click.option(
    "--digest",
    type=click.Choice(list(Digest), case_sensitive=False),
    default=Digest.MD5,
    show_default=True,
    help="What agents check; SHA256 is for Windows agents only, and quicker to build.",
)
@notify_options
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
    duration: str | None,
    chunking: str | None,
    digest: str,
    notify: Callable[[Notify], Notify],
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a package of a file or folder: archive, fragments, digests, signed manifest.

    A ready zip or tar.gz is taken as it is; anything else becomes a zip (WINDOWS) or a tar.gz, the same input always
    the same bytes.
    """
    targets = {"--path": path, "--launch": launch, "--command": command}
    wanted = _wanted(source, system, action, recipe, arguments, targets)
    with open_installation(root, overrides) as site:
        order = Order(
            source=source,
            os=wanted.os,
            priority=priority,
            action=wanted.action,
            target=wanted.target,
            plan=_plan(fragment_size, fragments, duration, chunking, priority, site.settings.download),
            digest=Digest(digest),
            notify=notify(Notify()),
            line_ends=wanted.line_ends,
        )
        made = None if recipe is None else Made(recipe, arguments)
        reconcile(site.catalogue, site.data)
        with progress_bar("Building") as progress:
            built = publishing.publish(site.workshop(), order, name, time.time(), progress, made)
        _tell(site, built, as_json=as_json)


@click.command(
    epilog=example("distd package supersede 1700000001 editor-2.msi --data /srv/distd --assignments --name 'Editor 2'")
)
@package_argument
@click.argument("source", metavar="FILE|DIR", type=click.Path(path_type=Path))
@data_option
@click.option("--name", help="What people call it.  [default: as the old one]")
@click.option("--assignments", "with_assignments", is_flag=True, help="For the old one's computers too.")
@click.option("--path", help="STORE: another folder to copy to.")
@click.option("--launch", help="LAUNCH: another file of the package to run, with its arguments.")
@click.option("--command", help="EXECUTE: another command line.")
@set_option
@json_option
def supersede(
    package_id: str,
    source: Path,
    root: Path,
    name: str | None,
    with_assignments: bool,
    path: str | None,
    launch: str | None,
    command: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a new package of FILE that takes the place of PACKAGE.

    What is not given it has from the old one: name, system, action, target, priority, notification, fragments,
    activation. The old one is deactivated; agents that were told of it finish it first.
    """
    with open_installation(root, overrides) as site:
        reconcile(site.catalogue, site.data)
        with site.catalogue.read() as conn:
            action = Action(packages.show(conn, package_id).action)
        with progress_bar("Building") as progress:
            built = versions.supersede(
                site.workshop(),
                package_id,
                source,
                time.time(),
                progress,
                name=name,
                target=target_of(action, {"--path": path, "--launch": launch, "--command": command}, needed=False),
                with_assignments=with_assignments,
            )
        _tell(site, built, as_json=as_json)


@click.command(
    "import", epilog=example("distd package import /var/lib/ocsinventory-reports/download --data /srv/distd")
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@data_option
@click.option("--link", is_flag=True, help="Do not copy the fragments: DIR is on the same file system and stays.")
@click.option("--name", help="What people call it; for one package only.  [default: what it does]")
@click.option(
    "--os", "system", type=click.Choice(list(OperatingSystem)), help="Whom it is for.  [default: by its archive]"
)
@set_option
@json_option
def import_(
    folder: Path,
    root: Path,
    link: bool,
    name: str | None,
    system: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Take in packages that an OCS server made: the folder of one, or a download folder with many.

    They keep their ids. Each digest is checked. Those that are here already are passed over; exit status 1 says that
    some could not be taken, and why stands on stderr.
    """
    taken, failed = [], 0
    with open_installation(root, overrides) as site:
        reconcile(site.catalogue, site.data)
        shop = site.workshop()
        found = ocs_import.find(folder)
        if name is not None and len(found) > 1:
            raise BadInput("--name", f"one package, as {folder} holds {len(found)}", name)
        for one in found:
            try:
                with progress_bar(f"Importing {one.name}") as progress:
                    its_name = name or f"{one.name} {ocs_import.read(one).info.target}"[:255]
                    its_os = system and OperatingSystem(system)
                    built = publishing.take_in(shop, one, its_name, its_os or None, time.time(), progress, link=link)
            except (BadInput, Corrupt, Conflict) as error:
                click.echo(f"distd: {one.name} is not imported: {error}", err=True)
                failed += not isinstance(error, Conflict)
                continue
            taken.append(describe(site, built))
    if as_json:
        print_json(taken)
    else:
        for row in taken:
            click.echo(f"Package {row['id']}: {row['name']}, {row['fragments']} fragments, for {row['os']}")
    click.get_current_context().exit(1 if failed else 0)


@click.command("recipes", epilog=example("distd package recipes --json"))
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


def _plan(
    fragment_size: str | None,
    count: int | None,
    duration: str | None,
    chunking: str | None,
    priority: int,
    config: DownloadConfig,
) -> Plan:
    given = {"--fragment-size": fragment_size, "--fragments": count, "--duration": duration, "--chunking": chunking}
    named = [option for option, value in given.items() if value is not None]
    if len(named) > 1 and named != ["--fragment-size", "--chunking"]:
        raise BadInput(named[1], f"either {' or '.join(named)}", "more than one")
    if count is not None:
        return ByCount(count)
    if duration is not None:
        return ByDuration(parse_duration(duration, "--duration"), priority, config)
    kind = BySize if chunking is None else ByContent
    return kind() if fragment_size is None else kind(parse_size(fragment_size, "--fragment-size"))


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
    return recipes.Prepared(known, Action(action), target_of(Action(action), given) or "", None)


def _tell(site: Installation, built: Package, *, as_json: bool) -> None:
    described = describe(site, built)
    for warning in built.warnings:
        click.echo(f"distd: note: {warning}", err=True)
    if as_json:
        print_json(described)
        return
    click.echo(
        f"Package {built.id}: {format_size(built.size_bytes)} in {built.fragments} fragments, MD5 {built.md5 or '-'}"
    )
    if not built.active:
        click.echo(f"Next: distd package activate {built.id} --data {site.data.root}")


COMMANDS = (build, supersede, import_, list_recipes)
