"""`distd assign`, `distd unassign`, `distd results`."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import click

from distd.cli.actor import unix_actor
from distd.cli.completion import complete_computers
from distd.cli.options import data_option
from distd.cli.package_options import package_argument
from distd.domain.errors import BadInput
from distd.domain.units import format_count, format_time
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import Terms, Unassigned
from distd.origin.installation import open_installation
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json, print_table
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def computer_option(*, required: bool) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """--computer, which may be repeated."""
    return option(
        "--computer",
        "device_ids",
        field="computers",
        hint="see `distd computer list`",
        shell_complete=complete_computers,
        metavar="DEVICEID",
        multiple=True,
        required=required,
        help="A computer. Repeatable.",
    )


_UNASSIGNED = {
    Unassigned.REMOVED: "the assignment is removed; the agent did not know of it",
    Unassigned.WITHDRAWN: "the package is withdrawn; the agent knows of it, so the assignment stays until it reports",
}


@dataclass(frozen=True, slots=True)
class AssignOptions:
    """The options of `distd assign`."""

    device_ids: tuple[str, ...]
    file: TextIO | None
    force: bool
    schedule: str
    postcmd: str


@command(epilog=example("distd assign 1700000001 --computer pc17-2026-01-31-08-00-00 --data /srv/distd"))
@package_argument
@data_option
@computer_option(required=False)
@option(
    "--computers",
    "file",
    metavar="FILE",
    type=click.File("r", encoding="utf-8"),
    help="A file of DEVICEIDs: one in a line, or the output of `computer list --json`; -: standard input.",
)
@option("--force", is_flag=True, help="Run it even on computers that have it in their history.")
@option("--schedule", default="", metavar="WHEN", help="Windows: not before this time, YYYY/MM/DD HH:MM.")
@option("--postcmd", default="", metavar="COMMAND", help="Windows: run this command afterwards.")
@json_option
@options_record(AssignOptions)
def assign(package_id: str, root: Path, options: AssignOptions, as_json: bool) -> None:
    """Assign a package to computers: to all of them, or to none if one is refused.

    Computers of --computers that have the package assigned already, and have no result yet, are skipped.
    """
    device_ids, file = options.device_ids, options.file
    listed = _read_device_ids(file.read()) if file else []
    if not (device_ids or listed):
        raise BadInput("--computer", "at least one DEVICEID, here or in --computers FILE", "none")
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        already = assignments.waiting(conn, package_id) if listed else set()
        chosen = [*device_ids, *(device_id for device_id in listed if device_id not in already)]
        assignments.assign(
            conn,
            unix_actor(),
            package_id,
            chosen,
            time.time(),
            Terms(options.force, options.schedule, options.postcmd),
        )
    if as_json:
        print_json({"package_id": package_id, "device_ids": chosen})
        return
    for device_id in device_ids:
        click.echo(f"{device_id}: will be notified of {package_id} at its next contact.")
    if file:
        new = len(chosen) - len(device_ids)
        click.echo(f"{file.name}: {format_count(new, 'computer')} will be notified at the next contact.")
        if new < len(listed):
            click.echo(f"{file.name}: {format_count(len(listed) - new, 'computer')} skipped, already assigned.")


def _read_device_ids(text: str) -> list[str]:
    if not text.lstrip().startswith("["):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return [str(computer["device_id"]) for computer in json.loads(text)]
    except (ValueError, KeyError, TypeError):
        raise BadInput(
            "--computers", "one DEVICEID in a line, or the output of `computer list --json`", "other JSON"
        ) from None


@command(epilog=example("distd unassign 1700000001 --computer pc17-2026-01-31-08-00-00 --data /srv/distd"))
@package_argument
@data_option
@computer_option(required=True)
@json_option
def unassign(package_id: str, root: Path, device_ids: tuple[str, ...], as_json: bool) -> None:
    """Remove the assignment of a package to computers. Agents that have been notified already still report a result."""
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        actor, now_s = unix_actor(), time.time()
        done = {device_id: assignments.unassign(conn, actor, package_id, device_id, now_s) for device_id in device_ids}
    if as_json:
        print_json([{"device_id": device_id, "became": became} for device_id, became in done.items()])
        return
    for device_id, became in done.items():
        click.echo(f"{device_id}: {_UNASSIGNED[became]}.")


@command(epilog=example("distd results 1700000001 --data /srv/distd"))
@package_argument
@data_option
@json_option
def results(package_id: str, root: Path, as_json: bool) -> None:
    """The state of a package on each computer that it is assigned to."""
    with open_installation(root) as installation, installation.catalogue.read() as conn:
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
    print_table(
        ("Computer", "State", "Code", "Fragments", "Since", "Meaning"),
        rows,
        "This package is assigned to no computer yet.",
    )
