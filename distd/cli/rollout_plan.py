"""`distd rollout plan`: how a whole roll-out will go, and how it goes beside that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from distd.cli.site import site_option
from distd.domain.units import format_count, format_duration, format_rate, format_time, format_volume
from distd.operations.forecasts import ROLLOUT_PLAN, RolloutPlanQuery
from distd.simulation.world import Line
from distd.terminal.lists import print_table
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json
from distd.terminal.program import argument, command, option
from distd.terminal.written_file import check_file, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from distd.cli.site import SiteAccess
    from distd.origin.deployments.rollout_forecasts import MeasuredRollout, RolloutPlanShown
    from distd.simulation.records import RolloutForecast

MAX_LINES: Final = 10
POINTS: Final = 10  # of the curve
BAR: Final = 30  # characters for all computers
NAME: Final = 12  # characters of a wave's name, and of a line's
PLACE: Final = 36
SHOWN: Final = (90, 100)  # shares of the computers that are done (%)


@command(epilog=example("distd rollout plan putty --line '4Mbit/s; 1Mbit/s mon-fri 8-18' --data /srv/distd"))
@argument("name", metavar="NAME")
@site_option
@option("--line", default="", metavar="RULES", help="The line of each site, such as '4Mbit/s; 1Mbit/s mon-fri 8-18'.")
@option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write it as a page with plots, too.")
@json_option
def plan(name: str, site: SiteAccess, line: str, html: Path | None, as_json: bool) -> None:
    """Simulate a whole roll-out: when its waves open, when computers are done, what lines and mirrors carry.

    Once it has begun it is the plan that was made then, beside what is measured. In a plan nothing fails, and a wave
    that is opened by hand opens as soon as it could.
    """
    Line.read(line, "--line")  # here, so that errors name the option
    if html is not None:
        check_file(html, "--html")
    found = site.ask(ROLLOUT_PLAN, name, given=RolloutPlanQuery(line))
    is_written = html is None or write(html, _page(found), "--html")
    if as_json:
        print_json(found)
    else:
        _print(found)
    click.get_current_context().exit(0 if is_written else 1)


def _page(found: RolloutPlanShown) -> str:
    # Only here: without --html nothing shall wait for what makes pages.
    from distd.cli.rollout_page import page

    return page(found)


def _print(found: RolloutPlanShown) -> None:
    when = "planned when it began" if found.is_kept else "would begin"
    begins = f"{when}: {format_time(found.begins_at_s)}"
    click.echo(f"Roll-out {found.rollout}, {found.phase}: {format_count(found.computers, 'computer')}; {begins}.\n")
    if found.forecast is None:
        click.echo(f"There is no plan: {found.why}.")
    else:
        _print_waves(found.forecast, found.measured)
        _print_curve(found.forecast, found.measured)
        _print_loads(found.forecast)
    if found.measured is not None:
        _print_measured(found, found.measured)


def _print_waves(forecast: RolloutForecast, measured: MeasuredRollout | None) -> None:
    titles = ["Wave", "Computers", "Opens after", *(["opened"] if measured else [])]
    rows = []
    for place, wave in enumerate(forecast.waves):
        opened = [_after(measured.opened_s[place], "") if place < len(measured.opened_s) else ""] if measured else []
        name = f"{wave.number} {wave.name}"[:NAME].strip()
        rows.append((name, f"{wave.computers:,}", _after(wave.opens_s), *opened, *_done(wave.finish_s)))
    in_all = ["", *([""] if measured else []), *_done(forecast.finish_s)]
    rows.append(("all", f"{forecast.agents:,}", *in_all))
    print_table((*titles, *(f"{share} %" for share in SHOWN)), rows, "No waves.")


def _done(finish_s: Mapping[int, float | None]) -> list[str]:
    return [_after(finish_s[share]) for share in SHOWN]


def _print_curve(forecast: RolloutForecast, measured: MeasuredRollout | None) -> None:
    if not forecast.curve:
        return
    click.echo()
    last_s = forecast.curve[-1][0]
    times = [last_s * point / POINTS for point in range(1, POINTS + 1)]
    rows = []
    for at_s in times:
        planned = _share_at(forecast.curve, at_s)
        got = _share_at(measured.curve, at_s) if measured and measured.curve and at_s <= measured.curve[-1][0] else None
        shown = [f"{got:.0%}" if got is not None else ""] if measured else []
        rows.append((format_duration(at_s), f"{planned:.0%}", *shown, "#" * round(planned * BAR)))
    print_table(("After", "planned", *(["measured"] if measured else []), ""), rows, "")


def _share_at(curve: Sequence[tuple[float, float]], at_s: float) -> float:
    return max((share for point_s, share in curve if point_s <= at_s), default=0.0)


def _print_loads(forecast: RolloutForecast) -> None:
    click.echo()
    lines = [("line of ", load) for load in forecast.lines if load.bytes]
    mirrors = [("mirror of ", load) for load in forecast.mirrors if load.bytes]
    loads = [("", forecast.origin)]
    for some in (lines, mirrors):
        loads += sorted(some, key=lambda each: -each[1].peak_bytes_per_s)[:MAX_LINES]
    rows = [
        (
            f"{kind}{load.name}"[:PLACE],
            format_volume(load.bytes),
            format_rate(load.peak_bytes_per_s),
            _after(load.peak_after_s),
        )
        for kind, load in loads
    ]
    print_table(("Line", "bytes", "peak minute", "after"), rows, "")
    if forecast.one_in > 1:
        click.echo(f"One in {forecast.one_in:,} computers was simulated, so times and peaks are a little too high.")


def _print_measured(found: RolloutPlanShown, measured: MeasuredRollout) -> None:
    after = format_duration(max(measured.at_s - found.begins_at_s, 0.0))
    expected = "" if measured.expected is None else f", planned by now: {measured.expected:,}"
    sent = format_volume(measured.sent_bytes)
    click.echo(
        f"\nNow, after {after}: {format_count(measured.success, 'computer')} with success{expected}; {sent} sent."
    )


def _after(at_s: float | None, never: str = "never") -> str:
    return never if at_s is None else format_duration(at_s)
