"""`distd package activate`, `deactivate`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from distd.cli.options import data_option, example, json_option
from distd.cli.output import print_json
from distd.cli.package_options import package_argument
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import Via
from distd.domain.units import format_time
from distd.origin.installation import open_installation
from distd.origin.packages import packages, planned_activations
from distd.origin.packages.planned_activations import Conditions

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from distd.origin.packages.planned_activations import Planned

TIMES: Final = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


@click.command(epilog=example("distd package activate 1700000001 --data /srv/distd"))
@package_argument
@data_option
@click.option("--info-server", metavar="HOST[:PORT]/PATH", help="Where agents fetch info (HTTPS), if not here.")
@click.option("--fragment-server", metavar="HOST[:PORT]/PATH", help="Where agents fetch fragments (HTTP), if not here.")
@click.option("--via", type=click.Choice(list(Via)), help="How agents come to mirrors, if not as mirrors.via says.")
@click.option(
    "--when-ready",
    "ready",
    metavar="PERCENT",
    type=click.IntRange(1, 100),
    help="Wait until so many mirrors have verified it.",
)
@click.option(
    "--site", "sites", metavar="NAME", multiple=True, help="Only these mirrors or locations count; again for more."
)
@click.option("--at", metavar="TIME", type=click.DateTime(TIMES), help="Not before, in local time.")
@click.option("--latest", metavar="TIME", type=click.DateTime(TIMES), help="Then however few mirrors have it.")
@json_option
def activate(
    package_id: str,
    root: Path,
    info_server: str | None,
    fragment_server: str | None,
    via: str | None,
    ready: int | None,
    sites: tuple[str, ...],
    at: datetime | None,
    latest: datetime | None,
    as_json: bool,
) -> None:
    """Make a package known to the agents that it is assigned to: from this server, or from those given.

    Mirrors fetch a package as soon as it is built, so with --at or --when-ready it is there before agents ask for it.
    """
    now_s = time.time()
    if ready is None and at is None:
        if latest is not None or sites:
            raise BadInput("--latest" if latest else "--site", "--when-ready or --at beside it", "neither")
        with open_installation(root) as site, site.catalogue.write() as conn:
            planned_activations.cancel(conn, package_id)
            found = packages.activate(conn, package_id, info_server, fragment_server, now_s, via or "")
        where = f"info {info_server}, fragments {fragment_server}" if info_server else "from this server"
        _say(found, f"Package {package_id} is active: {where}.", as_json=as_json)
        return
    if info_server or fragment_server:
        raise BadInput("--info-server", "nothing beside --when-ready and --at", info_server or fragment_server)
    with open_installation(root) as site, site.catalogue.write() as conn:
        conditions = Conditions(
            ready_percent=ready or 0,
            not_before_s=at.timestamp() if at else now_s,
            latest_s=latest.timestamp() if latest else None,
            sites=sites,
        )
        waiting = planned_activations.plan(conn, package_id, Via(via) if via else None, conditions, now_s)
    _say(waiting, _when(waiting, now_s), as_json=as_json)


def _when(waiting: Planned, now_s: float) -> str:
    words = [f"`distd serve` activates package {waiting.package_id}"]
    if waiting.not_before_s > now_s:
        words.append(f"not before {format_time(waiting.not_before_s)}")
    if waiting.needed:
        words.append(f"when {waiting.needed} of {waiting.count} mirrors have verified it ({waiting.ready} have)")
    if waiting.latest_s is not None:
        words.append(f"at {format_time(waiting.latest_s)} however few")
    return ", ".join(words) + "."


def _say(found: object, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(text)


@click.command(epilog=example("distd package deactivate 1700000001 --data /srv/distd"))
@package_argument
@data_option
def deactivate(package_id: str, root: Path) -> None:
    """Tell no more agents of a package. Those that know of it go on to their result."""
    with open_installation(root) as site, site.catalogue.write() as conn:
        packages.deactivate(conn, package_id, time.time())
    click.echo(f"Package {package_id} is no longer active.")


COMMANDS: Final = (activate, deactivate)
