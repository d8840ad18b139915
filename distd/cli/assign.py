"""`distd assign`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

from distd.cli.completion import complete_filter
from distd.cli.computer_options import computer_option, file_option, read_device_ids
from distd.cli.package_options import packages_argument
from distd.cli.site import site_option
from distd.domain.assignment_terms import OriginKind, read_moment, read_schedule
from distd.domain.errors import BadInput
from distd.domain.units import format_count
from distd.operations.deployments import ALREADY, ASSIGN, ASSIGNED, SKIPPED, AssignmentTarget, NewAssignment
from distd.operations.several_packages import ASSIGN as ASSIGN_SEVERAL
from distd.operations.several_packages import NewAssignments
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.cli.site import SiteAccess
    from distd.operations.deployments import AssignmentItem, AssignmentOutcome

SHOWN = 3  # computers that are named for a reason


@dataclass(frozen=True, slots=True)
class AssignOptions:
    """The options of `distd assign`."""

    set_name: str | None
    chain: bool
    device_ids: tuple[str, ...]
    file: TextIO | None
    tag: str | None
    filter_: str | None
    group: str | None
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
@packages_argument
@site_option
@option("--set", "set_name", field="set", metavar="NAME", help="Instead of PACKAGE: those of this set of packages.")
@option("--chain", is_flag=True, help="Of several packages each only after a success of the one before.")
@computer_option
@file_option
@option("--tag", field="to.tag", metavar="TEXT", help="All computers with such a TAG; ? and * as in a shell.")
@option(
    "--filter",
    "filter_",
    field="filter",
    metavar="FILTER",
    shell_complete=complete_filter,
    help="All computers that match this now, or @NAME, a saved filter.",
)
@option("--group", field="to.group", metavar="NAME", help="All computers in this group, now and later.")
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
def assign(package_ids: tuple[str, ...], site: SiteAccess, options: AssignOptions, as_json: bool) -> None:
    """Assign a package, or several, to computers: to all of them, or to none if one is refused.

    All but those named by --computer that have the package already, assigned or deployed, are skipped; with --force
    those only that have no result yet. Who comes into the --group later is assigned it then.
    """
    listed = read_device_ids(options.file) if options.file else []
    if not (options.device_ids or listed or options.tag or options.filter_ or options.group):
        expected = "at least one DEVICEID, here or in --computers FILE; or --tag, --filter, --group"
        raise BadInput("--computer", expected, "none")
    now = datetime.now()  # noqa: DTZ005 - local, as agents take it
    read_schedule(options.schedule, now, "--schedule")  # here, so that errors name the option
    read_moment(options.not_before, now, "--not-before")
    read_moment(options.not_after, now, "--not-after")
    if bool(package_ids) == (options.set_name is not None):
        raise BadInput("PACKAGE", "at least one PACKAGE, or --set", "both" if package_ids else "none")
    if len(package_ids) == 1:
        one = NewAssignment(package=package_ids[0], **_common(options, listed))
        done = [(package_ids[0], site.ask(ASSIGN, given=one))]
        whole: object = _as_json(*done[0])
    else:
        several = NewAssignments(
            packages=package_ids, set=options.set_name, chain=options.chain or None, **_common(options, listed)
        )
        found = site.ask(ASSIGN_SEVERAL, given=several)
        done = [(each.package, each.outcome) for each in found.packages]
        after = {each.package: {"after": each.after} for each in found.packages}
        whole = [_as_json(*each) | after[each[0]] for each in done]
    if as_json:
        print_json(whole)
        return
    for each in done:
        if options.dry_run:
            _tell_what_would_be(*each)
        else:
            _tell(each[0], options, each[1], several=len(done) > 1)


def _common(options: AssignOptions, listed: Sequence[str]) -> dict[str, Any]:
    """The fields that an assignment of one package has, and one of several."""
    name = options.file.name if options.file else ""
    return dict(  # noqa: C408 - they are fields
        to=AssignmentTarget(options.device_ids, tuple(listed), name, options.tag, options.filter_, options.group),
        strict=True,
        force=options.force,
        any_os=options.any_os,
        schedule=options.schedule,
        postcmd=options.postcmd,
        not_before=options.not_before,
        not_after=options.not_after,
        after=options.after,
        skip_unfit=options.skip_unfit,
        dry_run=options.dry_run,
    )


def _as_json(package_id: str, done: AssignmentOutcome) -> dict[str, object]:
    return {
        "package_id": package_id,
        "dry_run": done.dry_run,
        "assigned": [item.device_id for item in _of(done, ASSIGNED)],
        "already": [item.device_id for item in _of(done, ALREADY)],
        "skipped": [_unfit(item) for item in _of(done, SKIPPED)],
        "doubtful": [_unfit(item) for item in _of(done, ASSIGNED) if item.reason],
        "refusal": done.refusal,
    }


def _unfit(item: AssignmentItem) -> dict[str, object]:
    return {"device_id": item.device_id, "reason": item.reason, "detail": item.detail}


def _of(done: AssignmentOutcome, outcome: str, by: str | None = None) -> list[AssignmentItem]:
    return [item for item in done.items if item.outcome == outcome and by in (None, item.by)]


def _tell(package_id: str, options: AssignOptions, done: AssignmentOutcome, *, several: bool) -> None:
    of_it = f" of {package_id}" if several else ""
    for item in _of(done, ASSIGNED, OriginKind.HAND):
        click.echo(f"{item.device_id}: will be notified of {package_id} at its next contact.")
    chosen_by = {
        OriginKind.CSV: options.file and options.file.name,
        OriginKind.TAG: options.tag,
        OriginKind.FILTER: options.filter_,
        OriginKind.GROUP: options.group,
    }
    for by, name in chosen_by.items():
        if name:
            count = len(_of(done, ASSIGNED, by))
            click.echo(f"{name}: {format_count(count, 'computer')} will be notified{of_it} at the next contact.")
            if already := len(_of(done, ALREADY, by)):
                click.echo(f"{name}: {format_count(already, 'computer')} skipped: they have it already.")
    if options.group:
        click.echo(f"{options.group}: who comes later is assigned it then.")
    _tell_unfit(_of(done, SKIPPED), "skipped")
    _tell_unfit([item for item in _of(done, ASSIGNED) if item.reason], "may fail", err=True)


def _tell_what_would_be(package_id: str, done: AssignmentOutcome) -> None:
    click.echo(f"{format_count(done.assigned, 'computer')} would be assigned {package_id}; nothing is done.")
    if done.already:
        click.echo(f"{format_count(done.already, 'computer')}: have it already.")
    _tell_unfit(_of(done, SKIPPED), "cannot take it")
    _tell_unfit([item for item in _of(done, ASSIGNED) if item.reason], "would be assigned it, but may fail")
    if done.refusal:
        click.echo(f"It would be refused: {done.refusal}.")


def _tell_unfit(unfit: Sequence[AssignmentItem], what: str, *, err: bool = False) -> None:
    for reason, count in Counter(each.reason for each in unfit).items():
        named = [f"{each.device_id} {each.detail}" for each in unfit if each.reason == reason]
        more = ", …" if count > SHOWN else ""
        click.echo(f"{format_count(count, 'computer')} {what}: {', '.join(named[:SHOWN])}{more}.", err=err)
