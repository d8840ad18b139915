"""`distd unassign`, `distd results`, `distd accept`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

import click

from distd.cli.computer_options import computer_option, file_option, read_device_ids
from distd.cli.package_options import package_argument
from distd.cli.package_text import describe_counters
from distd.cli.site import ask_list, site_option
from distd.domain.errors import BadInput
from distd.domain.results import OPEN, Outcome
from distd.domain.units import format_count, format_time
from distd.operations import packages as package_operations
from distd.operations.acts import ACTS, ActRequest
from distd.operations.deployments import ACCEPT, RESULTS, AcceptRequest, ResultQuery
from distd.origin.deployments.assignments import Unassigned
from distd.origin.packages.overview import PackageState
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.cli.site import SiteAccess
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
    group: str | None
    dry_run: bool


@command(epilog=example("distd unassign 1700000001 --state WAITING --data /srv/distd"))
@package_argument
@site_option
@computer_option
@file_option
@option(
    "--state",
    "states",
    multiple=True,
    type=one_of(OPEN),
    help="All computers that are in this state: WAITING, those that were not notified yet. Repeatable.",
)
@option("--group", metavar="NAME", help="What this group gave; it gives the package no more.")
@option("--dry-run", is_flag=True, help="Change nothing: tell how many computers it would be for.")
@json_option
@options_record(UnassignOptions)
def unassign(package_id: str, site: SiteAccess, options: UnassignOptions, as_json: bool) -> None:
    """Remove the assignment of a package to computers. Agents that have been notified already still report a result.

    Computers of --computers to which it is not assigned, or that have a result, are skipped.
    """
    file = options.file
    if not (options.device_ids or file or options.states or options.group):
        raise BadInput("--computer", "computers, here or by --computers, --state or --group", "none")
    done = [site.ask(ACTS["unassign"], package_id, given=request) for request in _requests(options)]
    items = list(dict.fromkeys(device_id for each in done for device_id in each.items))
    withdrawn = {device_id for each in done for device_id in each.withdrawn}
    if options.dry_run:
        _tell_what_would_be(package_id, items, as_json=as_json)
        return
    became = {name: Unassigned.WITHDRAWN if name in withdrawn else Unassigned.REMOVED for name in items}
    if as_json:
        print_json({"package_id": package_id, "items": [{"device_id": name, "became": became[name]} for name in items]})
        return
    named = [name for name in items if name in options.device_ids]
    for name in named:
        click.echo(f"{name}: {_UNASSIGNED[became[name]]}.")
    if file or options.states or options.group:
        many = Counter(how for name, how in became.items() if name not in options.device_ids)
        for how, count in sorted(many.items()):
            click.echo(f"{format_count(count, 'computer')}: {_UNASSIGNED[how]}.")
        if not many:
            click.echo(f"No computer of those has {package_id} assigned without a result.")


def _requests(options: UnassignOptions) -> list[ActRequest]:
    """One for each way to choose computers. Those that are named must have it; unless it is only tried."""
    listed = tuple(dict.fromkeys(read_device_ids(options.file))) if options.file else ()
    found = []
    if options.device_ids:
        named, strict = tuple(dict.fromkeys(options.device_ids)), not options.dry_run
        found.append(ActRequest(computers=named, strict=strict, dry_run=options.dry_run))
    if others := tuple(device_id for device_id in listed if device_id not in options.device_ids):
        found.append(ActRequest(computers=others, dry_run=options.dry_run))
    if options.states:
        found.append(ActRequest(states=options.states, dry_run=options.dry_run))
    if options.group:
        found.append(ActRequest(group=options.group, dry_run=options.dry_run))
    return found


def _tell_what_would_be(package_id: str, items: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"package_id": package_id, "dry_run": True, "items": [{"device_id": name} for name in items]})
        return
    click.echo(f"{format_count(len(items), 'computer')}: would be unassigned {package_id}; nothing is done.")


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
@site_option
@list_options
@options_record(ResultOptions)
def results(package_id: str, site: SiteAccess, options: ResultOptions, listing: ListOptions) -> None:
    """The state of a package on each computer that it is assigned to, by DEVICEID.

    "SUCCESS, unproven": no fragment of it was sent to the computer. "WAITING, unproven": it is in the agent's history,
    but this server never delivered it. `distd accept` takes both for a success; `distd assign --force` has it run.
    """
    package = site.ask(package_operations.STATE, package_id)
    query = ResultQuery(options.states or None, options.unproven, options.attempts)
    page = ask_list(site, RESULTS, listing, query, package_id)
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
@site_option
@computer_option
@file_option
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
    listed = read_device_ids(file) if file else []
    request = AcceptRequest(
        computers=tuple(dict.fromkeys([*options.device_ids, *listed])),
        everybody=options.all_unproven,
        strict=not (listed or options.all_unproven),
    )
    accepted = site.ask(ACCEPT, package_id, given=request).accepted
    if as_json:
        print_json({"package_id": package_id, "accepted": accepted})
        return
    click.echo(f"{format_count(len(accepted), 'computer')}: {package_id} counts as deployed.")
