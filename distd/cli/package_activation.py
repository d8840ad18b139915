"""`distd package activate`, `deactivate`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from distd.cli.actor import unix_actor
from distd.cli.options import data_option
from distd.cli.package_options import package_argument
from distd.cli.package_text import describe_planned
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import Via
from distd.domain.units import parse_moment
from distd.origin.installation import open_installation
from distd.origin.packages import overview, packages, planned_activations
from distd.origin.packages.planned_activations import Conditions
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from pathlib import Path


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
@data_option
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
def activate(package_id: str, root: Path, options: ActivateOptions, as_json: bool) -> None:
    """Notify agents of a package that is assigned to them, from now on or from a later time.

    They fetch it from this server, or from the given servers. Mirrors fetch a package as soon as it is built: with
    --when-ready or --at they have it before agents ask for it.
    """
    if options.ready_percent is None and options.at is None:
        _activate_now(package_id, root, options, as_json=as_json)
    else:
        _activate_later(package_id, root, options, as_json=as_json)


def _activate_now(package_id: str, root: Path, options: ActivateOptions, *, as_json: bool) -> None:
    if options.latest is not None or options.sites:
        raise BadInput("--latest" if options.latest else "--site", "--when-ready or --at beside it", "neither")
    info_server, fragment_server = options.info_server, options.fragment_server
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        actor, now_s = unix_actor(), time.time()
        planned_activations.cancel(conn, actor, package_id, now_s)
        found = packages.activate(conn, actor, package_id, info_server, fragment_server, now_s, options.via or "")
        is_assigned = any(overview.show(conn, package_id).counters.values())
    where = f"info {info_server}, fragments {fragment_server}" if info_server else "from this server"
    _print(found, f"Package {package_id} is active: {where}.", as_json=as_json)
    if not (as_json or is_assigned):
        click.echo(f"Next: distd assign {package_id} --computer DEVICEID --data {root}")


def _activate_later(package_id: str, root: Path, options: ActivateOptions, *, as_json: bool) -> None:
    now_s = time.time()
    other_server = options.info_server or options.fragment_server
    if other_server:
        raise BadInput("--info-server", "no server beside --when-ready and --at", other_server)
    now = datetime.fromtimestamp(now_s)  # noqa: DTZ006 - "fri 18:00" is local
    conditions = Conditions(
        ready_percent=options.ready_percent or 0,
        not_before_s=now_s if options.at is None else parse_moment(options.at, "--at", now),
        latest_s=None if options.latest is None else parse_moment(options.latest, "--latest", now),
        sites=options.sites,
    )
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        via = Via(options.via) if options.via else None
        before = planned_activations.planned_of(conn, package_id)
        waiting = planned_activations.plan(conn, unix_actor(), package_id, via, conditions, now_s)
    text = f"`distd serve` activates package {package_id} {describe_planned(waiting, now_s)}"
    instead = f"; until now: {describe_planned(before, now_s)}" if before else ""
    _print(waiting, f"{text}{instead}.", as_json=as_json)


def _print(found: object, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(text)


@command(epilog=example("distd package deactivate 1700000001 --data /srv/distd"))
@package_argument
@data_option
def deactivate(package_id: str, root: Path) -> None:
    """Notify no more agents of a package. Those that have been notified go on until they have a result."""
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        packages.deactivate(conn, unix_actor(), package_id, time.time())
    click.echo(f"Package {package_id} is no longer active.")
