"""`distd assign`."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

import click

from distd.cli.actor import unix_actor
from distd.cli.computer_options import computer_option, file_option, read_device_ids
from distd.cli.options import data_option
from distd.cli.package_options import package_argument
from distd.domain.assignment_terms import BY_HAND, AssignmentOrigin, OriginKind, Terms, read_moment, read_schedule
from distd.domain.errors import BadInput
from distd.domain.units import format_count
from distd.origin.deployments import assignments, choices
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.installation import open_installation
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from distd.origin.deployments.assignments import Assigned
    from distd.origin.deployments.fitness import Unfit
    from distd.origin.installation import Installation

SHOWN = 3  # computers that are named for a reason


@dataclass(frozen=True, slots=True)
class AssignOptions:
    """The options of `distd assign`."""

    device_ids: tuple[str, ...]
    file: TextIO | None
    tag: str | None
    force: bool
    any_os: bool
    schedule: str
    postcmd: str
    not_before: str | None
    not_after: str | None
    after: str | None
    skip_unfit: bool
    dry_run: bool


@command(epilog=example("distd assign 1700000001 --computer pc17-2026-01-31-08-00-00 --data /srv/distd"))
@package_argument
@data_option
@computer_option
@file_option
@option("--tag", metavar="TEXT", help="All computers with such a TAG; ? and * as in a shell.")
@option("--force", is_flag=True, help="Run it even on computers that have it in their history.")
@option("--any-os", is_flag=True, help="Also on computers with another system than the package is for.")
@option(
    "--schedule",
    default="",
    metavar="TIME",
    help='Windows: not before "18:00", "fri 18:00", "2026-12-01 18:00", "2h" (from now).',
)
@option("--postcmd", default="", metavar="COMMAND", help="Windows: run this command afterwards.")
@option("--not-before", metavar="TIME", help="Notify no agent before this time, in the same forms.")
@option("--not-after", metavar="TIME", help="An agent that was not notified by then is not any more: ERR_EXPIRED.")
@option("--after", metavar="PACKAGE", help="Notify each agent only after a success of this package on its computer.")
@option("--skip-unfit", is_flag=True, help="Pass over computers that cannot take it: --dry-run tells which.")
@option("--dry-run", is_flag=True, help="Assign nothing: tell how many would get it, and who cannot take it, and why.")
@json_option
@options_record(AssignOptions)
def assign(package_id: str, root: Path, options: AssignOptions, as_json: bool) -> None:
    """Assign a package to computers: to all of them, or to none if one is refused.

    Computers of --computers and --tag that have the package already, assigned or deployed, are skipped; with --force
    those only that have no result yet.
    """
    if not (options.device_ids or options.file or options.tag):
        raise BadInput("--computer", "at least one DEVICEID, here or in --computers FILE", "none")
    now_s, terms = time.time(), _terms(options)
    with open_installation(root) as installation:
        transaction = installation.catalogue.read if options.dry_run else installation.catalogue.write
        with transaction() as conn:
            done = [
                _assign(conn, request, now_s, dry_run=options.dry_run)
                for request in _requests(conn, installation, package_id, options, terms)
            ]
    if as_json:
        print_json(_as_json(package_id, done, dry_run=options.dry_run))
    elif options.dry_run:
        _tell_what_would_be(package_id, done)
    else:
        _tell(package_id, options, done)


def _terms(options: AssignOptions) -> Terms:
    now = datetime.now()  # noqa: DTZ005 - local, as agents take it
    return Terms(
        options.force,
        read_schedule(options.schedule, now, "--schedule"),
        options.postcmd,
        options.any_os,
        read_moment(options.not_before, now, "--not-before"),
        read_moment(options.not_after, now, "--not-after"),
        options.after,
    )


def _requests(
    conn: Connection, installation: Installation, package_id: str, options: AssignOptions, terms: Terms
) -> list[AssignmentRequest]:
    """One for each way to choose computers; a computer is in one of them only."""
    chosen: list[tuple[Sequence[str], AssignmentOrigin]] = [(options.device_ids, BY_HAND)]
    if options.file:
        chosen.append((read_device_ids(options.file), AssignmentOrigin(OriginKind.CSV, options.file.name)))
    if options.tag:
        origin = AssignmentOrigin(OriginKind.TAG, options.tag)
        chosen.append((choices.choose(conn, origin), origin))
    config, seen, requests = installation.settings.download, set[str](), []
    for device_ids, origin in chosen:
        new = [device_id for device_id in device_ids if device_id not in seen]
        seen |= set(new)
        if new:
            is_list = origin != BY_HAND
            requests.append(
                AssignmentRequest(package_id, new, terms, origin, is_list, options.skip_unfit, lambda _: config)
            )
    return requests


def _assign(conn: Connection, request: AssignmentRequest, now_s: float, *, dry_run: bool) -> Assigned:
    if dry_run:
        return assignments.preview(conn, request, now_s)
    return assignments.assign(conn, unix_actor(), request, now_s)


def _as_json(package_id: str, done: list[Assigned], *, dry_run: bool) -> dict[str, object]:
    refusals = [each.refusal for each in done if each.refusal]
    return {
        "package_id": package_id,
        "dry_run": dry_run,
        "assigned": [device_id for each in done for device_id in each.assigned],
        "already": [device_id for each in done for device_id in each.already],
        "skipped": [asdict(unfit) for each in done for unfit in each.skipped],
        "doubtful": [asdict(unfit) for each in done for unfit in each.doubtful],
        "refusal": refusals[0] if refusals else None,
    }


def _tell(package_id: str, options: AssignOptions, done: list[Assigned]) -> None:
    outcomes = iter(done)
    if options.device_ids:
        for device_id in next(outcomes).assigned:
            click.echo(f"{device_id}: will be notified of {package_id} at its next contact.")
    for name, outcome in zip(filter(None, (options.file and options.file.name, options.tag)), outcomes, strict=False):
        click.echo(f"{name}: {format_count(len(outcome.assigned), 'computer')} will be notified at the next contact.")
        if outcome.already:
            click.echo(f"{name}: {format_count(len(outcome.already), 'computer')} skipped: they have it already.")
    _tell_unfit([unfit for each in done for unfit in each.skipped], "skipped")
    _tell_unfit([unfit for each in done for unfit in each.doubtful], "may fail", err=True)


def _tell_what_would_be(package_id: str, done: list[Assigned]) -> None:
    assigned, already = sum(len(each.assigned) for each in done), sum(len(each.already) for each in done)
    click.echo(f"{format_count(assigned, 'computer')} would be assigned {package_id}; nothing is done.")
    if already:
        click.echo(f"{format_count(already, 'computer')}: have it already.")
    _tell_unfit([unfit for each in done for unfit in each.skipped], "cannot take it")
    _tell_unfit([unfit for each in done for unfit in each.doubtful], "would be assigned it, but may fail")
    for each in done:
        if each.refusal:
            click.echo(f"It would be refused: {each.refusal}.")


def _tell_unfit(unfit: list[Unfit], what: str, *, err: bool = False) -> None:
    for reason, count in Counter(each.reason for each in unfit).items():
        named = [f"{each.device_id} {each.detail}" for each in unfit if each.reason == reason]
        more = ", …" if count > SHOWN else ""
        click.echo(f"{format_count(count, 'computer')} {what}: {', '.join(named[:SHOWN])}{more}.", err=err)
