"""`distd config show`: the settings in force."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import click

from distd.cli.options import data_option
from distd.domain.errors import NotFound
from distd.domain.settings import SECTIONS, TABLE
from distd.origin.installation import read_settings
from distd.storage.data_dir import open_data_dir
from distd.terminal.lists import Column, table_lines, terminal_width
from distd.terminal.options import example, json_option, set_option
from distd.terminal.output import print_json
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting as it is printed. `origin`: "--set", a variable, the file, or "default"."""

    name: str
    value: bool | int | str
    origin: str
    meaning: str


COLUMNS: Final[tuple[Column[ShownSetting], ...]] = (
    Column("Setting", lambda row: row.name),
    Column("Value", lambda row: _text(row.value)),
    Column("From", lambda row: row.origin, rank=1),
    Column("Meaning", lambda row: row.meaning, rank=2, cut=True),
)


@click.group(cls=Group)
def config() -> None:
    """Settings: which are in force, and where each comes from."""


@config.command(epilog=example("distd config show download --origin --data /srv/distd"))
@argument("names", metavar="[SECTION|SETTING]...", nargs=-1, required=False)
@data_option
@set_option
@option("--origin", is_flag=True, help="Only those that are not defaults, and where they come from.")
@json_option
def show(names: tuple[str, ...], root: Path, overrides: Mapping[str, str], origin: bool, as_json: bool) -> None:
    """The settings in force, of all sections or of some; with --origin only what somebody has set."""
    settings = read_settings(open_data_dir(root), overrides)
    for name in names:
        if name not in TABLE and name not in SECTIONS:
            near = get_close_matches(name, [*TABLE, *SECTIONS], 1)
            hint = f"did you mean {near[0]}?" if near else "`distd config show` lists them"
            raise NotFound("names", "a section or the name of a setting", name, hint)
    wanted = [name for name in TABLE if not names or {name, name.partition(".")[0]} & set(names)]
    rows = [
        ShownSetting(name, settings.value(name), settings.origin(name), TABLE[name].meaning)
        for name in wanted
        if not origin or name in settings.origins
    ]
    if as_json:
        print_json({row.name: {"value": row.value, "origin": row.origin} for row in rows})
        return
    for line in table_lines(rows, COLUMNS, terminal_width()) if rows else ["All settings have their defaults."]:
        click.echo(line)


def _text(value: bool | int | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
