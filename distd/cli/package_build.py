"""`distd package build`, `supersede`, `import` and `recipes`: how packages are made."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from distd.cli import package_making
from distd.cli.actor import unix_actor
from distd.cli.options import data_option
from distd.cli.package import describe
from distd.cli.package_options import notify_options, package_argument, target_of
from distd.cli.site import site_option
from distd.domain import recipes
from distd.domain.errors import BadInput, Conflict, Corrupt
from distd.domain.package_spec import TARGETS
from distd.domain.records import Action, Digest, OperatingSystem
from distd.domain.units import format_size, parse_duration, parse_size
from distd.operations import packages as operations
from distd.origin.installation import open_installation
from distd.origin.packages import detail, publishing
from distd.origin.packages.orders import FragmentOrder, PackageOrder
from distd.origin.packages.publishing import ForeignPackage
from distd.origin.packages.recovery import reconcile
from distd.origin.packages.versions import Successor
from distd.packaging import ocs_import
from distd.terminal.lists import print_table
from distd.terminal.options import example, json_option, one_of, set_option
from distd.terminal.output import print_json, progress_bar
from distd.terminal.program import argument, command, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.cli.site import SiteAccess
    from distd.origin.installation import Installation
    from distd.origin.packages.detail import PackageDetail
    from distd.origin.packages.orders import NotifyChange

_SIZE_HELP = "Bytes of a fragment, such as 512KiB; with --chunking cdc on average.  [default: 1MiB]"
_DURATION_HELP = "Cut so that an agent's latencies add up to this time, such as 2h."


@command(
    epilog=example(
        "distd package build setup.zip --data /srv/distd --name Editor --os WINDOWS \\\n"
        '      --action LAUNCH --launch "setup.exe /S"'
    )
)
@argument("source", metavar="[FILE|DIR]", required=False, type=click.Path(path_type=Path))
@site_option
@option("--name", required=True, help="Its name.")
@option("--os", "system", field="os", type=one_of(OperatingSystem), help="The system it is for.")
@option(
    "--priority",
    default=5,
    show_default=True,
    help="0: first, and alone; n from 1 to 10: a turn in every n-th cycle, so the lower the sooner.",
)
@option("--action", type=one_of(Action), help="What agents do with it.")
@option("--recipe", type=one_of(recipes.TABLE), help="Instead of --action: see `package recipes`.")
@option("--arguments", default="", help="For --recipe: arguments of the installer or script, or what to install.")
@option("--path", field="target", help="STORE: the folder to copy to.")
@option("--launch", field="target", help="LAUNCH: the file of the package to run, with its arguments.")
@option("--command", field="target", help="EXECUTE: the command line; FILE may be left out.")
@option("--fragment-size", field="fragments.size_bytes", metavar="SIZE", help=_SIZE_HELP)
@option("--fragments", field="fragments.count", metavar="N", type=int, help="Cut into so many instead.")
@option("--duration", field="fragments.duration_s", metavar="TIME", help=_DURATION_HELP)
@option("--chunking", type=click.Choice(["cdc"]), help="Cut by content: a new version shares fragments with it.")
@option(
    "--digest",
    type=click.Choice(list(Digest), case_sensitive=False),
    default=Digest.MD5,
    show_default=True,
    help="What agents check; SHA256 is for Windows agents only, and quicker to build.",
)
@option("--description", default="", help="What it is, for people.")
@option("--protocol", type=one_of(["HTTP"]), expose_value=False, help="HTTP, as OCS's console says; there is no other.")
@notify_options
@set_option
@json_option
def build(source: Path | None, site: SiteAccess, overrides: Mapping[str, str], as_json: bool, **given: Any) -> None:
    """Make a package of a file or folder: archive, fragments, digests, signed manifest.

    A ready zip or tar.gz is taken as it is; anything else becomes a zip (WINDOWS) or a tar.gz, the same input always
    the same bytes. With --server it is uploaded, and made there.
    """
    options = _BuildOptions(**given)
    target = _target(options)
    order = PackageOrder(
        name=options.name,
        os=None if options.system is None else OperatingSystem(options.system),
        action=None if options.action is None else Action(options.action),
        target=target,
        recipe=options.recipe,
        arguments=options.arguments,
        priority=options.priority,
        fragments=_fragment_order(options),
        digest=Digest(options.digest),
        notify=options.notify,
        description=options.description,
    )
    _show(site, package_making.build(site, order, source), as_json=as_json)


@dataclass(frozen=True, slots=True)
class _BuildOptions:
    """The options of `package build` that say what the package is to be."""

    name: str
    system: str | None
    priority: int
    action: str | None
    recipe: str | None
    arguments: str
    path: str | None
    launch: str | None
    command: str | None
    fragment_size: str | None
    fragments: int | None
    duration: str | None
    chunking: str | None
    digest: str
    description: str
    notify: NotifyChange


@command(
    epilog=example("distd package supersede 1700000001 editor-2.msi --data /srv/distd --assignments --name 'Editor 2'")
)
@package_argument
@argument("source", metavar="FILE|DIR", type=click.Path(path_type=Path))
@site_option
@option("--name", help="Its name.  [default: as the old one]")
@option("--assignments", "with_assignments", is_flag=True, help="Assign it to the old one's computers.")
@option("--path", field="target", help="STORE: another folder to copy to.")
@option("--launch", field="target", help="LAUNCH: another file of the package to run, with its arguments.")
@option("--command", field="target", help="EXECUTE: another command line.")
@set_option
@json_option
def supersede(
    package_id: str,
    source: Path,
    site: SiteAccess,
    with_assignments: bool,
    overrides: Mapping[str, str],
    as_json: bool,
    **given: str | None,
) -> None:
    """Make a new package of FILE that takes the place of PACKAGE.

    What is not given it has from the old one: name, system, action, target, priority, notification, fragments,
    activation. The old one is deactivated; agents that were told of it finish it first.
    """
    action = Action(site.ask(operations.STATE, package_id).action)
    targets = {name: given[name] for name in TARGETS.values()}
    successor = Successor(
        source=source,
        name=given["name"],
        target=target_of(action, targets, needed=False),
        with_assignments=with_assignments,
    )
    _show(site, package_making.supersede(site, package_id, successor), as_json=as_json)


@command("import", epilog=example("distd package import /var/lib/ocsinventory-reports/download --data /srv/distd"))
@argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@data_option
@option("--link", is_flag=True, help="Do not copy the fragments: DIR is on the same file system and stays.")
@option("--name", help="Its name; for one package only.  [default: its id and target]")
@option(
    "--os", "system", field="os", type=one_of(OperatingSystem), help="The system it is for.  [default: by its archive]"
)
@set_option
@json_option
def import_(
    folder: Path,
    root: Path,
    link: bool,
    name: str | None,
    system: str | None,
    overrides: Mapping[str, str],
    as_json: bool,
) -> None:
    """Take in packages that an OCS server made: the folder of one, or a download folder with many.

    They keep their ids. Each digest is checked. Those that are here already are left out; exit status 1 says that some
    could not be imported, and stderr says why.
    """
    taken, failed = [], 0
    with open_installation(root, overrides) as site:
        reconcile(site.catalogue, site.data)
        store, actor = site.package_store(), unix_actor()
        found = ocs_import.find(folder)
        if name is not None and len(found) > 1:
            raise BadInput("--name", f"one package, as {folder} holds {len(found)}", name)
        for path in found:
            try:
                with progress_bar(f"Importing {path.name}") as progress:
                    called = name or f"{path.name} {ocs_import.read(path).info.target}"[:255]
                    made_for = OperatingSystem(system) if system else None
                    foreign = ForeignPackage(path, called, made_for, link)
                    package = publishing.import_package(store, actor, foreign, time.time(), progress)
            except (BadInput, Corrupt, Conflict) as error:
                click.echo(f"distd: {path.name} is not imported: {error}", err=True)
                failed += not isinstance(error, Conflict)
                continue
            taken.append(describe(detail_of(site, package.id)))
    if as_json:
        print_json(taken)
    else:
        for row in taken:
            click.echo(f"Package {row['id']}: {row['name']}, {_fragments(row['fragments'])}, for {row['os']}")
    click.get_current_context().exit(1 if failed else 0)


@command("recipes", epilog=example("distd package recipes --json"))
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


def detail_of(site: Installation, package_id: str) -> PackageDetail:
    """A package that was imported."""
    with site.catalogue.read() as conn:
        return detail.show(conn, site.data, package_id)


def _fragment_order(options: _BuildOptions) -> FragmentOrder:
    """How it is to be cut."""
    given = {
        "--fragment-size": options.fragment_size,
        "--fragments": options.fragments,
        "--duration": options.duration,
        "--chunking": options.chunking,
    }
    named = [option for option, value in given.items() if value is not None]
    if len(named) > 1 and named != ["--fragment-size", "--chunking"]:
        raise BadInput(named[1], f"either {' or '.join(named)}", "more than one")
    size, duration = options.fragment_size, options.duration
    return FragmentOrder(
        size_bytes=None if size is None else parse_size(size, "--fragment-size"),
        count=options.fragments,
        duration_s=None if duration is None else parse_duration(duration, "--duration"),
        cdc=options.chunking is not None,
    )


def _target(options: _BuildOptions) -> str:
    """What --path, --launch or --command says; nothing beside --recipe. Raises `BadInput`."""
    targets = {"path": options.path, "launch": options.launch, "command": options.command}
    if options.action is None and options.recipe is None:
        raise BadInput("--action", "either --action or --recipe", "neither")
    if options.recipe is not None:
        if options.action is not None:
            raise BadInput("--action", "either --action or --recipe", "both")
        for name, value in targets.items():
            if value is not None:
                raise BadInput(f"--{name}", "nothing beside --recipe, which knows it", value)
        return ""
    assert options.action is not None
    if options.system is None:
        raise BadInput("--os", f"one of {', '.join(OperatingSystem)}", "nothing")
    if options.arguments:
        raise BadInput("--arguments", "only with --recipe", options.arguments)
    return target_of(Action(options.action), targets) or ""


def _show(site: SiteAccess, package: PackageDetail, *, as_json: bool) -> None:
    described = describe(package)
    for warning in package.warnings:
        click.echo(f"distd: note: {warning}", err=True)
    if as_json:
        print_json(described)
        return
    content = f"{format_size(package.size_bytes)} in {_fragments(package.fragments)}, MD5 {package.md5 or '-'}"
    click.echo(f"Package {package.id}: {content if package.fragments else 'a command, without a file'}")
    if not package.active:
        click.echo(f"Next: distd package activate {package.id} {site.where}")


def _fragments(count: object) -> str:
    return "1 fragment" if count == 1 else f"{count} fragments"
