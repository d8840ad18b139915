"""`distd archive`, `distd renotify`, `distd cancel`: acts on many assignments of a package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import click

from distd.cli.computer_options import computer_option, file_option, read_device_ids
from distd.cli.package_options import package_argument
from distd.cli.site import site_option
from distd.domain.errors import BadInput
from distd.domain.results import FINAL
from distd.domain.units import format_count
from distd.operations.acts import ACTS, ActRequest
from distd.origin.deployments import acts
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from distd.cli.site import SiteAccess
    from distd.domain.results import Outcome

    FC = TypeVar("FC", bound=Callable[..., Any] | click.Command)


@dataclass(frozen=True, slots=True)
class ActOptions:
    """Which assignments."""

    device_ids: tuple[str, ...]
    file: TextIO | None
    states: tuple[str, ...]
    codes: tuple[str, ...]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class CancelOptions:
    """Which assignments, of those without a result."""

    device_ids: tuple[str, ...]
    file: TextIO | None
    states: tuple[str, ...]
    dry_run: bool


_code_option = option("--code", "codes", metavar="CODE", multiple=True, help="Those with this result code. Repeatable.")
_dry_run_option = option("--dry-run", is_flag=True, help="Change nothing: tell how many computers it would be for.")


def _state_option(states: tuple[Outcome, ...], text: str) -> Callable[[FC], FC]:
    return option("--state", "states", multiple=True, type=one_of(states), help=f"{text} Repeatable.")


@command(epilog=example("distd archive 1700000001 --state SUCCESS --data /srv/distd"))
@package_argument
@site_option
@computer_option
@file_option
@_state_option(FINAL, "Results in this state: SUCCESS, all successes.")
@_code_option
@_dry_run_option
@json_option
@options_record(ActOptions)
def archive(package_id: str, site: SiteAccess, options: ActOptions, as_json: bool) -> None:
    """Take note of results: their state is ARCHIVED from now on, and counts no more as SUCCESS or FAILED."""
    _run("archive", site, package_id, options, ("archived", as_json))


@command(epilog=example("distd renotify 1700000001 --state FAILED --data /srv/distd"))
@package_argument
@site_option
@computer_option
@file_option
@_state_option(acts.ENDED, "Results in this state: FAILED, all failures.")
@_code_option
@option("--force", is_flag=True, help="Run it again even where the agent has it in its history: after a success.")
@_dry_run_option
@json_option
@options_record(ActOptions)
def renotify(package_id: str, site: SiteAccess, options: ActOptions, force: bool, as_json: bool) -> None:
    """Assign the package again, by the same terms, where it has a result: a new attempt.

    The result stays with the attempt before: `distd results --attempts`.
    """
    shown = ("notified again at the next contact", as_json)
    _run("renotify", site, package_id, options, shown, force=force)


@command(epilog=example("distd cancel 1700000001 --state DOWNLOADING --data /srv/distd"))
@package_argument
@site_option
@computer_option
@file_option
@_state_option(acts.FETCHING, "Computers in this state: DOWNLOADING, all that are fetching it.")
@_dry_run_option
@json_option
@options_record(CancelOptions)
def cancel(package_id: str, site: SiteAccess, options: CancelOptions, as_json: bool) -> None:
    """Stop the package on computers whose agents were notified of it; others keep it.

    Their agents get empty fragments from now on: they find a wrong digest, delete the package and report
    ERR_BAD_DIGEST. What an agent gets from a redistribution server cannot be stopped.
    """
    chosen = ActOptions(options.device_ids, options.file, options.states, (), options.dry_run)
    _run("cancel", site, package_id, chosen, ("told to end it", as_json))


def _run(
    act: str, site: SiteAccess, package_id: str, options: ActOptions, shown: tuple[str, bool], *, force: bool = False
) -> None:
    device_ids = [*options.device_ids, *(read_device_ids(options.file) if options.file else ())]
    if not (device_ids or options.states or options.codes):
        raise BadInput("--computer", "computers, here or by --computers, --state or --code", "none")
    request = ActRequest(
        states=tuple(options.states) or None,
        codes=options.codes or None,
        computers=tuple(dict.fromkeys(device_ids)) or None,
        force=force,
        dry_run=options.dry_run,
    )
    done = site.ask(ACTS[act], package_id, given=request)
    what, as_json = shown
    if as_json:
        print_json({"package_id": package_id, "dry_run": options.dry_run, "items": done.items})
        return
    would = "would be " if options.dry_run else ""
    click.echo(f"{format_count(done.computers, 'computer')}: {would}{what}.")
    if done.passed_over:
        click.echo(f"{format_count(done.passed_over, 'computer')}: passed over, it is in no such state there.")
    if done.elsewhere:
        click.echo(
            f"distd: note: {format_count(done.elsewhere, 'computer')} of them last fetched from a redistribution "
            "server, where this has no effect",
            err=True,
        )
