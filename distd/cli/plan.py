"""`distd plan`: the forecast of a deployment, and settings that meet a goal."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from distd.cli.package_options import package_argument
from distd.cli.site import local_only, site_option
from distd.domain.units import format_count, format_duration, format_rate, format_volume
from distd.operations.forecasts import PLAN, PlanQuery, question_of
from distd.origin.deployments import forecasts
from distd.origin.packages import packages
from distd.simulation.records import SHARES
from distd.simulation.world import Line
from distd.simulation.world_text import read_goal, read_sites
from distd.terminal.lists import print_table
from distd.terminal.options import example, json_option, options_record, set_option
from distd.terminal.output import print_json, print_record
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.cli.site import SiteAccess
    from distd.origin.deployments.forecasts import Plan
    from distd.simulation.records import Answer, Forecast, Goal

MAX_LINES = 15


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """The options of `distd plan`; None: not given."""

    by: str | None
    share: str
    most: str | None
    line: str
    sites: tuple[str, ...]


@command(
    epilog=example(
        "distd plan 1700000001 --data /srv/distd\n"
        '  distd plan 1700000001 --by "fri 18:00" --most 5MB/s --data /srv/distd'
    )
)
@package_argument
@site_option
@option("--by", metavar="TIME", help="Find settings to be done by then: 'fri 18:00', '2026-11-27 18:00', 3d.")
@option("--share", default="95%", show_default=True, help="The share of the computers that are to be done by then.")
@option("--most", metavar="RATE", help="The most that the line of a site may carry in any minute, such as 5MB/s.")
@option("--line", default="", metavar="RULES", help="The line of each site, such as '4Mbit/s; 1Mbit/s mon-fri 8-18'.")
@option(
    "--site",
    "sites",
    multiple=True,
    metavar="NAME=AGENTS[:LINE]",
    help="A site to simulate, instead of the computers that the server knows. Repeatable.",
)
@set_option
@json_option
@options_record(PlanOptions)
def plan(package_id: str, site: SiteAccess, options: PlanOptions, overrides: Mapping[str, str], as_json: bool) -> None:
    """Simulate the deployment of a package: when computers are done and what each line carries.

    The computers are those that have the package assigned and no result yet, by subnet; if there are none, all that are
    known. With --by it also searches for latencies, a priority and a fragment size that meet the goal. The exit status
    is 1 if none were found.
    """
    goal = read_goal(options.by, options.share, options.most, datetime.now())  # noqa: DTZ005 - "fri 18:00" is local
    Line.read(options.line, "--line")  # here, so that errors name the option
    query = PlanQuery(options.by, options.share, options.most, options.line)
    found = _of_sites(site, package_id, options, query) if options.sites else site.ask(PLAN, package_id, given=query)
    if as_json:
        print_json(found)
    else:
        _print_plan(found, goal)
    is_possible = found.answer is None or found.is_met or found.answer.is_met
    click.get_current_context().exit(0 if is_possible else 1)


def _of_sites(site: SiteAccess, package_id: str, options: PlanOptions, query: PlanQuery) -> Plan:
    """Of the given sites instead of the computers that are known."""
    installation = local_only(site, "--site").installation
    now = datetime.now()  # noqa: DTZ005 - local
    question = question_of(package_id, query, installation.settings, now)
    question = replace(question, sites=read_sites(options.sites, 0, options.line))
    with installation.catalogue.read() as conn:
        name = packages.show(conn, package_id).name
        world = forecasts.world_of(conn, question, time.time())
    return forecasts.forecast(world, question, name)


def _print_plan(found: Plan, goal: Goal | None) -> None:
    click.echo(f"Package {found.package_id}, {found.name}, for {format_count(found.agents, 'computer')}.\n")
    _print_forecast(found.forecast)
    if found.answer is not None and goal is not None:
        _print_answer(found, found.answer, goal)


def _print_forecast(forecast: Forecast) -> None:
    columns = ("Done", *(f"{share} %" for share in SHARES))
    spans = [forecast.finish_s[share] for share in SHARES]
    names = ("earliest", "middle", "latest") if forecast.draws > 1 else ("",)
    rows = [
        [name, *(format_duration(span[at]) if span else "never" for span in spans)] for at, name in enumerate(names)
    ]
    print_table(columns, rows, "")
    click.echo()
    loads = [forecast.origin, *sorted(forecast.lines, key=lambda load: -load.peak_bytes_per_s)[:MAX_LINES]]
    kinds = ["", *["line of "] * (len(loads) - 1)]
    loads += sorted(forecast.mirrors, key=lambda load: -load.peak_bytes_per_s)[:MAX_LINES]
    kinds += ["mirror of "] * (len(loads) - len(kinds))
    rows = [
        [
            kind + load.name,
            format_volume(load.bytes),
            format_rate(load.peak_bytes_per_s),
            format_duration(load.peak_after_s),
        ]
        for kind, load in zip(kinds, loads, strict=True)
        if load.bytes or not kind
    ]
    print_table(("Line", "bytes", "peak minute", "after"), rows, "")
    _print_sample(forecast.one_in)


def _print_answer(found: Plan, answer: Answer, goal: Goal) -> None:
    most = "" if math.isinf(goal.max_bytes_per_s) else f", no line over {format_rate(goal.max_bytes_per_s)}"
    goal_text = f"\n{goal.share * 100:g} % of the computers within {format_duration(goal.within_s)}{most}"
    config, contacts = answer.config, f"{goal.share * 100:g} % have made a contact after"
    if answer.contact_s > goal.within_s:
        click.echo(f"{goal_text}: no setting can meet this. {contacts} {format_duration(answer.contact_s)}:")
        click.echo("agents.prolog_freq_h is the time between two contacts of a computer.")
        return
    if found.is_met and not answer.is_met:
        click.echo(f"{goal_text}: is met without any change; no settings with longer pauses were found.")
        return
    if found.is_met:
        click.echo(f"{goal_text}: is met without any change. The longest pauses that meet it:\n")
    else:
        verdict = (
            "these settings meet it" if answer.is_met else "no settings were found that meet it; these come nearest"
        )
        click.echo(f"{goal_text}: {verdict}.\n")
    size = "(no file)"
    if answer.fragments:
        size = f"{answer.fragment_bytes // 1024}KiB ({format_count(answer.fragments, 'fragment')})"
    print_record(
        (
            ("download.frag_latency_s", config.frag_latency_s),
            ("download.cycle_latency_s", config.cycle_latency_s),
            ("download.period_latency_s", config.period_latency_s),
            ("download.period_length", config.period_length),
            ("--priority", str(answer.priority)),
            ("--fragment-size", size),
            (contacts, format_duration(answer.contact_s)),
            ("they are done after", format_duration(answer.finish_s)),
            ("at most", f"{format_rate(answer.peak_bytes_per_s)} on the line of {answer.line}"),
        )
    )
    click.echo("\nSet the first four in distd.toml, and build the package again with the next two.")
    _print_sample(answer.one_in)


def _print_sample(one_in: int) -> None:
    if one_in > 1:
        click.echo(
            f"One in {one_in:,} computers was simulated, which gives times and peaks that are a little too high."
        )
