"""`distd assign`, `distd unassign`, `distd results`, `distd accept`."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

import click

from distd.cli.actor import unix_actor
from distd.cli.completion import complete_computers
from distd.cli.options import data_option
from distd.cli.package_options import package_argument
from distd.cli.package_text import describe_counters
from distd.domain.errors import BadInput
from distd.domain.page import EVERYTHING
from distd.domain.results import Outcome
from distd.domain.units import format_count, format_time, parse_moment
from distd.origin.deployments import assignments, proofs
from distd.origin.deployments.assignments import SCHEDULE_FORMAT, Assigned, Terms, Unassigned
from distd.origin.installation import open_installation
from distd.origin.packages import overview
from distd.origin.packages.overview import PackageState
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from pathlib import Path

    from distd.origin.deployments.assignments import Result
    from distd.terminal.lists import ListOptions


_computer_option = option(
    "--computer",
    "device_ids",
    field="computers",
    hint="see `distd computer list`",
    shell_complete=complete_computers,
    metavar="DEVICEID",
    multiple=True,
    help="A computer. Repeatable.",
)
_file_option = option(
    "--computers",
    "file",
    field="computers",
    hint="see `distd computer list`",
    metavar="FILE",
    type=click.File("r", encoding="utf-8"),
    help="A file of DEVICEIDs: one in a line, or the output of `computer list --all --json`; -: standard input.",
)
_OPEN: Final = (Outcome.WAITING, Outcome.NOTIFIED, Outcome.DOWNLOADING)
_UNASSIGNED: Final = {
    Unassigned.REMOVED: "the assignment is removed; the agent did not know of it",
    Unassigned.WITHDRAWN: "the package is withdrawn; the agent knows of it, so the assignment stays until it reports",
}


@dataclass(frozen=True, slots=True)
class AssignOptions:
    """The options of `distd assign`."""

    device_ids: tuple[str, ...]
    file: TextIO | None
    force: bool
    any_os: bool
    schedule: str
    postcmd: str


@command(epilog=example("distd assign 1700000001 --computer pc17-2026-01-31-08-00-00 --data /srv/distd"))
@package_argument
@data_option
@_computer_option
@_file_option
@option("--force", is_flag=True, help="Run it even on computers that have it in their history.")
@option("--any-os", is_flag=True, help="Also on computers with another system than the package is for.")
@option(
    "--schedule",
    default="",
    metavar="TIME",
    help='Windows: not before "18:00", "fri 18:00", "2026-12-01 18:00", "2h" (from now).',
)
@option("--postcmd", default="", metavar="COMMAND", help="Windows: run this command afterwards.")
@json_option
@options_record(AssignOptions)
def assign(package_id: str, root: Path, options: AssignOptions, as_json: bool) -> None:
    """Assign a package to computers: to all of them, or to none if one is refused.

    Computers of --computers that have the package already, assigned or deployed, are skipped; with --force those only
    that have no result yet.
    """
    device_ids, file = options.device_ids, options.file
    listed = _read_device_ids(file) if file else []
    if not (device_ids or listed):
        raise BadInput("--computer", "at least one DEVICEID, here or in --computers FILE", "none")
    terms = Terms(options.force, _schedule(options.schedule), options.postcmd, options.any_os)
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        give = partial(assignments.assign, conn, unix_actor(), package_id, now_s=time.time(), terms=terms)
        named = give(device_ids) if device_ids else Assigned([], [])
        others = give([device_id for device_id in listed if device_id not in device_ids], skip=True)
    if as_json:
        assigned = [*named.assigned, *others.assigned]
        print_json({"package_id": package_id, "assigned": assigned, "already": others.already})
        return
    for device_id in named.assigned:
        click.echo(f"{device_id}: will be notified of {package_id} at its next contact.")
    if file:
        click.echo(
            f"{file.name}: {format_count(len(others.assigned), 'computer')} will be notified at the next contact."
        )
        if others.already:
            click.echo(f"{file.name}: {format_count(len(others.already), 'computer')} skipped: they have it already.")


def _schedule(text: str) -> str:
    """As agents get it: local time, which is that of the computers too, or should be."""
    if not text:
        return ""
    now = datetime.now()  # noqa: DTZ005 - local, as agents take it
    return datetime.fromtimestamp(parse_moment(text, "--schedule", now)).strftime(SCHEDULE_FORMAT)  # noqa: DTZ006


def _read_device_ids(file: TextIO) -> list[str]:
    expected = "one DEVICEID in a line, or the output of `computer list --all --json`"
    try:
        text = file.read()
    except UnicodeDecodeError:
        raise BadInput("--computers", expected, f"{file.name}, which is no text") from None
    if not text.lstrip().startswith(("[", "{")):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        found = json.loads(text)
        return [str(computer["device_id"]) for computer in (found["items"] if isinstance(found, dict) else found)]
    except (ValueError, KeyError, TypeError):
        raise BadInput("--computers", expected, "other JSON") from None


@dataclass(frozen=True, slots=True)
class UnassignOptions:
    """The options of `distd unassign`."""

    device_ids: tuple[str, ...]
    file: TextIO | None
    states: tuple[str, ...]


@command(epilog=example("distd unassign 1700000001 --state WAITING --data /srv/distd"))
@package_argument
@data_option
@_computer_option
@_file_option
@option(
    "--state",
    "states",
    multiple=True,
    type=one_of(_OPEN),
    help="All computers that are in this state: WAITING, those that were not notified yet. Repeatable.",
)
@json_option
@options_record(UnassignOptions)
def unassign(package_id: str, root: Path, options: UnassignOptions, as_json: bool) -> None:
    """Remove the assignment of a package to computers. Agents that have been notified already still report a result.

    Computers of --computers to which it is not assigned, or that have a result, are skipped.
    """
    file = options.file
    if not (options.device_ids or file or options.states):
        raise BadInput("--computer", "computers, here or by --computers or --state", "none")
    listed = _read_device_ids(file) if file else []
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        take = partial(assignments.unassign, conn, unix_actor(), package_id, now_s=time.time())
        if options.states:
            states = [Outcome(state) for state in options.states]
            listed = [*listed, *assignments.in_states(conn, package_id, states)]
        became = take(options.device_ids) if options.device_ids else {}
        many = take([device_id for device_id in listed if device_id not in became], skip=True)
    if as_json:
        items = [{"device_id": device_id, "became": how} for device_id, how in (became | many).items()]
        print_json({"package_id": package_id, "items": items})
        return
    for device_id, how in became.items():
        click.echo(f"{device_id}: {_UNASSIGNED[how]}.")
    if file or options.states:
        for how, count in sorted(Counter(many.values()).items()):
            click.echo(f"{format_count(count, 'computer')}: {_UNASSIGNED[how]}.")
        if not many:
            click.echo(f"No computer of those has {package_id} assigned without a result.")


RESULT_COLUMNS: Final[tuple[Column[Result], ...]] = (
    Column("Computer", lambda row: row.device_id),
    Column("Name", lambda row: row.computer_name, rank=6, cut=True),
    Column("State", lambda row: row.shown_state, rank=1),
    Column("Code", lambda row: row.code if row.code != row.state else "", rank=3, cut=True),
    Column("Fragments", lambda row: row.progress, rank=2, right=True),
    Column("Since", lambda row: format_time(row.since_s), rank=4),
    Column("Meaning", lambda row: row.meaning, rank=5, cut=True),
)


@command(epilog=example("distd results 1700000001 --state FAILED --data /srv/distd"))
@package_argument
@option("--state", "states", multiple=True, type=one_of(Outcome), help="Only results in this state. Repeatable.")
@option("--unproven", is_flag=True, help="Only where nothing but the agent says that it has the package.")
@data_option
@list_options
def results(package_id: str, root: Path, states: tuple[str, ...], unproven: bool, listing: ListOptions) -> None:
    """The state of a package on each computer that it is assigned to, by DEVICEID.

    "SUCCESS, unproven": no fragment of it was sent to the computer. "WAITING, unproven": it is in the agent's history,
    but this server never delivered it. `distd accept` takes both for a success; `distd assign --force` has it run.
    """
    with open_installation(root) as installation, installation.catalogue.read() as conn:
        package = overview.show(conn, package_id)
        wanted = [Outcome(state) for state in states]
        page = assignments.results(conn, package_id, wanted, listing.window, unproven=unproven)
    is_deleted = package.state == PackageState.DELETED
    nothing = "This package is deleted; no computer had it." if is_deleted else "No computer has this package assigned."
    print_list(page, RESULT_COLUMNS, listing, "No computer is in that state." if states or unproven else nothing)
    if page.items and not (listing.as_json or listing.as_csv):
        click.echo(f"Together: {describe_counters(package)}.", err=True)


@dataclass(frozen=True, slots=True)
class AcceptOptions:
    """The options of `distd accept`."""

    device_ids: tuple[str, ...]
    file: TextIO | None
    all_unproven: bool


@command(epilog=example("distd accept 1700000001 --computer pc17-2026-01-31-08-00-00 --data /srv/distd"))
@package_argument
@data_option
@_computer_option
@_file_option
@option("--all", "all_unproven", is_flag=True, help="All computers of which `distd results --unproven` shows it.")
@json_option
@options_record(AcceptOptions)
def accept(package_id: str, root: Path, options: AcceptOptions, as_json: bool) -> None:
    """Take what is unproven of a package for a success: see `distd results --unproven`.

    Computers of --computers on which nothing is unproven are skipped.
    """
    file = options.file
    if not (options.device_ids or file or options.all_unproven):
        raise BadInput("--computer", "computers, here or by --computers or --all", "none")
    listed = _read_device_ids(file) if file else []
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        take = partial(proofs.accept, conn, unix_actor(), package_id, now_s=time.time())
        named = take(options.device_ids) if options.device_ids else []
        if options.all_unproven:
            page = assignments.results(conn, package_id, (), EVERYTHING, unproven=True)
            listed += [row.device_id for row in page.items]
        others = take([device_id for device_id in listed if device_id not in named], skip=True)
    accepted = [*named, *others]
    if as_json:
        print_json({"package_id": package_id, "accepted": accepted})
        return
    click.echo(f"{format_count(len(accepted), 'computer')}: {package_id} counts as deployed.")
