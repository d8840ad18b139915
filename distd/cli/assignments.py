"""`distd assign`, `distd unassign`, `distd results`, `distd accept`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, TextIO

import click

from distd.cli.completion import complete_computers
from distd.cli.package_options import package_argument
from distd.cli.package_text import describe_counters
from distd.cli.site import ask_list, site_option
from distd.domain.errors import BadInput
from distd.domain.results import Outcome
from distd.domain.units import format_count, format_time, parse_moment
from distd.operations import deployments as operations
from distd.operations import packages as package_operations
from distd.operations.deployments import AcceptRequest, AssignmentRequest, Recipients, ResultQuery, UnassignRequest
from distd.origin.deployments.assignments import Unassigned
from distd.origin.packages.overview import PackageState
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
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
dry_run_option = option("--dry-run", is_flag=True, help="Only tell what would be done.")
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
    dry_run: bool


@command(epilog=example("distd assign 1700000001 --computer pc17-2026-01-31-08-00-00 --data /srv/distd"))
@package_argument
@site_option
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
@dry_run_option
@json_option
@options_record(AssignOptions)
def assign(package_id: str, site: SiteAccess, options: AssignOptions, as_json: bool) -> None:
    """Assign a package to computers: to all of them, or to none if one is refused.

    Computers of --computers that have the package already, assigned or deployed, are skipped; with --force those only
    that have no result yet.
    """
    device_ids, file = options.device_ids, options.file
    listed = _read_device_ids(file) if file else []
    if not (device_ids or listed):
        raise BadInput("--computer", "at least one DEVICEID, here or in --computers FILE", "none")
    if options.schedule:  # here, so that errors name the option
        parse_moment(options.schedule, "--schedule", datetime.now())  # noqa: DTZ005 - local, as agents take it
    request = AssignmentRequest(
        package=package_id,
        to=Recipients(tuple(dict.fromkeys([*device_ids, *listed]))),
        strict=not listed,
        force=options.force,
        any_os=options.any_os,
        schedule=options.schedule,
        postcmd=options.postcmd,
        dry_run=options.dry_run,
    )
    done = site.ask(operations.ASSIGN, given=request)
    if as_json:
        print_json({"package_id": package_id, "assigned": done.assigned, "already": done.already})
        return
    will = "would be notified" if options.dry_run else "will be notified"
    named = [device_id for device_id in done.assigned if device_id in device_ids]
    for device_id in named:
        click.echo(f"{device_id}: {will} of {package_id} at its next contact.")
    if file:
        others = len(done.assigned) - len(named)
        click.echo(f"{file.name}: {format_count(others, 'computer')} {will} at the next contact.")
    if done.already:
        where = f"{file.name}: " if file else ""
        click.echo(f"{where}{format_count(len(done.already), 'computer')} skipped: they have it already.")


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
    dry_run: bool


@command(epilog=example("distd unassign 1700000001 --state WAITING --data /srv/distd"))
@package_argument
@site_option
@_computer_option
@_file_option
@option(
    "--state",
    "states",
    multiple=True,
    type=one_of(_OPEN),
    help="All computers that are in this state: WAITING, those that were not notified yet. Repeatable.",
)
@dry_run_option
@json_option
@options_record(UnassignOptions)
def unassign(package_id: str, site: SiteAccess, options: UnassignOptions, as_json: bool) -> None:
    """Remove the assignment of a package to computers. Agents that have been notified already still report a result.

    Computers of --computers to which it is not assigned, or that have a result, are skipped.
    """
    file = options.file
    if not (options.device_ids or file or options.states):
        raise BadInput("--computer", "computers, here or by --computers or --state", "none")
    listed = _read_device_ids(file) if file else []
    request = UnassignRequest(
        computers=tuple(dict.fromkeys([*options.device_ids, *listed])),
        states=tuple(Outcome(state) for state in options.states),
        strict=not (listed or options.states),
        dry_run=options.dry_run,
    )
    items = site.ask(operations.UNASSIGN, package_id, given=request).items
    if as_json:
        print_json({"package_id": package_id, "items": items})
        return
    named = [item for item in items if item.device_id in options.device_ids]
    for item in named:
        click.echo(f"{item.device_id}: {_UNASSIGNED[Unassigned(item.became)]}.")
    if file or options.states:
        others = Counter(item.became for item in items if item.device_id not in options.device_ids)
        for how, count in sorted(others.items()):
            click.echo(f"{format_count(count, 'computer')}: {_UNASSIGNED[Unassigned(how)]}.")
        if not others:
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
@site_option
@list_options
def results(package_id: str, site: SiteAccess, states: tuple[str, ...], unproven: bool, listing: ListOptions) -> None:
    """The state of a package on each computer that it is assigned to, by DEVICEID.

    "SUCCESS, unproven": no fragment of it was sent to the computer. "WAITING, unproven": it is in the agent's history,
    but this server never delivered it. `distd accept` takes both for a success; `distd assign --force` has it run.
    """
    package = site.ask(package_operations.STATE, package_id)
    page = ask_list(site, operations.RESULTS, listing, ResultQuery(states or None, unproven), package_id)
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
@site_option
@_computer_option
@_file_option
@option("--all", "all_unproven", is_flag=True, help="All computers of which `distd results --unproven` shows it.")
@json_option
@options_record(AcceptOptions)
def accept(package_id: str, site: SiteAccess, options: AcceptOptions, as_json: bool) -> None:
    """Take what is unproven of a package for a success: see `distd results --unproven`.

    Computers of --computers on which nothing is unproven are skipped.
    """
    file = options.file
    if not (options.device_ids or file or options.all_unproven):
        raise BadInput("--computer", "computers, here or by --computers or --all", "none")
    listed = _read_device_ids(file) if file else []
    request = AcceptRequest(
        computers=tuple(dict.fromkeys([*options.device_ids, *listed])),
        everybody=options.all_unproven,
        strict=not (listed or options.all_unproven),
    )
    accepted = site.ask(operations.ACCEPT, package_id, given=request).accepted
    if as_json:
        print_json({"package_id": package_id, "accepted": accepted})
        return
    click.echo(f"{format_count(len(accepted), 'computer')}: {package_id} counts as deployed.")
