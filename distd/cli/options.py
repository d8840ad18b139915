"""Options that most commands of distd have."""

from __future__ import annotations

from distd.terminal.options import FolderPath
from distd.terminal.program import option

data_option = option(
    "--data",
    "root",
    field="data",
    metavar="DIR",
    required=True,
    envvar="DISTD_DATA",
    type=FolderPath(),
    help="The data directory (or the variable DISTD_DATA).",
)
