"""`distd why`: why a package is not deployed yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from distd.cli.completion import complete_computers, complete_packages
from distd.cli.site import site_option
from distd.domain.diagnosis.wording import DIAGNOSIS_LANGUAGES
from distd.domain.errors import BadInput
from distd.operations import diagnoses as operations
from distd.operations.diagnoses import PackageWhyQuery, WhyQuery
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import argument, command, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.cli.site import SiteAccess
    from distd.origin.deployments.diagnoses import ToldCause


@dataclass(frozen=True, slots=True)
class WhyOptions:
    """The options of `distd why`."""

    whole_package: str | None
    language: str


@command(
    epilog=example(
        "distd why pc17-2026-01-31-08-00-00 1700000001 --data /srv/distd\n"
        "  distd why --package 1700000001 --lang fr --data /srv/distd"
    )
)
@argument(
    "device_id",
    metavar="[DEVICEID]",
    default="",
    hint="see `distd computer list`",
    shell_complete=complete_computers,
)
@argument("package_id", field="package", metavar="[PACKAGE]", default="", shell_complete=complete_packages)
@site_option
@option(
    "--package",
    "whole_package",
    metavar="PACKAGE",
    help="All computers of this package, grouped by cause.",
    shell_complete=complete_packages,
)
@option("--lang", "language", type=one_of(DIAGNOSIS_LANGUAGES), default="en", show_default=True, help="The language.")
@json_option
@options_record(WhyOptions)
def why(device_id: str, package_id: str, site: SiteAccess, options: WhyOptions, as_json: bool) -> None:
    """Say why a package is not deployed on a computer, or how far it is: the causes, the most likely first, each with
    what to do.

    Without PACKAGE: of each package that has no result on that computer, or has failed, the first cause.
    """
    whole = options.whole_package
    if bool(device_id) == bool(whole):
        raise BadInput("device_id", "a DEVICEID, or --package", "both" if whole else "neither")
    if whole:
        found = site.ask(operations.OF_PACKAGE, whole, given=PackageWhyQuery(options.language))
        if as_json:
            print_json(found)
            return
        for group in found.groups:
            click.echo(group.sentence + (f": {', '.join(group.examples)}" if group.examples else ""))
        if not found.groups:
            click.echo(f"Package {whole} is assigned to no computer.", err=True)
        return
    told = site.ask(operations.OF_COMPUTER, device_id, given=WhyQuery(package_id or None, options.language))
    if as_json:
        print_json(told)
        return
    _print(told.causes, with_package=not package_id)


def _print(told: Sequence[ToldCause], *, with_package: bool) -> None:
    for cause in told:
        name = f"{cause.package_id}: " if with_package and cause.package_id else ""
        click.echo(f"{name}{cause.sentence}")
        if cause.advice:
            click.echo(f"  {cause.advice}")
