"""Options that most commands of distd have."""

from __future__ import annotations

from pathlib import Path

import click

from distd.terminal.program import option

data_option = option(
    "--data",
    "root",
    field="data",
    metavar="DIR",
    required=True,
    envvar="DISTD_DATA",
    type=click.Path(path_type=Path),
    help="The data directory (or the variable DISTD_DATA).",
)
