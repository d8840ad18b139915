"""`distd package activate`, `deactivate`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from distd.cli.package_options import package_argument
from distd.cli.package_text import describe_planned
from distd.cli.site import site_option
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import Via
from distd.domain.units import parse_moment
from distd.operations import packages as operations
from distd.operations.packages import Activation
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.packages.overview import ListedPackage


@dataclass(frozen=True, slots=True)
class ActivateOptions:
    """The options of `distd package activate`; None: not given."""

    info_server: str | None
    fragment_server: str | None
    via: str | None
    ready_percent: int | None
    sites: tuple[str, ...]
    at: str | None
    latest: str | None


@command(epilog=example("distd package activate 1700000001 --data /srv/distd"))
@package_argument
@site_option
@option("--info-server", metavar="HOST[:PORT]/PATH", help="The server of the info (HTTPS), beside --fragment-server.")
@option("--fragment-server", metavar="HOST[:PORT]/PATH", help="That of the fragments (HTTP). Neither: this one.")
@option(
    "--via",
    type=one_of(Via),
    help="How agents are directed to mirrors, instead of the setting mirrors.via.",
)
@option(
    "--when-ready",
    "ready_percent",
    field="when_ready_percent",
    metavar="PERCENT",
    type=click.IntRange(1, 100),
    help="Wait until this percentage of the mirrors has verified it.",
)
@option("--site", "sites", metavar="NAME", multiple=True, help="Count only this mirror or location. Repeatable.")
@option(
    "--at",
    field="not_before",
    metavar="TIME",
    help='Not before: "18:00", "fri 18:00", "2026-12-01 18:00", "2h" (from now).',
)
@option("--latest", metavar="TIME", help="Activate it then, even if not enough mirrors have it.")
@json_option
@options_record(ActivateOptions)
def activate(package_id: str, site: SiteAccess, options: ActivateOptions, as_json: bool) -> None:
    """Notify agents of a package that is assigned to them, from now on or from a later time.

    They fetch it from this server, or from the given servers. Mirrors fetch a package as soon as it is built: with
    --when-ready or --at they have it before agents ask for it.
    """
    is_later = options.ready_percent is not None or options.at is not None
    if not is_later and (options.latest is not None or options.sites):
        raise BadInput("--latest" if options.latest else "--site", "--when-ready or --at beside it", "neither")
    if is_later and (options.info_server or options.fragment_server):
        other_server = options.info_server or options.fragment_server
        raise BadInput("--info-server", "no server beside --when-ready and --at", other_server)
    for field, moment in (("--at", options.at), ("--latest", options.latest)):
        if moment is not None:  # here, so that errors name the option
            parse_moment(moment, field, datetime.now())  # noqa: DTZ005 - "fri 18:00" is local
    request = Activation(
        info_server=options.info_server,
        fragment_server=options.fragment_server,
        via=Via(options.via) if options.via else None,
        when_ready_percent=options.ready_percent,
        sites=options.sites,
        not_before=options.at,
        latest=options.latest,
    )
    done = site.ask(operations.ACTIVATE, package_id, given=request)
    if done.planned is None:
        _print_active(site, done.package, options, as_json=as_json)
    else:
        now_s, before = time.time(), done.replaces
        text = f"`distd serve` activates package {package_id} {describe_planned(done.planned, now_s)}"
        instead = f"; until now: {describe_planned(before, now_s)}" if before else ""
        _print(done.planned, f"{text}{instead}.", as_json=as_json)


def _print_active(site: SiteAccess, package: ListedPackage, options: ActivateOptions, *, as_json: bool) -> None:
    info_server = options.info_server
    where = f"info {info_server}, fragments {options.fragment_server}" if info_server else "from this server"
    _print(package, f"Package {package.id} is active: {where}.", as_json=as_json)
    if not (as_json or any(package.counters.values())):
        click.echo(f"Next: distd assign {package.id} --computer DEVICEID {site.where}")


def _print(found: object, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(text)


@command(epilog=example("distd package deactivate 1700000001 --data /srv/distd"))
@package_argument
@site_option
def deactivate(package_id: str, site: SiteAccess) -> None:
    """Notify no more agents of a package. Those that have been notified go on until they have a result."""
    site.ask(operations.DEACTIVATE, package_id)
    click.echo(f"Package {package_id} is no longer active.")
