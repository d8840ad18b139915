"""Options by which commands are told which computers."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import click

from distd.cli.completion import complete_computers
from distd.domain.errors import BadInput
from distd.terminal.program import option

if TYPE_CHECKING:
    from typing import TextIO

computer_option = option(
    "--computer",
    "device_ids",
    field="computers",
    hint="see `distd computer list`",
    shell_complete=complete_computers,
    metavar="DEVICEID",
    multiple=True,
    help="A computer. Repeatable.",
)
file_option = option(
    "--computers",
    "file",
    field="computers",
    hint="see `distd computer list`",
    metavar="FILE",
    type=click.File("r", encoding="utf-8"),
    help="A file of DEVICEIDs: one in a line, or what `computer list --all` prints by --csv or --json; -: stdin.",
)


def read_device_ids(file: TextIO) -> list[str]:
    """DEVICEIDs: one in a line, those of a CSV with a column `device_id`, or of a JSON list. Raises `BadInput`."""
    expected = "one DEVICEID in a line, or the output of `computer list --all --json` or --csv"
    try:
        text = file.read()
    except UnicodeDecodeError:
        raise BadInput("--computers", expected, f"{file.name}, which is no text") from None
    head = next(csv.reader([text.partition("\n")[0].removeprefix("\ufeff")]), [])
    if "device_id" in head:
        rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
        return [device_id for row in rows if (device_id := (row["device_id"] or "").strip())]
    if not text.lstrip().startswith(("[", "{")):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        found = json.loads(text)
        return [str(computer["device_id"]) for computer in (found["items"] if isinstance(found, dict) else found)]
    except (ValueError, KeyError, TypeError):
        raise BadInput("--computers", expected, "other JSON") from None
