"""`distd unassign`, `distd results`, `distd accept`."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

import click

from distd.cli.actor import unix_actor
from distd.cli.computer_options import computer_option, file_option, read_device_ids
from distd.cli.options import data_option
from distd.cli.package_options import package_argument
from distd.cli.package_text import describe_counters
from distd.domain.errors import BadInput
from distd.domain.page import EVERYTHING
from distd.domain.results import OPEN, Outcome
from distd.domain.units import format_count, format_time
from distd.origin.deployments import assignments, proofs, result_list
from distd.origin.deployments.assignments import Unassigned
from distd.origin.installation import open_installation
from distd.origin.packages import overview
from distd.origin.packages.overview import PackageState
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from distd.origin.deployments.result_list import Result
    from distd.terminal.lists import ListOptions


_UNASSIGNED: Final = {
    Unassigned.REMOVED: "the assignment is removed; the agent did not know of it",
    Unassigned.WITHDRAWN: "the package is withdrawn; the agent knows of it, so the assignment stays until it reports",
}


@dataclass(frozen=True, slots=True)
class UnassignOptions:
    """The options of `distd unassign`."""

    device_ids: tuple[str, ...]
    file: TextIO | None
    states: tuple[str, ...]
    dry_run: bool


@command(epilog=example("distd unassign 1700000001 --state WAITING --data /srv/distd"))
@package_argument
@data_option
@computer_option
@file_option
@option(
    "--state",
    "states",
    multiple=True,
    type=one_of(OPEN),
    help="All computers that are in this state: WAITING, those that were not notified yet. Repeatable.",
)
@option("--dry-run", is_flag=True, help="Change nothing: tell how many computers it would be for.")
@json_option
@options_record(UnassignOptions)
def unassign(package_id: str, root: Path, options: UnassignOptions, as_json: bool) -> None:
    """Remove the assignment of a package to computers. Agents that have been notified already still report a result.

    Computers of --computers to which it is not assigned, or that have a result, are skipped.
    """
    file = options.file
    if not (options.device_ids or file or options.states):
        raise BadInput("--computer", "computers, here or by --computers or --state", "none")
    listed = read_device_ids(file) if file else []
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        if options.dry_run:
            _tell_unassigned(conn, package_id, options, listed, as_json=as_json)
            return
        take = partial(assignments.unassign, conn, unix_actor(), package_id, now_s=time.time())
        if options.states:
            states = [Outcome(state) for state in options.states]
            listed = [*listed, *result_list.in_states(conn, package_id, states)]
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


def _tell_unassigned(
    conn: Connection, package_id: str, options: UnassignOptions, listed: list[str], *, as_json: bool
) -> None:
    """What would be done."""
    found = set(result_list.in_states(conn, package_id, OPEN))
    if options.states:
        listed = [*listed, *result_list.in_states(conn, package_id, [Outcome(state) for state in options.states])]
    would = [device_id for device_id in dict.fromkeys((*options.device_ids, *listed)) if device_id in found]
    if as_json:
        print_json({"package_id": package_id, "dry_run": True, "items": [{"device_id": name} for name in would]})
        return
    click.echo(f"{format_count(len(would), 'computer')}: would be unassigned {package_id}; nothing is done.")


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """Which results: the options of `distd results`."""

    states: tuple[str, ...]
    unproven: bool
    attempts: bool


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
@option("--attempts", is_flag=True, help="Earlier attempts too, each with its result.")
@data_option
@list_options
@options_record(ResultOptions)
def results(package_id: str, root: Path, options: ResultOptions, listing: ListOptions) -> None:
    """The state of a package on each computer that it is assigned to, by DEVICEID.

    "SUCCESS, unproven": no fragment of it was sent to the computer. "WAITING, unproven": it is in the agent's history,
    but this server never delivered it. `distd accept` takes both for a success; `distd assign --force` has it run.
    """
    with open_installation(root) as installation, installation.catalogue.read() as conn:
        package = overview.show(conn, package_id)
        wanted, marks = [Outcome(state) for state in options.states], asdict(options)
        del marks["states"]
        page = result_list.results(conn, package_id, wanted, listing.window, **marks)
    is_deleted = package.state == PackageState.DELETED
    nothing = "This package is deleted; no computer had it." if is_deleted else "No computer has this package assigned."
    print_list(
        page,
        RESULT_COLUMNS,
        listing,
        "No computer is in that state." if options.states or options.unproven else nothing,
    )
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
@computer_option
@file_option
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
    listed = read_device_ids(file) if file else []
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        take = partial(proofs.accept, conn, unix_actor(), package_id, now_s=time.time())
        named = take(options.device_ids) if options.device_ids else []
        if options.all_unproven:
            page = result_list.results(conn, package_id, (), EVERYTHING, unproven=True)
            listed += [row.device_id for row in page.items]
        others = take([device_id for device_id in listed if device_id not in named], skip=True)
    accepted = [*named, *others]
    if as_json:
        print_json({"package_id": package_id, "accepted": accepted})
        return
    click.echo(f"{format_count(len(accepted), 'computer')}: {package_id} counts as deployed.")
