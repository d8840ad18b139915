"""`distd statistics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from distd.cli.package_options import package_argument
from distd.cli.site import site_option
from distd.domain.results import meaning
from distd.domain.spreadsheet import csv_head, csv_lines
from distd.operations.acts import STATISTICS
from distd.origin.deployments.statistics import COUNTS, rows_of
from distd.terminal.lists import print_table
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.deployments.statistics import PackageStatistics

SHOWN: Final = 10  # of each kind


@command(epilog=example("distd statistics 1700000001 --data /srv/distd"))
@package_argument
@site_option
@option("--csv", "as_csv", is_flag=True, help="Print one table of all numbers as CSV, for spreadsheets.")
@json_option
def statistics(package_id: str, site: SiteAccess, as_csv: bool, as_json: bool) -> None:
    """How many computers are where with a package: by state, result code, tag, subnet, redistribution server, system
    and agent; --json and --csv have them over time too.

    The 10 largest of each; --json and --csv have 100. A deleted package keeps its numbers.
    """
    found = site.ask(STATISTICS, package_id)
    if as_json:
        print_json(found)
    elif as_csv:
        rows = list(rows_of(found))
        names = list(rows[0])
        click.echo(csv_head(names) + csv_lines(names, rows), nl=False)
    else:
        _tell(found)


def _tell(found: PackageStatistics) -> None:
    states = ", ".join(f"{count:,} {name}" for name in COUNTS if (count := getattr(found, name)))
    click.echo(f"{found.name}: {states or 'no computer has it assigned'}.")
    if found.by_code:
        click.echo()
        codes = list(found.by_code.items())[:SHOWN]
        print_table(
            ("Code", "Computers", "Meaning"), [(code, f"{count:,}", meaning(code)) for code, count in codes], ""
        )
    for title in ("tag", "subnet", "mirror", "os", "agent"):
        shares = getattr(found, f"by_{title}")
        if len(shares) > 1:
            click.echo()
            rows = [
                (share.name or "-", f"{share.total:,}", *(getattr(share, name) or "" for name in COUNTS))
                for share in shares
            ]
            print_table((title.capitalize(), "All", *(name.capitalize() for name in COUNTS)), rows[:SHOWN], "")
