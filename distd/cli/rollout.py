"""`distd rollout …`: a package in waves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import UNSET

from distd.cli.completion import complete_filter
from distd.cli.package_options import package_argument
from distd.cli.rollout_plan import plan
from distd.cli.site import ask_list, site_option
from distd.domain.rollout_plan import (
    DEFAULT_SUCCESS_PERCENT,
    WaveBy,
    WavePlan,
    parse_wave,
)
from distd.domain.units import format_count, format_duration, format_rate, format_time, parse_duration, parse_rate
from distd.operations import rollouts as operations
from distd.operations.rollouts import (
    RolloutEdit,
    RolloutHaltsEdit,
    RolloutHaltsRequest,
    RolloutLimitsEdit,
    RolloutLimitsRequest,
    RolloutQuery,
    RolloutRequest,
    RolloutTarget,
    WaveRequest,
)
from distd.terminal.lists import Column, list_options, print_list, print_table
from distd.terminal.options import example, json_option, options_record
from distd.terminal.output import print_json, print_record
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.cli.site import SiteAccess
    from distd.domain.rollout_state import RolloutAct
    from distd.origin.deployments.rollouts import Rollout, RolloutWave
    from distd.terminal.lists import ListOptions

PERCENT: Final = click.IntRange(1, 100)


@click.group("rollout", cls=Group)
def rollout() -> None:
    """Deploy a package in waves: the next one opens when the one before has gone well."""


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """The options of `distd rollout create`."""

    filter_text: str | None
    group: str | None
    tag: str | None
    waves: tuple[str, ...]
    success: int
    after: str
    by_hand: bool
    halt_errors: int | None
    halt_stalled: int | None
    at_once: int | None
    rate: str | None
    start_at: str | None
    windows: str
    retries: int
    roll_back_to: str
    dynamic: bool
    approval: bool
    force: bool
    any_os: bool
    dry_run: bool


name_argument = argument("name", field="rollout", metavar="NAME", hint="see `distd rollout list`")
COLUMNS: Final[tuple[Column[Rollout], ...]] = (
    Column("Name", lambda row: row.name),
    Column("Package", lambda row: row.package_id, rank=1),
    Column("Phase", lambda row: row.phase, rank=1),
    Column("Waves open", lambda row: f"{row.opened} of {len(row.plan['waves'])}", rank=2),
    Column("Why", lambda row: row.reason, rank=3, cut=True),
    Column("Made by", lambda row: row.created_by, rank=4),
)


@rollout.command(
    epilog=example(
        "distd rollout create putty 1700000001 --wave 5 --wave '10%; after 1d' --wave rest --data /srv/distd"
    )
)
@argument("name", metavar="NAME", hint="any name")
@package_argument
@site_option
@option(
    "--filter",
    "filter_text",
    field="filter",
    metavar="FILTER",
    shell_complete=complete_filter,
    help="Whom it is for; else all.",
)
@option("--group", metavar="NAME", help="Whom it is for: the computers of a group.")
@option("--tag", metavar="TEXT", help="Whom it is for: those with such a TAG; ? and * as in a shell.")
@option(
    "--wave",
    "waves",
    metavar="WAVE",
    multiple=True,
    help="`5`, `10%`, `group NAME`, `filter FILTER`, `rest`; before it `NAME: `, after it `; success 95%`, "
    "`; after 2h`, `; by hand`. Repeatable, in their order; else one wave with all.",
)
@option(
    "--success",
    type=click.IntRange(0, 100),
    default=DEFAULT_SUCCESS_PERCENT,
    show_default=True,
    help="Percent of a wave that must have a success before the next one opens.",
)
@option("--after", default="0", metavar="TIME", help="A wave opens at least so long after the one before, such as 2h.")
@option("--by-hand", is_flag=True, help="Waves open only by `distd rollout open`.")
@option("--halt-errors", type=PERCENT, help="Halt when so many percent of a wave failed.")
@option("--halt-stalled", type=PERCENT, help="Halt when so many percent of a wave stall.")
@option("--at-once", type=click.IntRange(1), metavar="COMPUTERS", help="At most so many at the same time.")
@option("--rate", metavar="RATE", help="At most so many at the same time as fetch this together, such as 5MB/s.")
@option("--start-at", metavar="TIME", help='Not before "18:00", "fri 18:00", "2026-12-01 18:00", "2h" (from now).')
@option("--windows", default="", metavar="TIMES", help="Only within these times, such as `mon-fri 18-6; sat,sun`.")
@option("--retries", type=click.IntRange(0, 10), default=0, help="How often what failed is notified again.")
@option("--roll-back-to", default="", metavar="PACKAGE", help="What `distd rollout rollback` gives those that have it.")
@option("--dynamic", is_flag=True, help="Computers that begin to match join; it runs until it is stopped.")
@option("--approval", is_flag=True, help="Another operator has to approve it.")
@option("--force", is_flag=True, help="Run it even on computers that have it in their history.")
@option("--any-os", is_flag=True, help="Also on computers with another system than the package is for.")
@option("--dry-run", is_flag=True, help="Make none: tell which waves it would have, and how many computers each.")
@json_option
@options_record(RolloutOptions)
def create(name: str, package_id: str, site: SiteAccess, options: RolloutOptions, as_json: bool) -> None:
    """Make a roll-out. Nothing is assigned before `distd rollout start`."""
    default = WavePlan(
        WaveBy.REST,
        success_percent=options.success,
        after_s=parse_duration(options.after, "--after") if options.after != "0" else 0.0,
        by_hand=options.by_hand,
    )
    waves = tuple(parse_wave(text, "--wave", default) for text in options.waves) or (default,)
    request = RolloutRequest(
        name,
        package_id,
        to=RolloutTarget(options.filter_text, options.group, options.tag),
        waves=tuple(WaveRequest(**asdict(wave)) for wave in waves),
        limits=RolloutLimitsRequest(
            options.at_once, None if options.rate is None else parse_rate(options.rate, "--rate")
        ),
        halts=RolloutHaltsRequest(options.halt_errors, options.halt_stalled),
        start_at=options.start_at,
        windows=options.windows,
        dynamic=options.dynamic,
        approval=options.approval,
        retries=options.retries,
        roll_back_to=options.roll_back_to or None,
        force=options.force,
        any_os=options.any_os,
        dry_run=options.dry_run,
    )
    _print(site.ask(operations.CREATE, given=request), as_json=as_json)


@dataclass(frozen=True, slots=True)
class RolloutEditOptions:
    """The options of `distd rollout edit`; None: not given."""

    halt_errors: int | None
    halt_stalled: int | None
    at_once: int | None
    rate: str | None
    start_at: str | None
    windows: str | None
    retries: int | None
    roll_back_to: str | None
    dynamic: bool | None


@rollout.command(epilog=example("distd rollout edit putty --halt-errors 10 --windows 'mon-fri 18-6' --data /srv/distd"))
@name_argument
@site_option
@option("--halt-errors", type=click.IntRange(0, 100), help="Halt when so many percent of a wave failed; 0: never.")
@option("--halt-stalled", type=click.IntRange(0, 100), help="Halt when so many percent of a wave stall; 0: never.")
@option("--at-once", type=click.IntRange(0), metavar="COMPUTERS", help="At most so many at the same time; 0: all.")
@option("--rate", metavar="RATE", help="At most so many as fetch this together, such as 5MB/s; '': all.")
@option("--start-at", metavar="TIME", help="Not before this time; '': at once.")
@option("--windows", metavar="TIMES", help="Only within these times; '': always.")
@option("--retries", type=click.IntRange(0, 10), help="How often what failed is notified again.")
@option("--roll-back-to", metavar="PACKAGE", help="What a roll-back gives; '': there is none.")
@option("--dynamic/--not-dynamic", default=None, help="Whether computers that begin to match join.")
@json_option
@options_record(RolloutEditOptions)
def edit(name: str, site: SiteAccess, options: RolloutEditOptions, as_json: bool) -> None:
    """Change a roll-out, but for its waves; also while it runs. What is not given is not changed."""
    rate = None if options.rate is None else parse_rate(options.rate, "--rate") if options.rate else ""
    change = RolloutEdit(
        limits=RolloutLimitsEdit(_edited(options.at_once), _edited(rate)),
        halts=RolloutHaltsEdit(_edited(options.halt_errors), _edited(options.halt_stalled)),
        start_at=_edited(options.start_at),
        windows=UNSET if options.windows is None else options.windows,
        dynamic=UNSET if options.dynamic is None else options.dynamic,
        retries=UNSET if options.retries is None else options.retries,
        roll_back_to=_edited(options.roll_back_to),
    )
    _print(site.ask(operations.EDIT, name, given=change), as_json=as_json)


def _edited(value: Any) -> Any:
    """Of an option whose 0 or '' stands for none."""
    return UNSET if value is None else value or None


@rollout.command(epilog=example("distd rollout delete putty --data /srv/distd"))
@name_argument
@site_option
def delete(name: str, site: SiteAccess) -> None:
    """Forget a roll-out that was not started, or has ended. What it assigned stays."""
    site.ask(operations.DELETE, name)
    click.echo(f"Roll-out {name} is deleted.")


@rollout.command("list", epilog=example("distd rollout list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """All roll-outs, by name."""
    page = ask_list(site, operations.LIST, listing, RolloutQuery())
    print_list(page, COLUMNS, listing, "No roll-outs.")


@rollout.command(epilog=example("distd rollout show putty --data /srv/distd"))
@name_argument
@site_option
@json_option
def show(name: str, site: SiteAccess, as_json: bool) -> None:
    """A roll-out and its waves: how many computers are where."""
    _print(site.ask(operations.SHOW, name), as_json=as_json)


def _print(found: Rollout, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_record(
        (
            ("Name", found.name),
            ("Package", found.package_id),
            ("For", f"{found.who_kind} {found.who}" if found.who else "all computers"),
            ("Phase", found.phase),
            ("Why", found.reason),
            *_plan_rows(found.plan),
            ("Made", f"{format_time(found.created_at_s)} by {found.created_by}"),
            ("Approved by", found.approved_by),
        )
    )
    titles = ("Wave", "Name", "For", "Opens", "Computers", "To do", "Active", "Stalled", "Success", "Failed")
    rows = [
        (
            *(wave.number, wave.name, wave.who, _opens(found, wave)),
            *(wave.members, wave.pending, wave.active, wave.stalled, wave.success, wave.failed),
        )
        for wave in found.waves
    ]
    print_table(titles, rows, "No waves.")
    if found.left_out:
        click.echo(f"distd: note: {format_count(found.left_out, 'computer')} are in no wave", err=True)


def _opens(found: Rollout, wave: RolloutWave) -> str:
    """When it was opened; else what it waits for."""
    if wave.opened_at_s is not None:
        return format_time(wave.opened_at_s)
    plan = found.plan["waves"][wave.number - 1]
    if wave.number == 1:
        return ""
    if plan["by_hand"]:
        return "by hand"
    return f"{plan['success_percent']} %" + (f", {format_duration(plan['after_s'])}" if plan["after_s"] else "")


def _plan_rows(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What of a plan is not as it would be unsaid."""
    limits, halts = plan["limits"], plan["halts"]
    at_most = [f"{limits['at_once']:,} computers"] if limits["at_once"] else []
    at_most += [format_rate(limits["bytes_per_s"])] if limits["bytes_per_s"] else []
    halting = [f"{halts[f'{what}_percent']} % {word}" for what, word in _HALTS if halts[f"{what}_percent"]]
    also = [text for name, text in _ALSO if plan[name]]
    return [
        ("At most", ", ".join(at_most)),
        ("Halts at", ", ".join(halting)),
        ("Not before", format_time(plan["start_at_s"]) if plan["start_at_s"] else ""),
        ("Within", plan["windows"]),
        ("Retries", str(plan["retries"] or "")),
        ("Rolls back to", plan["roll_back_to"]),
        ("Also", ", ".join(also)),
    ]


_HALTS: Final = (("error", "failed"), ("stalled", "stalled"))
_ALSO: Final = (("dynamic", "computers that begin to match join"), ("approval", "another operator has to approve it"))


def _add(what: RolloutAct) -> None:
    text = operations.TEXTS[what].replace("`roll_back_to`", "--roll-back-to")

    @rollout.command(what.value, help=text, epilog=example(f"distd rollout {what} putty --data /srv/distd"))
    @name_argument
    @site_option
    @json_option
    def run(name: str, site: SiteAccess, as_json: bool) -> None:
        _print(site.ask(operations.ACTS[what], name), as_json=as_json)


for each in operations.TEXTS:
    _add(each)
rollout.add_command(plan)
