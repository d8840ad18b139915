"""`distd plan`: how a deployment will go, and what to set so that it goes as wished."""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import TYPE_CHECKING

import click

from distd.cli.options import data_option, example, json_option, set_option
from distd.cli.output import print_json, print_record, print_table
from distd.cli.package_options import package_argument
from distd.domain.units import format_duration, format_rate, format_volume
from distd.origin.deployments import forecasts
from distd.origin.installation import open_installation
from distd.origin.packages import packages
from distd.simulation.summary import SHARES
from distd.simulation.world import Line
from distd.simulation.world_text import read_goal, read_sites

if TYPE_CHECKING:
    from pathlib import Path

    from distd.origin.deployments.forecasts import Plan
    from distd.simulation.forecast import Forecast
    from distd.simulation.goals import Answer, Goal

MOST_LINES = 15


@click.command(
    epilog=example(
        "distd plan 1700000001 --data /srv/distd\n"
        '  distd plan 1700000001 --by "fri 18:00" --most 5MB/s --data /srv/distd'
    )
)
@package_argument
@data_option
@click.option("--by", metavar="TIME", help="Find settings to be through by then: 'fri 18:00', '2026-11-27 18:00', 3d.")
@click.option("--share", default="95%", show_default=True, help="Of the computers that are to be through by then.")
@click.option("--most", metavar="RATE", help="No site's line may carry more in any minute, such as 5MB/s.")
@click.option("--line", default="", metavar="RULES", help="Each site's line, such as '4Mbit/s; 1Mbit/s mon-fri 8-18'.")
@click.option(
    "--site",
    "sites",
    multiple=True,
    metavar="NAME=AGENTS[:LINE]",
    help="Instead of the computers that the server knows; again for more.",
)
@set_option
@json_option
def plan(
    package_id: str,
    root: Path,
    by: str | None,
    share: str,
    most: str | None,
    line: str,
    sites: tuple[str, ...],
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Foresee a package's deployment: when it is through and what each line carries.

    The computers are those it is assigned to and that have no result yet (all that are known, if there are none), by
    subnet. With --by it also finds the latencies, priority and fragment size to set, and simulates them. Exit status 1
    says that nothing was found that meets the wish.
    """
    now = datetime.now()  # noqa: DTZ005 - "fri 18:00" is local
    with open_installation(root, overrides) as site:
        question = forecasts.Question(
            package_id=package_id,
            settings=site.settings,
            line=Line.read(line, "--line"),
            sites=read_sites(sites, 0, line) if sites else (),
            goal=read_goal(by, share, most, now),
            begins_min=now.weekday() * 1440 + now.hour * 60 + now.minute,
        )
        with site.catalogue.read() as conn:
            name = packages.show(conn, package_id).name
            world = forecasts.world_of(conn, question, time.time())
    found = forecasts.forecast(world, question, name)
    if as_json:
        print_json(found)
    else:
        _tell(found, question.goal)
    can_be = found.answer is None or found.is_met or found.answer.is_met
    click.get_current_context().exit(0 if can_be else 1)


def _tell(found: Plan, goal: Goal | None) -> None:
    click.echo(f"Package {found.package_id}, {found.name}, for {found.agents:,} computers.\n")
    _tell_forecast(found.forecast)
    if found.answer is not None and goal is not None:
        _tell_answer(found, found.answer, goal)


def _tell_forecast(forecast: Forecast) -> None:
    columns = ("Through", *(f"{share} %" for share in SHARES))
    spans = [forecast.finish_s[share] for share in SHARES]
    names = ("earliest", "middle", "latest") if forecast.draws > 1 else ("",)
    rows = [
        [name, *(format_duration(span[at]) if span else "never" for span in spans)] for at, name in enumerate(names)
    ]
    print_table(columns, rows, "")
    click.echo()
    loads = [forecast.origin, *sorted(forecast.lines, key=lambda one: -one.peak_bytes_per_s)[:MOST_LINES]]
    kinds = ["", *["line of "] * (len(loads) - 1)]
    loads += sorted(forecast.mirrors, key=lambda one: -one.peak_bytes_per_s)[:MOST_LINES]
    kinds += ["mirror of "] * (len(loads) - len(kinds))
    rows = [
        [
            kind + one.name,
            format_volume(one.bytes),
            format_rate(one.peak_bytes_per_s),
            format_duration(one.peak_after_s),
        ]
        for kind, one in zip(kinds, loads, strict=True)
        if one.bytes or not kind
    ]
    print_table(("Most in a minute", "bytes", "peak", "after"), rows, "")
    _tell_sample(forecast.one_in)


def _tell_answer(found: Plan, answer: Answer, goal: Goal) -> None:
    most = "" if math.isinf(goal.max_bytes_per_s) else f", no line over {format_rate(goal.max_bytes_per_s)}"
    wish = f"\n{goal.share * 100:g} % of the computers within {format_duration(goal.within_s)}{most}"
    config, contacts = answer.config, f"{goal.share * 100:g} % have made a contact after"
    if answer.contact_s > goal.within_s:
        click.echo(f"{wish}: cannot be met, whatever is set. {contacts} {format_duration(answer.contact_s)}:")
        click.echo("agents.prolog_freq_h is between two contacts of a computer.")
        return
    if found.is_met and not answer.is_met:
        click.echo(f"{wish}: is met as things stand; nothing gentler was found.")
        return
    if found.is_met:
        click.echo(f"{wish}: is met as things stand. With the longest pauses that do:\n")
    else:
        verdict = "can be met" if answer.is_met else "nothing was found that meets it; this comes nearest"
        click.echo(f"{wish}: {verdict}.\n")
    size = f"{answer.fragment_bytes // 1024}KiB ({answer.fragments} fragments)" if answer.fragments else "(no file)"
    print_record(
        (
            ("download.frag_latency_s", config.frag_latency_s),
            ("download.cycle_latency_s", config.cycle_latency_s),
            ("download.period_latency_s", config.period_latency_s),
            ("download.period_length", config.period_length),
            ("--priority", str(answer.priority)),
            ("--fragment-size", size),
            (contacts, format_duration(answer.contact_s)),
            ("they are through after", format_duration(answer.finish_s)),
            ("at most", f"{format_rate(answer.peak_bytes_per_s)} on the line of {answer.line}"),
        )
    )
    click.echo("\nSet the first four in distd.toml, and `distd package build` the package anew with the next two.")
    _tell_sample(answer.one_in)


def _tell_sample(one_in: int) -> None:
    if one_in > 1:
        click.echo(f"One in {one_in:,} computers was simulated; that is rather too pessimistic.")
