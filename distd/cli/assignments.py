"""`distd assign`, `distd unassign`, `distd results`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, TextIO

import click

from distd.cli.options import data_option, example, json_option
from distd.cli.output import print_json, print_table
from distd.domain.errors import BadInput
from distd.domain.units import format_time
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import Unassigned
from distd.origin.installation import open_installation

if TYPE_CHECKING:
    from pathlib import Path

package_argument = click.argument("package_id", metavar="PACKAGE")
computer_option = click.option(
    "--computer", "device_ids", metavar="DEVICEID", multiple=True, required=True, help="Whom; again for more."
)

_UNASSIGNED = {
    Unassigned.REMOVED: "it was not told yet, and will not be",
    Unassigned.WITHDRAWN: "it was told already, so it stays listed until the agent reports; see `distd results`",
}


@click.command(epilog=example("distd assign 1700000001 --computer pc17-2026-01-31-08-00-00 --data /srv/distd"))
@package_argument
@data_option
@click.option("--computer", "device_ids", metavar="DEVICEID", multiple=True, help="Whom; again for more.")
@click.option(
    "--computers",
    "file",
    metavar="FILE",
    type=click.File("r", encoding="utf-8"),
    help="DEVICEIDs from a file, a line each, or as `computer list --json` prints them; - reads a pipe.",
)
@click.option("--force", is_flag=True, help="Also where the agent has it in its history.")
@click.option("--schedule", default="", metavar="WHEN", help="Windows: not before YYYY/MM/DD HH:MM.")
@click.option("--postcmd", default="", metavar="COMMAND", help="Windows: run this afterwards.")
@json_option
def assign(
    package_id: str,
    root: Path,
    device_ids: tuple[str, ...],
    file: TextIO | None,
    force: bool,
    schedule: str,
    postcmd: str,
    as_json: bool,
) -> None:
    """Give a package to computers: all of them, or none when one is refused. Those of --computers to which it is
    assigned already, and that have no result yet, are passed over."""
    listed = _read_device_ids(file.read()) if file else []
    if not (device_ids or listed):
        raise BadInput("--computer", "at least one DEVICEID, here or in --computers FILE", "none")
    with open_installation(root) as site, site.catalogue.write() as conn:
        already = assignments.waiting(conn, package_id) if listed else set()
        chosen = [*device_ids, *(one for one in listed if one not in already)]
        now_s = time.time()
        assignments.assign(conn, package_id, chosen, force=force, schedule=schedule, postcmd=postcmd, now_s=now_s)
    if as_json:
        print_json({"package_id": package_id, "device_ids": chosen})
        return
    for device_id in device_ids:
        click.echo(f"{device_id}: will be told of {package_id} at its next contact.")
    if file:
        click.echo(f"{len(chosen) - len(device_ids):,} of {file.name}: will be told of it at their next contact.")
        if len(chosen) < len(device_ids) + len(listed):
            click.echo(f"{len(device_ids) + len(listed) - len(chosen):,} of {file.name}: have been given it before.")


def _read_device_ids(text: str) -> list[str]:
    if not text.lstrip().startswith("["):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return [str(computer["device_id"]) for computer in json.loads(text)]
    except (ValueError, KeyError, TypeError):
        raise BadInput(
            "--computers", "a DEVICEID a line, or what `computer list --json` prints", "other JSON"
        ) from None


@click.command(epilog=example("distd unassign 1700000001 --computer pc17-2026-01-31-08-00-00 --data /srv/distd"))
@package_argument
@data_option
@computer_option
@json_option
def unassign(package_id: str, root: Path, device_ids: tuple[str, ...], as_json: bool) -> None:
    """Take a package back from computers, as far as their agents do not know of it yet."""
    with open_installation(root) as site, site.catalogue.write() as conn:
        done = {device_id: assignments.unassign(conn, package_id, device_id, time.time()) for device_id in device_ids}
    if as_json:
        print_json([{"device_id": device_id, "became": became} for device_id, became in done.items()])
        return
    for device_id, became in done.items():
        click.echo(f"{device_id}: {_UNASSIGNED[became]}.")


@click.command(epilog=example("distd results 1700000001 --data /srv/distd"))
@package_argument
@data_option
@json_option
def results(package_id: str, root: Path, as_json: bool) -> None:
    """How a package fares on each computer that it was given to."""
    with open_installation(root) as site, site.catalogue.read() as conn:
        found = assignments.results(conn, package_id)
    if as_json:
        print_json(found)
        return
    rows = (
        (
            row.device_id,
            row.state,
            row.code,
            f"{row.fragments_fetched}/{row.fragments}",
            format_time(row.result_at_s or row.fetched_at_s or row.notified_at_s or row.assigned_at_s),
            row.meaning,
        )
        for row in found
    )
    print_table(("Computer", "State", "Code", "Fragments", "Since", "Meaning"), rows, "Nobody has this package yet.")
