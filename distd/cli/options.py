"""Options that most commands have."""

from __future__ import annotations

from pathlib import Path

import click

data_option = click.option(
    "--data",
    "root",
    metavar="DIR",
    required=True,
    envvar="DISTD_DATA",
    type=click.Path(path_type=Path),
    help="The data directory (or the variable DISTD_DATA).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
set_option = click.option(
    "--set",
    "overrides",
    metavar="SECTION.NAME=VALUE",
    multiple=True,
    help="A setting for this run, such as download.frag_latency_s=1. Repeatable.",
)


def example(text: str) -> str:
    """The epilog of a command's help."""
    return f"\b\nExample:\n  {text}"
